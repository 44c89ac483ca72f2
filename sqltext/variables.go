package sqltext

import (
	"slices"
	"strings"

	"dxfproxy/sysvars"
)

// SetVariables is a SET with one of our variables or sql_log_bin in it.
type SetVariables struct {
	Text
	Assignments []Assignment
	Vars        []VarRef // those of ours on right-hand sides, in the text's order
}

// Ours says whether one of our variables is assigned to.
func (st *SetVariables) Ours() bool {
	return slices.ContainsFunc(st.Assignments, func(a Assignment) bool { return a.Var != nil })
}

// In are the variables of ours in a piece of the statement.
func (st *SetVariables) In(s Span) []VarRef {
	at := func(r VarRef, place int) int { return r.Span.Start - place }
	from, _ := slices.BinarySearchFunc(st.Vars, s.Start, at)
	to, _ := slices.BinarySearchFunc(st.Vars, s.End, at)
	return st.Vars[from:to]
}

// Assignment is one item of a SET statement.
type Assignment struct {
	Span Span         // of the whole item, scope included
	Name string       // as written, without quotes and @@; of a user variable with its @
	User bool         // a user variable
	Form sysvars.Form // the scope named in this item; TiDB lets no scope word reach the next item
	Var  *sysvars.Var // nil if it is not one of ours

	Value Span              // of the right-hand side
	Kind  sysvars.ValueKind // Expr: must be computed by the store
	Text  string            // of every other kind: what to give Var.Check
}

// SelectVariables is SELECT @@x [AS a], … with one of ours among them.
type SelectVariables struct {
	Text
	Columns []VarColumn
	Limit   *Limit
}

// VarColumn is one column of SELECT @@x [AS a], ….
type VarColumn struct {
	Name  string       // of the variable, as written
	Label string       // the column's name: the alias, or the text of the reference
	Span  Span         // of the reference without the alias
	Form  sysvars.Form // the scope named
	Var   *sysvars.Var // nil if it is not one of ours
}

// scopeForms are the words that name a scope.
var scopeForms = []struct {
	word string
	form sysvars.Form
}{
	{"GLOBAL", sysvars.FormGlobal},
	{"SESSION", sysvars.FormSession},
	{"LOCAL", sysvars.FormSession},
	{"PERSIST", sysvars.FormPersist},
	{"PERSIST_ONLY", sysvars.FormPersist},
	{"INSTANCE", sysvars.FormInstance},
}

// set reads what follows SET. Only a list of assignments with one of our
// variables or sql_log_bin in it is ours.
func (p *reader) set() Statement {
	st := &SetVariables{Text: p.Text}
	logBin := false
	for !p.bad {
		a := p.assignment()
		logBin = logBin || a.LogBin()
		st.Assignments = append(st.Assignments, a)
		if !p.punct(',') {
			break
		}
	}
	p.end()
	if p.bad || !logBin && !st.Ours() {
		return nil
	}
	st.Vars = p.varRefs()
	return st
}

// LogBin says whether the session's sql_log_bin is assigned to; there is no other.
func (a Assignment) LogBin() bool { return !a.User && strings.EqualFold(a.Name, "sql_log_bin") }

func (p *reader) assignment() Assignment {
	a := Assignment{Span: Span{Start: p.peek().Start}}
	switch t := p.peek(); t.Kind {
	case TokenUserVar:
		p.i++
		a.Name, a.User = string(t.Of(p.all)), true
	case TokenSysVar:
		p.i++
		a.Form, a.Name = p.sysVar()
	default:
		// A scope word is one only before another name: SET global = 1 names a variable.
		for _, s := range scopeForms {
			if isName(p.peekAt(1)) && p.word(s.word) {
				a.Form = s.form
				break
			}
		}
		a.Name = p.dotted()
	}
	if !a.User {
		a.Var, _ = sysvars.Lookup(a.Name)
	}
	if p.punct(':') && !p.isPunct(p.peek(), '=') || !p.punct('=') {
		p.fail()
		return a
	}
	first := p.i
	start := p.peek().Start
	p.item()
	if p.bad || p.i == first {
		p.fail()
		return a
	}
	a.Value = Span{start, p.before()}
	a.Span.End = p.before()
	a.Kind, a.Text = p.value(p.toks[first:p.i])
	return a
}

// sysVar takes what follows @@: an optional scope and the name. Nothing may
// stand between the parts: the servers disagree on whether blanks are allowed.
func (p *reader) sysVar() (sysvars.Form, string) {
	if p.peek().Start != p.before() {
		p.fail()
		return sysvars.Plain, ""
	}
	for _, s := range scopeForms {
		if p.isPunct(p.peekAt(1), '.') && p.word(s.word) {
			p.i++
			return s.form, p.dotted()
		}
	}
	return sysvars.Plain, p.dotted()
}

// dotted takes a name that may have a dot in it (default.key_buffer_size).
func (p *reader) dotted() string {
	name := p.name()
	if !p.bad && p.punct('.') {
		name += "." + p.name()
	}
	return name
}

// value says what the tokens of a right-hand side are.
func (p *reader) value(toks []Token) (sysvars.ValueKind, string) {
	sign := ""
	signed := len(toks) == 2 && (p.isPunct(toks[0], '-') || p.isPunct(toks[0], '+'))
	if signed && (toks[1].Kind == TokenInteger || toks[1].Kind == TokenNumber) {
		if p.isPunct(toks[0], '-') {
			sign = "-"
		}
		toks = toks[1:]
	}
	if len(toks) != 1 {
		return sysvars.Expr, ""
	}
	t := toks[0]
	text := string(t.Of(p.all))
	switch t.Kind {
	case TokenInteger:
		if text = strings.TrimLeft(text, "0"); text == "" {
			text = "0"
		}
		return sysvars.NumberValue, sign + text
	case TokenNumber:
		if strings.Trim(text, "0123456789.") != "" {
			return sysvars.Expr, "" // 1e3 and 0x10 have their value, not their text
		}
		return sysvars.NumberValue, sign + text
	case TokenString:
		return sysvars.StringValue, StringValue(p.all, t, p.mode)
	case TokenName:
		return sysvars.WordValue, Identifier(p.all, t)
	case TokenWord:
		switch strings.ToUpper(text) {
		case "DEFAULT":
			return sysvars.DefaultValue, text
		case "TRUE", "FALSE":
			return sysvars.BoolValue, text
		case "NULL":
			return sysvars.NullValue, text
		}
		return sysvars.WordValue, text
	}
	return sysvars.Expr, ""
}

// selectVariables reads what follows SELECT: nothing but system variables, one of
// ours among them.
func (p *reader) selectVariables() Statement {
	st := &SelectVariables{Text: p.Text}
	ours := false
	for !p.bad {
		start := p.peek().Start
		if p.peek().Kind != TokenSysVar {
			return nil
		}
		p.i++
		var c VarColumn
		c.Form, c.Name = p.sysVar()
		c.Span = Span{start, p.before()}
		if p.bad {
			return nil
		}
		c.Label = p.Of(c.Span)
		c.Var, _ = sysvars.Lookup(c.Name)
		ours = ours || c.Var != nil
		p.alias(&c)
		st.Columns = append(st.Columns, c)
		if !p.punct(',') {
			break
		}
	}
	st.Limit = p.limit()
	p.end()
	if !ours {
		return nil
	}
	return st
}

// alias takes [AS] a.
func (p *reader) alias(c *VarColumn) {
	as := p.word("AS")
	switch t := p.peek(); {
	case t.Kind == TokenString:
		c.Label = StringValue(p.all, t, p.mode)
	case isName(t) && !isWord(p.all, t, "LIMIT") && !isWord(p.all, t, "FROM"):
		c.Label = Identifier(p.all, t)
	case as:
		p.fail()
		return
	default:
		return
	}
	p.i++
}
