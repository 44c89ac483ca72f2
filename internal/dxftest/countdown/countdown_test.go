package countdown_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/backfill"
	"dxfproxy/dispatcher"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/internal/dxftest/countdown"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/scheduler"
	"dxfproxy/store"
)

// A cluster is three nodes over a real store. All that it knows of the third type is in the
// line where its types are listed.
type cluster struct {
	*testing.T
	db    *store.DB
	logs  *observer.ObservedLogs
	start chan struct{}
}

func open(t *testing.T) *cluster {
	c := &cluster{T: t, start: make(chan struct{}, 3)}
	types := dxf.TypesOf(
		backfill.Type,
		importinto.Type,
		countdown.Type(c.start),
	)
	var err error
	c.db, err = store.Open(t.Context(), store.Config{DSN: mariadbdtest.StartT(t).DSN(), Types: types})
	require.NoError(t, err)
	core, logs := observer.New(zapcore.InfoLevel)
	c.logs = logs
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() {
		stop()
		running.Wait()
		require.NoError(t, c.db.Close())
	})
	for i := range 3 {
		self := dxf.Node{ID: fmt.Sprintf("n%d", i+1), UUID: fmt.Sprintf("uuid-%d", i+1), CPUCount: 1}
		plan := dispatcher.NewManager(dispatcher.Config{Store: c.db, Node: self, Types: types, Log: zap.New(core)})
		work := scheduler.NewManager(scheduler.Config{Store: c.db, Node: self, Types: types, Log: zap.New(core), Finished: plan.Wake, Grace: -1})
		running.Go(func() { _ = plan.Run(ctx) })
		running.Go(func() { _ = work.Run(ctx) })
	}
	c.until("three nodes", func() bool {
		nodes, err := c.db.Nodes(t.Context())
		return err == nil && len(nodes) == 3
	})
	return c
}

func (c *cluster) until(what string, done func() bool) {
	c.Helper()
	require.Eventually(c, done, 20*time.Second, 5*time.Millisecond, what)
}

// submit begins a countdown of three parts with ten rows each.
func (c *cluster) submit() (job int64) {
	c.Helper()
	job, err := c.db.Submit(
		c.Context(), dxf.Job{Type: "count down", Schema: "test", Query: "COUNT DOWN", SchemaState: dxf.SchemaNone},
		dxf.NewTask{Type: countdown.Name, Concurrency: 1, Meta: &countdown.Meta{MetaHead: dxf.MetaHead{Rows: 10}, Parts: 3}},
	)
	require.NoError(c, err)
	return job
}

func (c *cluster) job(id int64) dxf.Job {
	c.Helper()
	j, err := c.db.Job(c.Context(), id)
	require.NoError(c, err)
	return j
}

// rows reads a column of texts.
func (c *cluster) rows(query string, args ...any) (all []string) {
	c.Helper()
	require.NoError(c, sqlx.NewDb(c.db.Meta(), "mysql").SelectContext(c.Context(), &all, query, args...))
	return all
}

// counting waits until every node counts a part of the job.
func (c *cluster) counting(job int64) {
	c.Helper()
	c.until("every node counts", func() bool {
		return slices.Equal([]string{"n1", "n2", "n3"}, c.rows(`
			SELECT s.exec_id FROM tidb_background_subtask s JOIN tidb_global_task t ON s.task_key = CAST(t.id AS CHAR)
			WHERE t.task_key = ? AND t.type = 'countdown' AND s.type = 44 AND s.step = 1 AND s.state = 'running' ORDER BY 1`,
			fmt.Sprintf("ddl/countdown/%d", job)))
	})
}

// TestThirdType: a type that neither the store, nor dispatcher nor scheduler has heard of is
// worked on by three nodes, pauses, goes on, is cancelled, and shows under its own numbers.
func TestThirdType(t *testing.T) {
	c := open(t)
	const states = `
		SELECT CONCAT_WS(' ', t.type, t.state, t.step, s.type, s.step, s.state, COUNT(*))
		FROM tidb_global_task t JOIN tidb_background_subtask s ON s.task_key = CAST(t.id AS CHAR) AND s.step = t.step
		GROUP BY t.type, t.state, t.step, s.type, s.step, s.state`

	job := c.submit()
	c.counting(job)
	require.Equal(t, []string{"countdown running 1 44 1 running 3"}, c.rows(states))

	require.NoError(t, c.db.PauseJob(t.Context(), job))
	c.until("paused", func() bool { return c.job(job).State == dxf.JobPaused })
	require.Equal(t, []string{"countdown paused 1 44 1 paused 3"}, c.rows(states))
	require.NoError(t, c.db.ResumeJob(t.Context(), job))
	c.counting(job)
	for range 3 {
		c.start <- struct{}{}
	}
	c.until("done", func() bool { return c.job(job).State == dxf.JobSynced })
	require.EqualValues(t, 30, c.job(job).RowCount, "of the step that counts")
	require.Nil(t, c.job(job).Error)

	job = c.submit()
	c.counting(job)
	p, err := c.db.JobProgress(t.Context(), job)
	require.NoError(t, err)
	require.EqualValues(t, 10, p.Total, "the rows of the head")
	c.start <- struct{}{}
	c.until("a part is counted", func() bool { return c.job(job).RowCount == 10 })
	require.Equal(t, []string{"10"}, c.rows("SELECT ROW_COUNT FROM ddl_jobs WHERE JOB_ID = ?", job))
	require.NoError(t, c.db.CancelJob(t.Context(), job))
	c.until("cancelled", func() bool { return c.job(job).State.Ended() })
	require.Equal(t, dxf.JobRollbackDone, c.job(job).State)
	require.Equal(t, "the countdown was stopped", c.job(job).Error.Message)

	named := map[string]int{}
	for _, e := range c.logs.FilterMessage("step planned").All() {
		named[fmt.Sprint(e.ContextMap()["step"])]++
	}
	require.Equal(t, map[string]int{"count": 2, "lift-off": 1}, named)
	c.until("both are in the history", func() bool {
		return slices.Equal([]string{"countdown reverted", "countdown succeed"},
			c.rows("SELECT CONCAT(type, ' ', state) FROM tidb_global_task_history ORDER BY 1"))
	})
}
