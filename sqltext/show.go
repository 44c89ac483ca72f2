package sqltext

import "dxfproxy/sysvars"

// ShowVariables is SHOW [GLOBAL|SESSION] VARIABLES.
type ShowVariables struct {
	Text
	Form sysvars.Form // Plain, FormSession or FormGlobal
	Filter
}

// ShowDiagnostics is SHOW [COUNT(*)] WARNINGS or ERRORS.
type ShowDiagnostics struct {
	Text
	Errors bool
	Count  bool
	Limit  *Limit
}

// Filter is what a SHOW has of LIKE 'pattern' or WHERE expression, at most one of them.
type Filter struct {
	Like  *string // the pattern
	Where string
}

// show reads what follows SHOW.
func (p *reader) show() Statement {
	switch {
	case p.words("GLOBAL", "VARIABLES"):
		return p.showVariables(sysvars.FormGlobal)
	case p.words("SESSION", "VARIABLES"), p.words("LOCAL", "VARIABLES"):
		return p.showVariables(sysvars.FormSession)
	case p.word("VARIABLES"):
		return p.showVariables(sysvars.Plain)
	case p.words("IMPORT", "JOBS"):
		return p.showImportJobs()
	case isWord(p.all, p.peekAt(1), "JOB") && p.word("IMPORT"):
		return p.showImportJob()
	case p.word("COUNT"):
		if !p.punct('(') || !p.punct('*') || !p.punct(')') {
			return nil
		}
		return p.showDiagnostics(true)
	}
	return p.showDiagnostics(false)
}

func (p *reader) showVariables(form sysvars.Form) Statement {
	st := &ShowVariables{Text: p.Text, Form: form, Filter: p.filter()}
	p.end()
	return st
}

func (p *reader) showDiagnostics(count bool) Statement {
	ofErrors := p.word("ERRORS")
	if !ofErrors && !p.word("WARNINGS") {
		return nil
	}
	st := &ShowDiagnostics{Text: p.Text, Errors: ofErrors, Count: count}
	if !count {
		st.Limit = p.limit()
	}
	p.end()
	return st
}

// filter takes LIKE 'pattern' or WHERE expression.
func (p *reader) filter() (f Filter) {
	switch {
	case p.word("LIKE"):
		t := p.advance()
		if t.Kind != TokenString {
			p.fail()
			return f
		}
		like := StringValue(p.all, t, p.mode)
		f.Like = &like
	case p.word("WHERE"):
		f.Where = p.rest()
	}
	return f
}
