package backfill_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/store"
	"dxfproxy/table"
)

// feeds is a store that remembers what the planner did to the changefeed.
type feeds struct {
	*store.DB
	started []dxf.Feed
	dropErr error // of DropFeed
}

func newFeeds(t *testing.T, srv *mariadbd.Server) *feeds {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &feeds{DB: db}
}

func (f *feeds) StartFeed(ctx context.Context, tx *sql.Tx, feed dxf.Feed) error {
	f.started = append(f.started, feed)
	return f.DB.StartFeed(ctx, tx, feed)
}

func (f *feeds) DropFeed(ctx context.Context, tx *sql.Tx, id int64) error {
	if f.dropErr != nil {
		return f.dropErr
	}
	return f.DB.DropFeed(ctx, tx, id)
}

const plainTable = "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT, b INT, KEY ka (a))"

// plans are tables and statements, and what the planner makes of them.
var plans = map[string]struct {
	statement string
	tables    []string
	change    func(*backfill.Meta)
	nodes     int
	step      dxf.Step
	subtasks  int
	note      string
	err       string
}{
	"copied":         {tables: []string{plainTable, "INSERT INTO t (a) SELECT 1 FROM " + mariadbdtest.Numbers(25000), "ANALYZE TABLE t"}, nodes: 2, step: backfill.StepCopy, subtasks: 3},
	"empty":          {tables: []string{plainTable}, nodes: 2, step: backfill.StepCopy, subtasks: 1},
	"small":          {tables: []string{plainTable}, change: func(m *backfill.Meta) { m.NativeMaxSize = 64 << 20 }, step: backfill.StepNative, subtasks: 1},
	"txn":            {tables: []string{plainTable}, change: func(m *backfill.Meta) { m.Way, m.NativeMaxSize = backfill.WayTxn, 64<<20 }, step: backfill.StepCopy, subtasks: 1},
	"native":         {tables: []string{plainTable}, change: func(m *backfill.Meta) { m.Way = backfill.WayNative }, step: backfill.StepNative, subtasks: 1},
	"instant":        {tables: []string{plainTable}, statement: "ALTER TABLE t RENAME INDEX ka TO kz", step: backfill.StepNative, subtasks: 1},
	"no key":         {tables: []string{"CREATE TABLE t (a INT, b INT)"}, step: backfill.StepNative, subtasks: 1, note: "it has no primary key or NOT NULL unique key that rows can be copied by"},
	"trigger":        {tables: []string{plainTable, "CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW SET @a = 1"}, step: backfill.StepNative, subtasks: 1, note: "it has trigger x"},
	"column":         {tables: []string{plainTable}, statement: "ALTER TABLE t MODIFY a BIGINT, ADD INDEX kb (b)", step: backfill.StepNative, subtasks: 1, note: "column a is changed"},
	"auto":           {tables: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT AUTO_INCREMENT, b INT, KEY ka (a))"}, statement: "ALTER TABLE t DROP INDEX ka, ADD UNIQUE INDEX kb (a)", step: backfill.StepNative, subtasks: 1, note: "AUTO_INCREMENT column a would have no index but a new unique one"},
	"changed":        {tables: []string{plainTable}, change: func(m *backfill.Meta) { m.Fingerprint, m.Target = "another", "" }, step: backfill.StepCopy, subtasks: 1},
	"changed, small": {tables: []string{plainTable}, change: func(m *backfill.Meta) { m.Fingerprint, m.NativeMaxSize = "another", 64<<20 }, step: backfill.StepNative, subtasks: 1},
	"changed, taken": {tables: []string{plainTable}, statement: "ALTER TABLE t ADD INDEX ka (a)", change: func(m *backfill.Meta) { m.Fingerprint, m.NativeMaxSize = "another", 64<<20 }, err: "Duplicate key name"},
	"gone":           {tables: []string{plainTable}, change: func(m *backfill.Meta) { m.Table = "x" }, err: "doesn't exist"},
	"statement":      {tables: []string{plainTable}, statement: "ALTER TABLE t ADD INDEX ka (a)", err: "Duplicate key name"},
	"in way":         {tables: []string{plainTable, "CREATE TABLE t__dxf7_new (a INT)", "INSERT INTO t__dxf7_new VALUES (1)"}, err: "in the way"},
	"left over":      {tables: []string{plainTable, "CREATE TABLE t__dxf7_new (a INT)"}, step: backfill.StepCopy, subtasks: 1},
	"xa":             {tables: []string{plainTable, "XA START 'x'", "INSERT INTO t (a) VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"}, err: "prepared and undecided"},
	"xa elsewhere":   {tables: []string{plainTable, "CREATE TABLE o LIKE t", "XA START 'x'", "INSERT INTO o (a) VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"}, nodes: 1, step: backfill.StepCopy, subtasks: 1},
}

func TestBackfillPlan(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	f := newFeeds(t, srv)
	for name, c := range plans {
		t.Run(name, func(t *testing.T) {
			schema, db := mariadbdtest.Schema(t, srv)
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			for _, q := range c.tables {
				_, err := conn.ExecContext(t.Context(), q)
				require.NoError(t, err, q)
			}
			info, err := table.Load(t.Context(), db, schema, "t")
			require.NoError(t, err)
			if c.statement == "" {
				c.statement = "ALTER TABLE t ADD INDEX kb (b)"
			}
			m := backfill.Meta{
				MetaHead: dxf.MetaHead{JobID: 7, Schema: schema, Table: "t"}, Changes: []string{strings.TrimPrefix(c.statement, "ALTER TABLE t ")},
				Fingerprint: info.Fingerprint, Way: backfill.WayDistributed,
			}
			if c.change != nil {
				c.change(&m)
			}
			f.started = nil
			b := backfill.NewPlanner(db, f, nil)
			task := dxf.Task{ID: 1, Type: backfill.Name, Step: dxf.StepInit, Meta: encode(t, m)}
			p, err := b.Plan(t.Context(), task, c.nodes, nil)
			if strings.HasPrefix(name, "xa") {
				_, err := conn.ExecContext(t.Context(), "XA ROLLBACK 'x'")
				require.NoError(t, err)
			}
			require.NoError(t, conn.Close())
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.Equal(t, name == "xa", b.IsRetryableErr(err))
			} else {
				require.NoError(t, err)
				require.Equal(t, c.step, p.Step)
				require.Len(t, p.Subtasks, c.subtasks)
				m = backfill.Meta{}
				require.NoError(t, json.Unmarshal(p.Meta, &m))
				if c.note == "" {
					require.Empty(t, m.Note)
				} else {
					require.Contains(t, string(m.Note), c.note)
				}
				require.Equal(t, info.Fingerprint, m.Fingerprint)
				if strings.HasPrefix(name, "changed") {
					require.Contains(t, m.Target, "KEY `kb` (`b`)")
				}
				_, err := f.Feed(t.Context(), 7)
				require.Equal(t, c.step != backfill.StepCopy, errors.Is(err, dxf.ErrNotFound), "%v", err)
				if c.step == backfill.StepCopy {
					require.Equal(t, "t__dxf7_new", m.Shadow)
					require.Equal(t, []string{"KEY `ka` (`a`)", "KEY `kb` (`b`)"}, m.Indexes)
					require.NotZero(t, f.started[0].Pos)
					task.Meta, task.Step = p.Meta, p.Step
				}
			}
			if name == "in way" {
				return
			}
			won, err := b.OnDone(t.Context(), task, nil)
			require.NoError(t, err)
			require.False(t, won)
			var n int
			require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME LIKE '%dxf%'", schema).Scan(&n))
			require.Zero(t, n)
			_, err = f.Feed(t.Context(), 7)
			require.ErrorIs(t, err, dxf.ErrNotFound)
		})
	}
}

// TestBackfillFrozenOwner: what a planner does it does on the session with the
// job's lock; the next one waits until that session is gone.
func TestBackfillFrozenOwner(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	schema, db := mariadbdtest.Schema(t, srv)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE t (id INT PRIMARY KEY, a INT)")
	require.NoError(t, err)
	frozen, err := server.OpenSession(t.Context(), db)
	require.NoError(t, err)
	ok, err := frozen.Lock(t.Context(), table.JobLock(7).Name(), 0, nil)
	require.NoError(t, err)
	require.True(t, ok)
	b := backfill.NewPlanner(db, newFeeds(t, srv), nil)
	task := dxf.Task{Type: backfill.Name, Step: dxf.StepInit, Meta: encode(t, backfill.Meta{
		MetaHead: dxf.MetaHead{JobID: 7, Schema: schema, Table: "t"}, Changes: []string{"ADD INDEX (a)"}, Way: backfill.WayDistributed,
	})}
	var told string
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err = b.Plan(ctx, task, 1, func(text string) error { told = text; return nil })
	require.Error(t, err)
	require.Equal(t, fmt.Sprintf("planning waits for the session of its predecessor (connection %d) to end", frozen.ID), told)
	require.NoError(t, frozen.Close())
	p, err := b.Plan(t.Context(), task, 1, nil)
	require.NoError(t, err)
	require.Equal(t, backfill.StepCopy, p.Step)
}

func TestBackfillJob(t *testing.T) {
	b := backfill.NewPlanner(nil, nil, nil)
	task := dxf.Task{Meta: encode(t, backfill.Meta{MetaHead: dxf.MetaHead{JobID: 7}})}
	for _, c := range []struct {
		state  dxf.TaskState
		step   dxf.Step
		was    dxf.SchemaState
		job    dxf.JobState
		schema dxf.SchemaState
	}{
		{dxf.TaskPending, dxf.StepInit, "", dxf.JobQueueing, dxf.SchemaNone},
		{dxf.TaskRunning, backfill.StepCopy, "", dxf.JobRunning, dxf.SchemaReorg},
		{dxf.TaskRunning, backfill.StepNative, "", dxf.JobRunning, dxf.SchemaReorg},
		{dxf.TaskPausing, backfill.StepCopy, dxf.SchemaReorg, dxf.JobPausing, dxf.SchemaReorg},
		{dxf.TaskPaused, backfill.StepCopy, dxf.SchemaReorg, dxf.JobPaused, dxf.SchemaReorg},
		{dxf.TaskResuming, backfill.StepCopy, dxf.SchemaReorg, dxf.JobRunning, dxf.SchemaReorg},
		{dxf.TaskCancelling, backfill.StepBuild, dxf.SchemaReorg, dxf.JobCancelling, dxf.SchemaReorg},
		{dxf.TaskReverting, backfill.StepBuild, dxf.SchemaReorg, dxf.JobRollingback, dxf.SchemaReorg},
		{dxf.TaskReverted, backfill.StepBuild, dxf.SchemaReorg, dxf.JobRollbackDone, dxf.SchemaNone},
		{dxf.TaskReverted, dxf.StepInit, dxf.SchemaNone, dxf.JobCancelled, dxf.SchemaNone},
		{dxf.TaskSucceed, dxf.StepDone, dxf.SchemaReorg, dxf.JobSynced, dxf.SchemaPublic},
	} {
		a := dxf.Advance{Task: task, State: c.state, Step: c.step}
		b.Complete(&a, dxf.Errorf("why"))
		change := a.Change
		j := dxf.Job{SchemaState: c.was}
		change(&j)
		require.Equal(t, c.job, j.State, "%s", c.state)
		require.Equal(t, c.schema, j.SchemaState, "%s", c.state)
		require.Equal(t, c.state == dxf.TaskSucceed, j.Error == nil)

		multi := dxf.Job{RowCount: 5, SubJobs: []dxf.SubJob{{SchemaState: c.was, Reorg: true}, {SchemaState: c.was}}}
		change(&multi)
		require.Equal(t, dxf.SchemaNone, multi.SchemaState)
		require.Equal(t, c.schema, multi.SubJobs[0].SchemaState)
		require.EqualValues(t, 5, multi.SubJobs[0].RowCount)
		require.Zero(t, multi.SubJobs[1].RowCount)
		if c.job == dxf.JobSynced {
			require.Equal(t, dxf.JobDone, multi.SubJobs[0].State)
		}
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}
