package sqlhandler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/sqltext"
)

// jobColumns are the columns of ADMIN SHOW DDL JOBS, with TiDB's lengths and
// flags: it calls a DATETIME unsigned too.
var jobColumns = []protocol.Column{
	{Name: "JOB_ID", Type: protocol.TypeLongLong, Length: 4, Flags: unsignedFlag},
	{Name: "DB_NAME", Length: 256},
	{Name: "TABLE_NAME", Length: 256},
	{Name: "JOB_TYPE", Length: 256},
	{Name: "SCHEMA_STATE", Length: 256},
	{Name: "SCHEMA_ID", Type: protocol.TypeLongLong, Length: 4, Flags: unsignedFlag},
	{Name: "TABLE_ID", Type: protocol.TypeLongLong, Length: 4, Flags: unsignedFlag},
	{Name: "ROW_COUNT", Type: protocol.TypeLongLong, Length: 4, Flags: unsignedFlag},
	{Name: "CREATE_TIME", Type: protocol.TypeDatetime, Length: 19, Decimals: 6, Flags: unsignedFlag},
	{Name: "START_TIME", Type: protocol.TypeDatetime, Length: 19, Decimals: 6, Flags: unsignedFlag},
	{Name: "END_TIME", Type: protocol.TypeDatetime, Length: 19, Decimals: 6, Flags: unsignedFlag},
	{Name: "STATE", Length: 256},
	{Name: "COMMENTS", Length: 262140},
}

// defaultHistory is how many finished jobs are shown when nothing is said, and
// when 0 is said.
const defaultHistory = 10

// showJobs answers ADMIN SHOW DDL JOBS [n] [WHERE expr]: every unfinished job
// by id, then the newest n finished ones, newest first. Without SUPER they are the
// client's own, where TiDB shows none.
func (h *Handler) showJobs(ctx context.Context, c *protocol.Conn, st *sqltext.ShowDDLJobs) (protocol.Reply, error) {
	h.history.settled(ctx) // what this client has changed is in what it sees
	n := int(st.Count)
	if n <= 0 {
		n = defaultHistory
	}
	jobs, old, err := h.visibleJobs(ctx, c, n)
	if err != nil {
		return nil, err
	}
	zone, err := askZone(ctx, c)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, j := range append(jobs, old...) {
		rows = append(rows, jobRows(j, zone)...)
	}
	if st.Where != "" {
		return filter(ctx, c, jobColumns, rows, st.Where)
	}
	return &protocol.ResultSet{Columns: jobColumns, Rows: rows}, nil
}

// visibleJobs are the unfinished jobs that the client may see, by id, and the newest
// n finished ones: its own, and with SUPER all.
func (h *Handler) visibleJobs(ctx context.Context, c *protocol.Conn, n int) (unfinished, ended []dxf.Job, err error) {
	super, err := isSuper(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if unfinished, err = h.jobs.UnfinishedJobs(ctx); err != nil {
		return nil, nil, err
	}
	if super {
		ended, err = h.jobs.History(ctx, n)
		return unfinished, ended, err
	}
	user, err := h.account(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	unfinished = slices.DeleteFunc(unfinished, func(j dxf.Job) bool { return j.User != user })
	ended, err = h.jobs.UserHistory(ctx, user, n)
	return unfinished, ended, err
}

// mayChangeJobs makes sure that the client may stop, alter and resume jobs: its own,
// and with SUPER everybody's. Who has not SUPER does not learn whether another job is
// there.
func (h *Handler) mayChangeJobs(ctx context.Context, c *protocol.Conn, ids []int64) error {
	user, err := h.account(ctx, c)
	if err != nil {
		return err
	}
	for _, id := range ids {
		j, err := h.jobs.Job(ctx, id)
		switch {
		case errors.Is(err, dxf.ErrNotFound), err == nil && j.User != user:
			return mayAdminister(ctx, c)
		case err != nil:
			return err
		}
	}
	return nil
}

// askZone is the session's distance from UTC, as a zone to print times in.
func askZone(ctx context.Context, c *protocol.Conn) (*time.Location, error) {
	distance, err := askText(ctx, c, "TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())")
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.Atoi(distance)
	if err != nil {
		return nil, fmt.Errorf("ask for the session's time zone: %w", err)
	}
	return time.FixedZone("", seconds), nil
}

// datetime is how DATETIME(6) is written.
const datetime = "2006-01-02 15:04:05.000000"

// jobRows are a job's rows: one, and one more for each change of several.
func jobRows(j dxf.Job, zone *time.Location) [][]any {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.In(zone).Format(datetime)
	}
	row := func(typ string, state dxf.SchemaState, count int64, st dxf.JobState, comments string) []any {
		return []any{
			j.ID, j.Schema, j.Table, typ, string(state), j.SchemaID, j.TableID, count,
			at(j.CreateTime), at(j.StartTime), at(j.EndTime), string(st), comments,
		}
	}
	if len(j.SubJobs) == 0 {
		return [][]any{row(j.Type, j.SchemaState, j.RowCount, j.State, j.Comments())}
	}
	// TiDB prints the comments one row too early: the first change's beside the
	// parent, and beside the last change the parent's, which has none.
	text := subJobComments(j)
	first, others := text, make([]string, len(j.SubJobs))
	for i := range others[:len(others)-1] {
		others[i] = text
	}
	if j.Waiting != "" && !j.State.Ended() {
		first += ", " + j.Waiting
	}
	rows := [][]any{row(j.Type, dxf.SchemaNone, 0, j.State, first)}
	for i, s := range j.SubJobs {
		rows = append(rows, row(s.Type+" /* subjob */", s.SchemaState, s.RowCount, s.State, others[i]))
	}
	return rows
}

// subJobComments is COMMENTS of one change of several: how it runs, and none of
// the settings.
func subJobComments(j dxf.Job) string {
	if j.Reorg == nil {
		return ""
	}
	r := dxf.Reorg{Ingest: j.Reorg.Ingest, Dist: j.Reorg.Dist, Thread: dxf.DefaultThread, BatchSize: dxf.DefaultBatchSize}
	return dxf.Job{Reorg: &r}.Comments()
}

// filter lets the client's session evaluate an expression over rows: they
// become a derived table of literals. Its errors are the store's own. The expression
// was read under the session's sql_mode (understand), so it cannot leave its
// parentheses, where nothing but one expression is in order.
func filter(ctx context.Context, c *protocol.Conn, cols []protocol.Column, rows [][]any, where string) (*protocol.ResultSet, error) {
	if len(rows) == 0 {
		return &protocol.ResultSet{Columns: cols}, nil
	}
	var b strings.Builder
	b.WriteString("SELECT * FROM (")
	for i, r := range rows {
		writeRow(&b, cols, r, i == 0)
	}
	b.WriteString(") jobs WHERE (" + where + ")")
	rs, err := c.Query(ctx, b.String())
	var e *protocol.Error
	if errors.As(err, &e) && e.Code == server.ErrBadField { // here MariaDB says where in other words
		return nil, &protocol.Error{Code: e.Code, State: e.State, Message: strings.Replace(e.Message, "in 'WHERE'", "in 'where clause'", 1)}
	}
	if err != nil {
		return nil, err
	}
	return &protocol.ResultSet{Columns: cols, Rows: rs.Rows}, nil
}

// writeRow adds a row to a derived table of literals.
func writeRow(b *strings.Builder, cols []protocol.Column, row []any, first bool) {
	if !first {
		b.WriteString(" UNION ALL ")
	}
	b.WriteString("SELECT ")
	for k, v := range row {
		if k > 0 {
			b.WriteString(", ")
		}
		b.WriteString(literal(cols[k], v))
		if first {
			b.WriteString(" AS " + cols[k].Name)
		}
	}
}

func literal(col protocol.Column, v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		if col.Type == protocol.TypeDatetime || col.Type == protocol.TypeTimestamp {
			return "CAST(" + server.Text(v) + " AS DATETIME(6))"
		}
		// Backslashes mean different things in different sql_modes: hex does not.
		return fmt.Sprintf("CONVERT(x'%x' USING utf8mb4)", v)
	default:
		return fmt.Sprint(v)
	}
}

var ddlColumns = []protocol.Column{
	{Name: "SCHEMA_VER", Type: protocol.TypeLongLong, Length: 4, Flags: unsignedFlag},
	{Name: "OWNER_ID", Length: 256},
	{Name: "OWNER_ADDRESS", Length: 128},
	{Name: "RUNNING_JOBS", Length: 1024},
	{Name: "SELF_ID", Length: 256},
	{Name: "QUERY", Length: 1024},
}

// showDDL answers ADMIN SHOW DDL: one row.
func (h *Handler) showDDL(ctx context.Context, c *protocol.Conn) (protocol.Reply, error) {
	h.history.settled(ctx) // what this client has changed is in what it sees
	if err := mayAdminister(ctx, c); err != nil {
		return nil, err
	}
	jobs, err := h.jobs.UnfinishedJobs(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := h.nodes.Owner(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := h.jobs.History(ctx, 1)
	if err != nil {
		return nil, err
	}
	version := int64(0)
	if len(newest) > 0 {
		version = newest[0].ID
	}
	// TiDB shows the lowest job of each of its two worker pools; all of ours
	// may reorganise, so it is the lowest.
	var running, text string
	if len(jobs) > 0 {
		running, text = runningJob(jobs[0]), jobs[0].Query
	}
	return &protocol.ResultSet{
		Columns: ddlColumns,
		Rows:    [][]any{{version, owner.UUID, owner.OwnerID, running, h.node.UUID, text}},
	}, nil
}

// runningJob is a job's line in RUNNING_JOBS.
func runningJob(j dxf.Job) string {
	errText := "<nil>"
	if j.Error != nil {
		errText = j.Error.Text()
	}
	start := j.StartTime
	if start.IsZero() {
		start = j.CreateTime
	}
	return fmt.Sprintf("ID:%d, Type:%s, State:%s, SchemaState:%s, SchemaID:%d, TableID:%d, RowCount:%d, ArgLen:0, "+
		"start time: %s, Err:%s, ErrCount:0, SnapshotVersion:0, Version: v1, UniqueWarnings:0",
		j.ID, j.Type, j.State, j.SchemaState, j.SchemaID, j.TableID, j.RowCount,
		start.UTC().Format("2006-01-02 15:04:05.999 -0700 MST"), errText)
}

func queryColumns(st *sqltext.ShowDDLJobQueries) []protocol.Column {
	if st.Limit != nil {
		return []protocol.Column{{Name: "JOB_ID", Length: 256}, {Name: "QUERY", Length: 1024}}
	}
	return []protocol.Column{{Name: "QUERY", Length: 1024}}
}

// showQueries answers ADMIN SHOW DDL JOB QUERIES. By ids it looks among the
// unfinished and the last ten finished jobs, and finds nothing when as many ids
// are given as there are jobs, as TiDB does; by LIMIT, among all.
func (h *Handler) showQueries(ctx context.Context, c *protocol.Conn, st *sqltext.ShowDDLJobQueries) (protocol.Reply, error) {
	h.history.settled(ctx) // what this client has changed is in what it sees
	n := defaultHistory
	if st.Limit != nil {
		n = int(min(st.Limit.Offset+st.Limit.Count, 1<<20))
	}
	jobs, old, err := h.visibleJobs(ctx, c, n)
	if err != nil {
		return nil, err
	}
	jobs = append(jobs, old...)
	rs := &protocol.ResultSet{Columns: queryColumns(st)}
	if st.Limit != nil {
		for i, j := range jobs {
			if st.Limit.Has(i) {
				rs.Rows = append(rs.Rows, []any{fmt.Sprint(j.ID), j.Query})
			}
		}
		return rs, nil
	}
	if len(st.IDs) >= len(jobs) {
		return rs, nil
	}
	for _, id := range st.IDs {
		for _, j := range jobs {
			if j.ID == id {
				rs.Rows = append(rs.Rows, []any{j.Query})
			}
		}
	}
	return rs, nil
}

var resultColumns = []protocol.Column{{Name: "JOB_ID", Length: 256}, {Name: "RESULT", Length: 512}}

// changeJobs answers ADMIN CANCEL, PAUSE and RESUME DDL JOBS: one row for each
// id, and never an error of the statement itself.
func (h *Handler) changeJobs(ctx context.Context, c *protocol.Conn, st *sqltext.ChangeDDLJobs) (protocol.Reply, error) {
	do := map[sqltext.Verb]func(context.Context, int64) error{
		sqltext.Cancel: h.jobs.CancelJob, sqltext.Pause: h.jobs.PauseJob, sqltext.Resume: h.jobs.ResumeJob,
	}[st.Verb]
	h.history.settled(ctx) // what this client has changed is known to what it sets going, or lets have its turn
	if err := h.mayChangeJobs(ctx, c, st.IDs); err != nil {
		return nil, err
	}
	rs := &protocol.ResultSet{Columns: resultColumns}
	for _, id := range st.IDs {
		result := "successful"
		if err := h.whenAltered(ctx, id, func() error { return do(ctx, id) }); err != nil {
			var e *dxf.Error
			if !errors.As(err, &e) {
				return nil, err
			}
			result = "error: " + e.Text()
		}
		rs.Rows = append(rs.Rows, []any{fmt.Sprint(id), result})
	}
	h.wakeAll()
	return rs, nil
}
