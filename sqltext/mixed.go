package sqltext

import (
	"slices"
	"strings"
)

// Mixed is a statement of the store's with names of ours in it: tables that TiDB's
// clients know and the store has in the meta schema, and variables that the store does
// not know. What the names mean is written in their places.
type Mixed struct {
	Text
	Vars   []VarRef // in the text's order
	Labels []Edit   // what keeps the columns of the result their names, when values stand for Vars
	// AsksColumns says that the statement asks for the columns of one table.
	AsksColumns bool

	qualified []virtualRef
	bare      []virtualRef // of whatever schema; see bareRefs
	selects   bool         // rows: SELECT or WITH
}

// mixed reads a statement for its names; nil if there are none of ours.
func (p *reader) mixed() Statement {
	understood := !p.bad
	var vars []VarRef
	if p.expressionVerb(understood) {
		vars = p.varRefs()
	}
	tables := p.virtualVerb()
	var qualified, bare []virtualRef
	if tables || len(vars) > 0 {
		found := refReader{text: p.all}
		for _, t := range p.toks {
			found.add(t)
		}
		qualified = found.all()
	}
	if tables {
		if bare = bareRefs(p.all, p.toks); !slices.ContainsFunc(bare, virtualRef.isTable) {
			bare = nil
		}
	}
	if len(vars)+len(qualified)+len(bare) == 0 {
		return nil
	}
	st := &Mixed{Text: p.Text, Vars: vars, qualified: qualified, bare: bare}
	if len(vars) > 0 {
		st.Labels = p.labels(vars)
	}
	st.AsksColumns = p.asksColumns()
	st.selects = p.selects()
	return st
}

// selects says whether the statement, or the query in its parentheses, reads rows.
func (p *reader) selects() bool {
	for p.i = 0; p.punct('('); {
	}
	return p.anyWord("SELECT", "WITH")
}

// expressionVerb says whether a statement may have variables in expressions. Of
// a SET only one that was understood is known to have ours on right-hand sides
// alone.
func (p *reader) expressionVerb(understood bool) bool {
	p.i = 0
	return p.punct('(') || p.anyWord("SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE", "DO", "CALL", "EXPLAIN") ||
		understood && p.word("SET")
}

// virtualVerb says whether a statement that names a virtual table is to be
// rewritten: reading and writing rows, not changing tables.
func (p *reader) virtualVerb() bool {
	p.i = 0
	return p.punct('(') || p.anyWord("SELECT", "WITH", "TABLE", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE",
		"EXPLAIN", "DESCRIBE", "DESC", "ANALYZE", "SHOW", "CHECKSUM")
}

// asksColumns knows SHOW [FULL] COLUMNS, and DESC with nothing but a table.
func (p *reader) asksColumns() bool {
	p.i, p.bad = 0, false
	if p.word("SHOW") {
		p.word("FULL")
		return p.anyWord("COLUMNS", "FIELDS")
	}
	if !p.anyWord("DESC", "DESCRIBE") {
		return false
	}
	p.table()
	p.end()
	return !p.bad
}

// Tables says whether tables of ours are named, or may be: see Bare.
func (st *Mixed) Tables() bool { return len(st.qualified) > 0 || st.Bare() }

// Bare says whether a table of ours is named without its schema, as after USE mysql:
// if it is one is known when the session's schema is.
func (st *Mixed) Bare() bool { return len(st.bare) > 0 }

// In are the edits that make the tables' names mean those in the meta schema, for a
// session whose schema is current (in lower case). jobs is what stands for the table of
// jobs: a table of rows in parentheses, or "" for the meta schema's own.
func (st *Mixed) In(metaSchema, current, jobs string) []Edit {
	var edits []Edit
	done := map[int]bool{}
	for _, r := range slices.Concat(st.qualified, st.named(current)) {
		switch {
		case done[r.Start]: // a qualifier is found both ways
			continue
		case jobs != "" && r.table == ddlJobs:
			edits = append(edits, Edit{r.Span, st.derived(r, jobs)})
		default:
			edits = append(edits, r.in(metaSchema))
		}
		done[r.Start] = true
	}
	return edits
}

// named are the references without a schema to tables of this one.
func (st *Mixed) named(current string) []virtualRef {
	named := map[string]bool{}
	for _, r := range st.bare {
		if r.qualified && virtualTables[current][r.table] {
			named[r.table] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(st.bare), func(r virtualRef) bool { return !named[r.table] })
}

// ddlJobs is the name of information_schema's table of jobs.
const ddlJobs = "ddl_jobs"

// SelectsJobs says whether rows of information_schema.ddl_jobs are selected, in a session
// whose schema is current (in lower case).
func (st *Mixed) SelectsJobs(current string) bool {
	isJobs := func(r virtualRef) bool { return r.table == ddlJobs }
	return st.selects && (slices.ContainsFunc(st.qualified, isJobs) || slices.ContainsFunc(st.named(current), isJobs))
}

// afterTable are the words behind a table of a FROM that are not its alias.
var afterTable = words(`WHERE GROUP HAVING ORDER LIMIT UNION EXCEPT INTERSECT MINUS JOIN INNER LEFT RIGHT CROSS
	NATURAL STRAIGHT_JOIN ON USING FOR LOCK USE FORCE IGNORE WINDOW PROCEDURE INTO FETCH OFFSET`)

// derived is what takes the place of a reference to the table of jobs.
func (st *Mixed) derived(r virtualRef, jobs string) string {
	at, _ := slices.BinarySearchFunc(st.toks, r.End, func(t Token, end int) int { return t.Start - end })
	next, word := st.toks[at], ""
	if next.Kind == TokenWord {
		word = strings.ToUpper(string(next.Of(st.all)))
	}
	switch {
	case !r.qualified, isDot(st.all, next): // a column's
		return quote(ddlJobs)
	case isName(next) && !afterTable[word]: // AS, or the alias itself
		return jobs
	}
	return jobs + " AS " + quote(ddlJobs)
}
