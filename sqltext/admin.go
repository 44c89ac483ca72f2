package sqltext

import (
	"strings"

	"dxfproxy/sysvars"
)

// AdminOption is one option of ADMIN ALTER DDL JOBS.
type AdminOption struct {
	Name  string // lower case
	Value string
	Kind  sysvars.ValueKind // NumberValue, StringValue or another literal; Expr for what is none
}

// admin reads what follows ADMIN. No store has such a statement: what is not
// understood is AdminUnknown, and ours to refuse.
func (p *reader) admin(st *Statement) {
	after := p.i
	p.adminForms(st)
	if p.end(); p.bad || st.Kind == Other {
		*st = Statement{Kind: AdminUnknown, Text: st.Text, Wait: -1}
		p.i, p.bad = after, false
	}
}

func (p *reader) adminForms(st *Statement) {
	switch {
	case p.words("SHOW", "DDL", "JOB", "QUERIES"):
		st.Kind = AdminShowDDLJobQueries
		if isWord(p.text, p.peek(), "LIMIT") {
			p.limit(st)
			return
		}
		st.IDs = p.integers()
	case p.words("SHOW", "DDL", "JOBS"):
		st.Kind = AdminShowDDLJobs
		if p.peek().Kind == TokenInteger {
			st.Count = p.integer()
		}
		if p.word("WHERE") {
			st.Where = p.rest()
		}
	case p.words("SHOW", "DDL"):
		st.Kind = AdminShowDDL
	case p.words("CANCEL", "DDL", "JOBS"):
		st.Kind, st.IDs = AdminCancelDDLJobs, p.integers()
	case p.words("PAUSE", "DDL", "JOBS"):
		st.Kind, st.IDs = AdminPauseDDLJobs, p.integers()
	case p.words("RESUME", "DDL", "JOBS"):
		st.Kind, st.IDs = AdminResumeDDLJobs, p.integers()
	case p.words("ALTER", "DDL", "JOBS"):
		st.Kind, st.IDs = AdminAlterDDLJobs, []int64{p.integer()}
		st.Options = p.adminOptions()
	case p.words("CHECK", "TABLE"):
		st.Kind, st.Tables = AdminCheckTable, p.tables()
	case p.words("CHECK", "INDEX"):
		st.Kind, st.Table, st.Index = AdminCheckIndex, p.table(), p.name()
	case p.words("CHECKSUM", "TABLE"):
		st.Kind, st.Tables = AdminChecksumTable, p.tables()
	}
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
