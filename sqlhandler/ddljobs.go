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

// jobsShown is the derived table; "" for a client that may read the view.
func (h *Handler) jobsShown(ctx context.Context, c *protocol.Conn) (string, error) {
	held, err := heldBy(ctx, c)
	if err != nil || held.May(h.schema, ddlJobs, "SELECT") {
		return "", err
	}
	return h.jobsTable(ctx, c, held)
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
