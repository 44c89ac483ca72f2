package backfill_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/changefeed"
	"dxfproxy/dxf"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A job is job 7, which adds an index to table t with one row.
type job struct {
	*backfill.Planner
	t      *testing.T
	schema string
	db     *sql.DB
	feeds  *feeds
	task   dxf.Task
}

func newJob(t *testing.T, srv *mariadbd.Server) *job {
	t.Helper()
	j := &job{t: t, feeds: newFeeds(t, srv)}
	j.schema, j.db = mariadbdtest.Schema(t, srv)
	j.exec("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)")
	j.Planner = backfill.NewPlanner(j.db, j.feeds, nil)
	j.task = dxf.Task{Type: backfill.Name, Step: dxf.StepInit, Meta: encode(t, backfill.Meta{
		MetaHead: dxf.MetaHead{JobID: 7, Schema: j.schema, Table: "t"}, Changes: []string{"ADD INDEX (a)"}, Way: backfill.WayDistributed,
	})}
	return j
}

func (j *job) exec(statements ...string) {
	j.t.Helper()
	for _, q := range statements {
		_, err := j.db.ExecContext(j.t.Context(), q)
		require.NoError(j.t, err, q)
	}
}

func (j *job) count(query string) (n int) {
	j.t.Helper()
	require.NoError(j.t, j.db.QueryRowContext(j.t.Context(), query).Scan(&n), query)
	return n
}

// plan plans the first step; the task stays as it was, as if the owner had died.
func (j *job) plan() dxf.Plan {
	j.t.Helper()
	p, err := j.Plan(j.t.Context(), j.task, 1, nil)
	require.NoError(j.t, err)
	return p
}

func (j *job) nothingLeft() {
	j.t.Helper()
	require.Zero(j.t, j.count("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%dxf%'"))
	_, err := j.feeds.Feed(j.t.Context(), 7)
	require.ErrorIs(j.t, err, dxf.ErrNotFound)
}

// TestBackfillPlanLost: the owner dies after the feed has begun and before the
// plan is written down. The feed fills the shadow meanwhile; it is ours still.
func TestBackfillPlanLost(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	j := newJob(t, srv)
	for _, end := range []string{"planned again", "cancelled", "native"} {
		t.Run(end, func(t *testing.T) {
			require.Equal(t, backfill.StepCopy, j.plan().Step)
			feed, err := j.feeds.Claim(t.Context(), 7, "n1")
			require.NoError(t, err)
			j.exec("INSERT INTO t__dxf7_new VALUES (2, 2)")
			again := j.task
			switch end {
			case "planned again":
				require.Equal(t, backfill.StepCopy, j.plan().Step)
				require.Zero(t, j.count("SELECT COUNT(*) FROM t__dxf7_new"))
			case "native":
				again.Meta = encode(t, backfill.Meta{
					MetaHead: dxf.MetaHead{JobID: 7, Schema: j.schema, Table: "t"}, Changes: []string{"ADD INDEX (a)"},
					Way: backfill.WayDistributed, NativeMaxSize: 1 << 30,
				})
				p, err := j.Plan(t.Context(), again, 1, nil)
				require.NoError(t, err)
				require.Equal(t, backfill.StepNative, p.Step)
				j.nothingLeft()
			}
			// The applier of the first attempt may have been frozen.
			tx, err := j.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // the test is over
			err = j.feeds.CommitFeed(t.Context(), tx, feed, dxf.FeedCommit{File: feed.File, Pos: feed.Pos, Mode: feed.Mode})
			if end != "cancelled" {
				require.ErrorIs(t, err, dxf.ErrLeaseLost)
			}
			require.NoError(t, tx.Rollback())

			won, err := j.OnDone(t.Context(), again, nil)
			require.NoError(t, err)
			require.False(t, won)
			j.nothingLeft()
			won, err = j.OnDone(t.Context(), again, nil) // twice
			require.NoError(t, err)
			require.False(t, won)
		})
	}
	// A table that no feed names is somebody's.
	j.exec("CREATE TABLE t__dxf7_new (a INT)", "INSERT INTO t__dxf7_new VALUES (1)")
	_, err := j.Plan(t.Context(), j.task, 1, nil)
	require.ErrorContains(t, err, "in the way")
	_, err = j.OnDone(t.Context(), j.task, nil)
	require.NoError(t, err)
	require.Equal(t, 1, j.count("SELECT COUNT(*) FROM t__dxf7_new"))
}

// TestBackfillPlanAgainUnderWrites: an applier is at work while the job is
// planned again and again. What is in the last shadow comes from its own feed:
// only changes made since.
func TestBackfillPlanAgainUnderWrites(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	j := newJob(t, srv)
	m, err := changefeed.New(j.feeds.DB, changefeed.Config{DSN: srv.DSN(), NodeID: "n1", MetaSchema: j.feeds.Schema(), Poll: 10 * time.Millisecond})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	defer func() { stop(); require.NoError(t, <-ended) }()

	id := 10
	write := func() { id++; j.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 0)", id)) }
	for range 8 {
		j.plan()
		write()
		require.Eventually(t, func() bool {
			write()
			return j.count("SELECT COUNT(*) FROM t__dxf7_new") > 0
		}, 30*time.Second, time.Millisecond)
	}
	before := id
	j.plan()
	write()
	marker, err := j.feeds.Mark(t.Context(), 7, dxf.MarkSync)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		ok, err := j.feeds.Marked(t.Context(), 7, marker)
		require.NoError(t, err)
		return ok
	}, 30*time.Second, time.Millisecond)
	require.Equal(t, 1, j.count("SELECT COUNT(*) FROM t__dxf7_new"))
	require.Equal(t, before+1, j.count("SELECT MAX(id) FROM t__dxf7_new"))
	_, err = j.OnDone(t.Context(), j.task, nil)
	require.NoError(t, err)
	j.nothingLeft()
}

// TestBackfillOrphan: the session of a node that was killed holds the job's lock
// until its statement ends. Clean-up says so, and ends it; a session of another
// account it leaves alone.
func TestBackfillOrphan(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	j := newJob(t, srv)
	var notes []string
	tell := func(text string) error { notes = append(notes, text); return nil }

	orphan, err := server.OpenSession(t.Context(), j.db)
	require.NoError(t, err)
	defer orphan.Close()
	_, err = orphan.Lock(t.Context(), table.JobLock(7).Name(), 0, nil)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := orphan.ExecContext(context.WithoutCancel(t.Context()), "DO SLEEP(600)")
		ended <- err
	}()
	_, err = j.OnDone(t.Context(), j.task, tell)
	require.NoError(t, err)
	require.Error(t, <-ended)
	require.Equal(t, []string{
		fmt.Sprintf("clean-up waits for the session of its predecessor (connection %d) to end", orphan.ID),
		fmt.Sprintf("clean-up ends the session of its predecessor (connection %d)", orphan.ID),
		"",
	}, distinct(notes))
}

// TestS15Stranger: somebody else holds the job's lock, under the name that nobody should
// know. Clean-up says so and ends that session; without the right to do so it does not
// wait for long.
func TestS15Stranger(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	j := newJob(t, srv)
	j.Secret = "a secret"
	var notes []string
	tell := func(text string) error { notes = append(notes, text); return nil }
	account := func(name string) *sql.DB {
		j.exec(fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY 'x'", name))
		cfg, err := mysql.ParseDSN(srv.DSN())
		require.NoError(t, err)
		cfg.User, cfg.Passwd = name, "x"
		db, err := sql.Open("mysql", cfg.FormatDSN())
		require.NoError(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	strangers := account("stranger")
	hold := func(name string) (id int64) {
		conn, err := strangers.Conn(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		var got int
		require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT GET_LOCK(?, 0), CONNECTION_ID()", name).Scan(&got, &id))
		require.Equal(t, 1, got)
		return id
	}

	// A name that everybody can guess holds nobody up.
	hold(table.JobLock(7).Name())
	hold(table.JobLock(7).Renamer())
	_, err := j.OnDone(t.Context(), j.task, tell)
	require.NoError(t, err)
	require.Empty(t, notes)

	id := hold(j.Secret.Lock(table.JobLock(7).Renamer()))
	_, err = j.OnDone(t.Context(), j.task, tell)
	require.NoError(t, err)
	require.Equal(t, []string{fmt.Sprintf("clean-up ends connection %d of another account, which holds the job's lock", id), ""}, distinct(notes))

	meek := backfill.NewPlanner(account("meek"), j.feeds, nil)
	meek.Secret = j.Secret
	j.exec("GRANT ALL ON `" + j.schema + "`.* TO meek@'%'")
	if srv.Kind() != mariadbd.MariaDB {
		j.exec("GRANT SELECT ON performance_schema.threads TO meek@'%'")
	}
	id = hold(j.Secret.Lock(table.JobLock(7).Name()))
	_, err = meek.OnDone(t.Context(), j.task, tell)
	require.ErrorContains(t, err, fmt.Sprintf("connection %d of another account holds the job's lock and cannot be ended", id))
	require.False(t, meek.IsRetryableErr(err), "the job ends")
}

func distinct(notes []string) (once []string) {
	for _, n := range notes {
		if len(once) == 0 || once[len(once)-1] != n {
			once = append(once, n)
		}
	}
	return once
}

// TestBackfillOrphanOfSuccessor: who cannot write the note is no owner any more,
// and ends nobody's session.
func TestBackfillOrphanOfSuccessor(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	j := newJob(t, srv)
	successor, err := server.OpenSession(t.Context(), j.db)
	require.NoError(t, err)
	defer successor.Close()
	_, err = successor.Lock(t.Context(), table.JobLock(7).Name(), 0, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	_, err = j.OnDone(ctx, j.task, func(string) error { return dxf.ErrNotOwner })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, successor.PingContext(t.Context()))
}

// TestBackfillDoneInDoubt: a rename that took place is never told as one that
// did not, whatever clean-up meets.
func TestBackfillDoneInDoubt(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	j := newJob(t, srv)
	j.task.Meta = j.plan().Meta
	j.task.Step = backfill.StepCutover
	j.exec("RENAME TABLE t TO t__dxf7_old, t__dxf7_new TO t")

	j.feeds.dropErr = dxf.Errorf("no")
	won, err := j.OnDone(t.Context(), j.task, nil)
	require.ErrorContains(t, err, "no")
	require.True(t, won, "told as reverted")
	require.False(t, j.IsRetryableErr(err))

	cfg, err := mysql.ParseDSN(srv.DSN())
	require.NoError(t, err)
	cfg.Passwd = "wrong"
	denied, err := sql.Open("mysql", cfg.FormatDSN())
	require.NoError(t, err)
	defer denied.Close()
	b := backfill.NewPlanner(denied, j.feeds, nil)
	for step, again := range map[dxf.Step]bool{backfill.StepCutover: true, backfill.StepNative: true, dxf.StepDone: true, backfill.StepCopy: false, dxf.StepInit: false} {
		j.task.Step = step
		_, err = b.OnDone(t.Context(), j.task, nil)
		require.Error(t, err)
		require.Equal(t, again, b.IsRetryableErr(err), "%s: %v", step, err)
	}
}
