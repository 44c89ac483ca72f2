package sqlhandler

import (
	"context"
	"slices"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/protocol"
)

// information_schema.ddl_jobs shows everybody the jobs of the tables they have some
// privilege on, as TiDB's does, beside their own. Who may read the view of that
// name in the meta schema reads that, and sees all jobs. For anybody else a
// SELECT from it becomes one from a derived table of literals, which the client's
// own session evaluates.

// ddlJobs is the table's name.
const ddlJobs = "ddl_jobs"

// shownJobs is how many finished jobs the derived table has at most, and
// shownBytes how long it may become: a server's max_allowed_packet is 16 MiB by
// default.
const (
	shownJobs  = 1000
	shownBytes = 4 << 20
)

// shownColumns are those of the view.
var shownColumns = append(slices.Clone(jobColumns[:12]), protocol.Column{Name: "QUERY", Length: 4 << 20})

// selectJobs puts the derived table in the place of the view, where a SELECT reads
// that and the client may not. current is the session's schema in lower case.
func (h *Handler) selectJobs(ctx context.Context, c *protocol.Conn, text []byte, m Mode, current string) ([]byte, error) {
	refs := jobRefs(text, m, current)
	if len(refs) == 0 {
		return text, nil
	}
	held, err := heldBy(ctx, c)
	if err != nil || held.May(h.schema, ddlJobs, "SELECT") {
		return text, err
	}
	table, err := h.jobsTable(ctx, c, held)
	if err != nil {
		return nil, err
	}
	for i, e := range refs {
		refs[i].text = strings.Replace(e.text, ddlJobs+"()", table, 1)
	}
	return apply(text, refs), nil
}

// afterTable are the words behind a table of a FROM that are not its alias.
var afterTable = words("WHERE GROUP HAVING ORDER LIMIT UNION EXCEPT INTERSECT MINUS JOIN INNER LEFT RIGHT CROSS NATURAL STRAIGHT_JOIN ON USING FOR LOCK" +
	" USE FORCE IGNORE WINDOW PROCEDURE INTO FETCH OFFSET")

// jobRefs are the places of a SELECT where ddl_jobs is named; ddl_jobs() stands in
// what replaces them for the derived table.
func jobRefs(text []byte, m Mode, current string) (edits []edit) {
	toks, _ := tokens(text, m)
	first := 0
	for first < len(toks) && toks[first].kind == tokPunct && text[toks[first].Start] == '(' {
		first++
	}
	if first == len(toks) || !isWord(text, toks[first], "SELECT") && !isWord(text, toks[first], "WITH") {
		return nil
	}
	refs, ok := virtualRefs(text, m)
	if !ok {
		return nil
	}
	if current == "information_schema" {
		refs = append(refs, bareRefs(text, toks)...)
	}
	for _, r := range refs {
		if r.table != ddlJobs || slices.ContainsFunc(edits, func(e edit) bool { return e.Start == r.Start }) {
			continue
		}
		next := toks[slices.IndexFunc(toks, func(t token) bool { return t.Start >= r.End })]
		word := ""
		if next.kind == tokWord {
			word = strings.ToUpper(string(next.Of(text)))
		}
		switch {
		case !r.qualified, isDot(text, next): // a column's
			edits = append(edits, edit{r.Span, quoteName(ddlJobs)})
		case isName(next) && !afterTable[word]: // AS, or the alias itself
			edits = append(edits, edit{r.Span, ddlJobs + "()"})
		default:
			edits = append(edits, edit{r.Span, ddlJobs + "() AS " + quoteName(ddlJobs)})
		}
	}
	return edits
}

// jobsTable is a derived table of the jobs that an account with these grants
// sees: those that are not finished by id, then the others, newest first.
func (h *Handler) jobsTable(ctx context.Context, c *protocol.Conn, held grants.Held) (string, error) {
	user, err := h.account(ctx, c)
	if err != nil {
		return "", err
	}
	zone, err := askZone(ctx, c)
	if err != nil {
		return "", err
	}
	jobs, err := h.jobs.UnfinishedJobs(ctx)
	if err != nil {
		return "", err
	}
	ended, err := h.jobs.History(ctx, shownJobs)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteByte('(')
	for _, j := range append(jobs, ended...) {
		if (j.User == user || held.Any(j.Schema, j.Table)) && b.Len() < shownBytes {
			for _, row := range shownRows(j, zone) {
				writeRow(&b, shownColumns, row, b.Len() == 1)
			}
		}
	}
	if b.Len() == 1 {
		writeRow(&b, shownColumns, make([]any, len(shownColumns)), true)
		b.WriteString(" FROM DUAL WHERE FALSE")
	}
	b.WriteByte(')')
	return b.String(), nil
}

// shownRows are a job's rows with its statement in place of the comments.
func shownRows(j dxf.Job, zone *time.Location) [][]any {
	rows := jobRows(j, zone)
	for _, r := range rows {
		r[len(r)-1] = j.Query
	}
	return rows
}
