package sqlhandler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// A change of a table with a few rows is made before a job for it is written down, tried,
// planned and dealt out, and a dump has hundreds of them. So it runs on the client's own
// session, as all DDL does that does not take long, and leaves a row in the history. There
// it means what it says, and the store judges who may. But it never waits for the table:
// everybody else would wait behind it. That is for a job.

const (
	smallRows  = 1000
	smallSize  = 1 << 20 // bytes, by the store's statistics, which may be old: hence the rows
	smallTries = 5
	smallPause = 5 * time.Millisecond
)

// These are asked on the client's session, which sees what it may. The hint is what a view
// does not bear: its statement would be run.
const (
	smallRowsSQL = `(SELECT COUNT(*) FROM (SELECT 1 FROM %s` + table.OnlyTable + ` LIMIT %d) r)`
	smallSizeSQL = `(SELECT 1 FROM information_schema.TABLES
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND TABLE_TYPE = 'BASE TABLE' AND ENGINE = 'InnoDB' AND DATA_LENGTH <= %d)`
	patienceSQL = `@@SESSION.lock_wait_timeout`
)

// A smallness is what was asked about a table that may be small, all at once.
type smallness struct {
	told     []string // rows, whether the size is small, lock_wait_timeout; nil: not small, or not to be told
	jobs     []dxf.Job
	settings settings
}

// askSmall asks the session for the facts, and meanwhile whatever says that the change may
// be made there.
func (h *Handler) askSmall(ctx context.Context, c *protocol.Conn, s *session, st *sqltext.AlterTable) (sessionFacts, smallness, error) {
	var small smallness
	t := st.Table
	// MySQL's lock_wait_timeout is a second at least.
	if strings.Contains(t.Schema+t.Name, `\`) || !strings.Contains(c.ServerVersion(), "MariaDB") {
		facts, err := askSession(ctx, c)
		return facts, small, err
	}
	schema, name := "DATABASE()", server.Quote(t.Name)
	if t.Schema != "" {
		schema, name = server.Text(t.Schema), server.Quote(t.Schema)+"."+name
	}
	var beside errgroup.Group
	beside.Go(func() error { // one after the other: both together take no longer than the session's answer
		has, err := h.jobs.HasUnfinishedJobs(ctx)
		if err == nil && has {
			small.jobs, err = h.jobs.UnfinishedJobs(ctx)
		}
		if err != nil {
			return err
		}
		small.settings, err = h.settings(ctx, s)
		return err
	})
	facts, told, err := askAlso(ctx, c,
		fmt.Sprintf(smallRowsSQL, name, smallRows+1), fmt.Sprintf(smallSizeSQL, schema, server.Text(t.Name), smallSize), patienceSQL)
	if code(err) != 0 { // there is no such table, or the client may not read it
		facts, err = askSession(ctx, c)
	}
	small.told = told
	return facts, small, errors.Join(beside.Wait(), err)
}

// fits says whether the change may be made at once.
func (y smallness) fits(schema, name string) bool {
	if y.told == nil || y.told[1] != "1" || !y.settings.Ingest || y.settings.nativeMaxSize < smallSize {
		return false
	}
	rows, err := strconv.Atoi(y.told[0])
	return err == nil && rows <= smallRows && !slices.ContainsFunc(y.jobs, func(j dxf.Job) bool {
		return strings.EqualFold(j.Schema, schema) && strings.EqualFold(j.Table, name)
	})
}

// atOnce makes the change on the client's session, if the table is small, no job is at work
// on it and nobody uses it. A nil reply: it is to be a job.
func (h *Handler) atOnce(
	ctx context.Context, c *protocol.Conn, facts sessionFacts, small smallness, schema string, st *sqltext.AlterTable,
) (protocol.Reply, error) {
	names, ok := decodeAll(facts.charset, schema, st.Table.Name)
	if !ok || !small.fits(names[0], names[1]) {
		return nil, nil
	}
	j := newJob(c, facts, st, small.settings, names[0], names[1])
	began := time.Now().UTC()
	reply, err := runNow(ctx, c, string(st.SQL()), small.told[2])
	made, done := reply.(protocol.OK)
	var refusal *protocol.Error
	switch {
	case done && st.Conditional && len(made.Warnings) > 0: // nothing was changed
	case done:
		rows, _ := strconv.ParseInt(small.told[0], 10, 64)
		h.keep(ended(j, dxf.JobSynced, dxf.SchemaPublic, rows), began)
	case code(err) == server.ErrDupEntry && errors.As(err, &refusal):
		// The one refusal that needs a look at the rows: it is a job's end, in TiDB's words.
		told := *refusal
		if value, key, ok := server.Duplicate(told.Message); ok {
			told.Message = server.DuplicateIn(names[1], value, key)
		}
		j.Error = &dxf.Error{Code: told.Code, State: told.State, Message: told.Message, Class: "kv"}
		h.keep(ended(j, dxf.JobRollbackDone, dxf.SchemaNone, 0), began)
		err = &told
	}
	return reply, err
}

// ended is a job that was done at once.
func ended(j dxf.Job, state dxf.JobState, schema dxf.SchemaState, rows int64) dxf.Job {
	j.State, j.SchemaState, j.RowCount = state, schema, rows
	for i := range j.SubJobs {
		sub := &j.SubJobs[i]
		sub.State, sub.SchemaState = state, schema
		if state == dxf.JobSynced {
			sub.State = dxf.JobDone
		}
		if sub.Reorg {
			sub.RowCount = rows
		}
	}
	if len(j.SubJobs) > 0 {
		j.SchemaState = dxf.SchemaNone // the parent of several changes has none
	}
	return j
}

// runNow runs a statement that waits for no lock of a table; patience is what the session
// has for these else. A nil reply: the table is in use.
func runNow(ctx context.Context, c *protocol.Conn, statement, patience string) (reply protocol.Reply, err error) {
	if _, err := query(ctx, c, "SET SESSION lock_wait_timeout = 0"); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		if _, err = c.Query(ctx, statement); code(err) != server.ErrLockWaitTimeout || try == smallTries {
			break
		}
		if dxf.Sleep(ctx, smallPause) != nil { // the store itself uses tables, for moments
			break
		}
	}
	var ok protocol.OK
	if err == nil && c.StoreWarnings() > 0 {
		ok.Warnings, err = storeWarnings(ctx, c)
	}
	_, back := query(ctx, c, "SET SESSION lock_wait_timeout = %s", patience)
	if code(back) == errInterrupted.Code { // a KILL QUERY that was meant for the statement: it ends one only
		_, back = query(ctx, c, "SET SESSION lock_wait_timeout = %s", patience)
	}
	if back != nil {
		return nil, back
	}
	switch {
	case code(err) == server.ErrLockWaitTimeout:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return ok, nil
}

// storeWarnings are those of the statement that ran last on the client's session.
func storeWarnings(ctx context.Context, c *protocol.Conn) (all []protocol.Warning, err error) {
	rs, err := c.Query(ctx, "SHOW WARNINGS")
	if err != nil {
		return nil, fmt.Errorf("read the warnings: %w", err)
	}
	for i := range rs.Rows {
		n, _ := strconv.ParseUint(field(rs, i, 1), 10, 16)
		all = append(all, protocol.Warning{Level: field(rs, i, 0), Code: uint16(n), Message: field(rs, i, 2)})
	}
	return all, nil
}
