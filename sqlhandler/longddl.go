package sqlhandler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// systemSchemas hold tables that are never changed by a job.
var systemSchemas = map[string]bool{"mysql": true, "information_schema": true, "performance_schema": true, "sys": true}

// ambiguous are the character sets in which a second byte may look like a quote
// or a backslash: where a statement's names end cannot be told from its bytes.
var ambiguous = map[string]bool{"big5": true, "cp932": true, "gbk": true, "sjis": true, "gb18030": true}

// errNoFastReorg is TiDB's refusal, word for word.
var errNoFastReorg = &dxf.Error{
	Code: 8200, State: "HY000", Class: "ddl",
	Message: "Unsupported tidb_enable_dist_task setting. " +
		"To utilize distributed task execution, please enable tidb_ddl_enable_fast_reorg first.",
}

var errNoDatabase = &dxf.Error{Code: server.ErrNoDB, State: "3D000", Message: "No database selected", Class: "planner"}

// makeJobOnce does so if the store answers. The client's own session is asked whether the
// client may do this; the store, on an empty copy, whether it can be done. What is not a
// base table of the user goes to the store untouched. Only before there is a job is a lost
// connection its error.
func (h *Handler) makeJobOnce(
	ctx context.Context, c *protocol.Conn, s *session, st *sqltext.AlterTable, made *madeJob,
) (protocol.Reply, error) {
	facts, small, err := h.askSmall(ctx, c, s, st)
	if err != nil {
		return nil, err
	}
	// MySQL's status flags do not tell of ANSI_QUOTES: only now it is known what is quoted.
	if m := sqltext.ModeOf(facts.sqlMode); m != st.Mode() {
		again := st.As(m)
		alter, ok := again.(*sqltext.AlterTable)
		if !ok || !alter.Long() {
			return h.forward(ctx, c, again)
		}
		st = alter
	}
	if h.trial == nil || ambiguous[facts.charset] || !st.Understood() {
		return h.remember(ctx, c, &st.DDL)
	}
	schema := st.Table.Schema
	if schema == "" {
		schema = facts.schema
	}
	if schema == "" && facts.unspoken {
		return h.remember(ctx, c, &st.DDL)
	}
	if schema == "" {
		return nil, errNoDatabase
	}
	if systemSchemas[strings.ToLower(schema)] || schema == h.schema || schema == h.scratch {
		return h.remember(ctx, c, &st.DDL)
	}
	if reply, err := h.atOnce(ctx, c, facts, small, schema, st); err != nil || reply != nil {
		return reply, err
	}
	return h.makeJobOf(ctx, c, s, facts, schema, st, made)
}

// makeJobOf makes the job, unless the store has to judge or do it after all.
func (h *Handler) makeJobOf(
	ctx context.Context, c *protocol.Conn, s *session, facts sessionFacts, schema string, st *sqltext.AlterTable, made *madeJob,
) (protocol.Reply, error) {
	kind, err := askTable(ctx, c, schema, st.Table.Name, st.CreateIndex)
	switch {
	case code(err) == server.ErrNoSuchTable && st.IfExists, err == nil && kind == notOurs:
		return protocol.Forward{}, nil
	case err != nil:
		return nil, err
	case kind == locked:
		return h.remember(ctx, c, &st.DDL)
	}
	if err := mayAlter(ctx, c, schema, st.Table.Name, st.CreateIndex); err != nil {
		return nil, err
	}
	settings, err := h.settings(ctx, s)
	if err != nil {
		return nil, err
	}
	if settings.Dist && !settings.Ingest {
		return nil, errNoFastReorg
	}
	names, ok := decodeAll(facts.charset, schema, st.Table.Name)
	if !ok || slices.ContainsFunc(names, beyondNames) {
		return h.remember(ctx, c, &st.DDL)
	}
	schema, name := names[0], names[1]
	info, err := table.Load(ctx, h.sql, schema, name)
	if err != nil {
		return nil, fmt.Errorf("read the table: %w", err)
	}
	seen := time.Now().UTC()                                      // what was done before made the table that is identified here
	id, err := table.Identity(ctx, h.sql, info.Schema, info.Name) // as the store spells them
	if err != nil {
		return nil, err
	}
	if err := h.alreadyAdding(ctx, info.Schema, info.Name, indexNames(st, facts.charset)); err != nil {
		return nil, err
	}
	if facts.variables, err = askVariables(ctx, c); err != nil {
		return nil, err
	}
	t, err := h.try(ctx, info, st, facts)
	switch {
	case errors.Is(err, errUntold):
		return h.remember(ctx, c, &st.DDL)
	case err != nil && len(info.Parents)+len(info.Children) > 0:
		// The copy has no foreign keys, so its judgement of a statement that
		// touches one is no judgement; the table itself will tell.
		return h.remember(ctx, c, &st.DDL)
	case err != nil:
		return nil, err
	case t.unchanged():
		return altered(0, t.warnings, st.Ignore), nil
	}
	if err := h.surelyDouble(ctx, info, st, t); err != nil {
		return nil, err
	}
	meta := changeMeta(facts, settings, info, t, st)
	meta.TableID = id
	job, err := h.submit(ctx, c, facts, st, settings, seen, meta)
	if server.Lost(err) {
		h.log.Warn("it is not known whether a job was made", zap.String("statement", loggable(st.SQL())), zap.Error(err))
		return nil, errUnknownJob
	}
	if err != nil {
		return nil, err
	}
	*made = madeJob{id: job, limit: facts.variables.limit(), job: h.tableChange(job).noting(t, st.Ignore, facts.variables)}
	return nil, nil
}

// changeMeta is what the job is to do, and how.
func changeMeta(facts sessionFacts, settings settings, info *table.Info, t trial, st *sqltext.AlterTable) backfill.Meta {
	return backfill.Meta{
		MetaHead: dxf.MetaHead{Schema: info.Schema, Table: info.Name, Rows: info.Rows}, Fingerprint: info.Fingerprint,
		Changes: t.changes, Target: t.after, Ignore: st.Ignore, Algorithm: st.Algorithm, Lock: st.Lock,
		Conditional: st.Conditional, SQLMode: table.ValueMode(facts.sqlMode), Language: t.language,
		User: facts.user, Privilege: privilege(st),
		Way:    way(settings, st),
		Thread: settings.Thread, BatchSize: settings.BatchSize, Priority: settings.priority,
		MaxWriteSpeed: settings.MaxWriteSpeed, ErrorLimit: settings.errorLimit, NativeMaxSize: settings.nativeMaxSize,
	}
}

// beyondNames says whether a name has characters that no name can have: MySQL takes each for
// a question mark in a statement, and refuses the name as a value (3854).
func beyondNames(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool { return r > 0xFFFF })
}

// surelyDouble refuses a unique index over new columns alone, when more than one row
// would have the same default there: after the copy it would be known as well.
func (h *Handler) surelyDouble(ctx context.Context, info *table.Info, st *sqltext.AlterTable, t trial) error {
	key, value, ok := table.SurelyDouble(t.before, t.end)
	if !ok || st.Ignore {
		return nil
	}
	var rows int
	if err := h.sql.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+info.Quoted()+" LIMIT 2) r").Scan(&rows); err != nil {
		return fmt.Errorf("look whether the table has rows: %w", err)
	}
	if rows < 2 {
		return nil
	}
	return server.DuplicateEntry(info.Name, value, key)
}

// indexNames are the names of the indexes that the statement adds, in UTF-8.
func indexNames(st *sqltext.AlterTable, charset string) []string {
	names, _ := decodeAll(charset, st.Indexes()...)
	return names
}

// privilege is the one that the store asks for the statement.
func privilege(st *sqltext.AlterTable) string {
	if st.CreateIndex {
		return "INDEX"
	}
	return "ALTER"
}

// way says how the job is to run: as the settings say, unless the statement
// itself asks for something only the store's own DDL can give.
func way(s settings, st *sqltext.AlterTable) backfill.Way {
	if st.Ignore {
		return backfill.WayNative // rows that are double are to go, not to be complained about
	}
	switch strings.ToUpper(st.Algorithm) {
	case "", "DEFAULT", "INPLACE", "NOCOPY":
	default:
		return backfill.WayNative
	}
	switch strings.ToUpper(st.Lock) {
	case "", "DEFAULT", "NONE":
	default:
		return backfill.WayNative
	}
	switch {
	case s.Dist:
		return backfill.WayDistributed
	case s.Ingest:
		return backfill.WayNative
	}
	return backfill.WayTxn
}

// alreadyAdding refuses an index that an unfinished job is adding, in TiDB's words and with
// the job's number: the statement would wait for that job and then fail, and who has lost the
// node that it waited at finds the job again.
func (h *Handler) alreadyAdding(ctx context.Context, schema, name string, adds []string) error {
	jobs, err := h.jobs.UnfinishedJobs(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Schema != schema || j.Table != name {
			continue
		}
		for _, a := range adds {
			if a != "" && slices.ContainsFunc(j.Indexes, func(b string) bool { return strings.EqualFold(a, b) }) {
				return &dxf.Error{Code: server.ErrDupKeyName, State: "42000", Class: "ddl", Message: fmt.Sprintf(
					"index already exist %s; a background job is trying to add the same index, please check by `ADMIN SHOW DDL JOBS` (job %d)", a, j.ID)}
			}
		}
	}
	return nil
}

// submitTimeout bounds the one transaction that makes a job.
const submitTimeout = 30 * time.Second

// submit writes the job and its task.
func (h *Handler) submit(
	ctx context.Context, c *protocol.Conn, facts sessionFacts, st *sqltext.AlterTable, s settings, made time.Time, meta backfill.Meta,
) (int64, error) {
	j := newJob(c, facts, st, s, meta.Schema, meta.Table)
	j.CreateTime = made
	t := dxf.NewTask{
		Type: backfill.Name, Concurrency: s.Thread, TargetScope: s.Scope, MaxNodeCount: s.MaxNodeCount, Meta: &meta,
	}
	if meta.Way == backfill.WayTxn {
		t.MaxNodeCount = 1
	}
	// Whether there is a job must be known even when the client is killed just
	// now: then it is cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), submitTimeout)
	defer cancel()
	h.history.settled(ctx) // what was done before has an id before
	return h.jobs.Submit(ctx, j, t)
}

// newJob is what is shown of a job before anything is done.
func newJob(c *protocol.Conn, facts sessionFacts, st *sqltext.AlterTable, s settings, schema, name string) dxf.Job {
	return dxf.Job{
		Type: st.JobType, Action: actions[st.JobType],
		Schema: schema, Table: name,
		State: dxf.JobQueueing, SchemaState: dxf.SchemaNone,
		Query: queryText(st.SQL(), facts.charset), CreateTime: time.Now().UTC(),
		Indexes: indexNames(st, facts.charset),
		Reorg:   &s.Reorg,
		User:    facts.user, ConnID: c.ID(),
		SubJobs: subJobs(st),
	}
}

// What of a statement a job keeps to be shown. Jobs are listed by others, many at a time,
// and for ever: a statement of a MiB, and one of thousands of changes, stands in all the lists.
const (
	maxShownText    = 16 << 10 // bytes of its text
	maxShownChanges = 256
)

// queryText is the text of a statement as it is shown: nothing is ever made of it.
func queryText(text []byte, charset string) string {
	if s, ok := decoder(charset)(text); ok {
		return shownText(s)
	}
	return shownText(string(text))
}

// shownText is so much of a text as is kept, in UTF-8.
func shownText(s string) string {
	if len(s) > maxShownText {
		return strings.ToValidUTF8(s[:maxShownText], "\uFFFD") + " …"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// actions are TiDB's numbers for its types of jobs.
var actions = map[string]int{"add index": 7, "add primary key": 32, sqltext.MultiChange: 61}

// subJobs are the changes of a statement that makes several. Several added indexes are
// one of them, the last, since they are built together.
func subJobs(st *sqltext.AlterTable) []dxf.SubJob {
	if st.JobType != sqltext.MultiChange {
		return nil
	}
	var subs []dxf.SubJob
	add := func(jobType string, reorg bool) {
		subs = append(subs, dxf.SubJob{Type: jobType, SchemaState: dxf.SchemaNone, State: dxf.JobQueueing, Reorg: reorg})
	}
	merge := len(st.Indexes()) > 1
	for _, spec := range st.Specs {
		if spec.Kind != sqltext.SpecOption && (spec.Kind != sqltext.SpecAddIndex || !merge) {
			add(spec.JobType(), spec.Adds())
		}
	}
	if merge {
		add(sqltext.Spec{Kind: sqltext.SpecAddIndex}.JobType(), true)
	}
	return subs[:min(len(subs), maxShownChanges)]
}
