package sqltext

import (
	"strings"

	"dxfproxy/sysvars"
)

// ShowDDL is ADMIN SHOW DDL.
type ShowDDL struct{ Text }

// ShowDDLJobs is ADMIN SHOW DDL JOBS [n] [WHERE expression].
type ShowDDLJobs struct {
	Text
	Count int64 // n, 0 if not given
	Where string
}

// ShowDDLJobQueries is ADMIN SHOW DDL JOB QUERIES, of some jobs or by LIMIT.
type ShowDDLJobQueries struct {
	Text
	IDs   []int64
	Limit *Limit
}

// Verb is what is asked of jobs.
type Verb string

// Verbs.
const (
	Cancel Verb = "CANCEL"
	Pause  Verb = "PAUSE"
	Resume Verb = "RESUME"
)

// ChangeDDLJobs is ADMIN CANCEL, PAUSE or RESUME DDL JOBS.
type ChangeDDLJobs struct {
	Text
	Verb Verb
	IDs  []int64
}

// AlterDDLJob is ADMIN ALTER DDL JOBS.
type AlterDDLJob struct {
	Text
	ID      int64
	Options []AdminOption
}

// AdminOption is one option of ADMIN ALTER DDL JOBS.
type AdminOption struct {
	Name  string // lower case
	Value string
	Kind  sysvars.ValueKind // NumberValue, StringValue or another literal; Expr for what is none
}

// admin reads what follows ADMIN. No store has such a statement: what is not
// understood is ours to refuse.
func (p *reader) admin() Statement {
	st := p.adminForms()
	if p.end(); p.bad || st == nil {
		p.bad = false
		return &Unsupported{p.Text}
	}
	return st
}

func (p *reader) adminForms() Statement {
	switch {
	case p.words("SHOW", "DDL", "JOB", "QUERIES"):
		if limit := p.limit(); limit != nil {
			return &ShowDDLJobQueries{Text: p.Text, Limit: limit}
		}
		return &ShowDDLJobQueries{Text: p.Text, IDs: p.integers()}
	case p.words("SHOW", "DDL", "JOBS"):
		st := &ShowDDLJobs{Text: p.Text}
		if p.peek().Kind == TokenInteger {
			st.Count = p.integer()
		}
		if p.word("WHERE") {
			st.Where = p.rest()
		}
		return st
	case p.words("SHOW", "DDL"):
		return &ShowDDL{p.Text}
	case p.words("ALTER", "DDL", "JOBS"):
		return &AlterDDLJob{Text: p.Text, ID: p.integer(), Options: p.adminOptions()}
	}
	for _, verb := range []Verb{Cancel, Pause, Resume} {
		if p.words(string(verb), "DDL", "JOBS") {
			return &ChangeDDLJobs{Text: p.Text, Verb: verb, IDs: p.integers()}
		}
	}
	return nil
}

func (p *reader) adminOptions() []AdminOption {
	var list []AdminOption
	for !p.bad {
		o := AdminOption{Name: strings.ToLower(p.name())}
		p.punct('=')
		first := p.i
		if p.item(); p.i == first {
			p.fail()
			break
		}
		o.Kind, o.Value = p.value(p.toks[first:p.i])
		list = append(list, o)
		if !p.punct(',') {
			break
		}
	}
	return list
}
