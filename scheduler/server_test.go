package scheduler_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
)

// The same managers over a real server, in real time: what virtual time cannot
// tell is how long the statements take.
func TestOnAServer(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: dxf.TypesOf(testType)})
	require.NoError(t, err)
	defer db.Close()

	play(t, db, func(c *cluster) {
		c.work = func(ctx context.Context, _ *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			return lasting(ctx, 0)
		}
		c.node("n1", 4, "")
		c.until(10*time.Second, "n1 is owner", func() bool { return c.owner() == "n1" && c.live() == 1 })
		n2 := c.node("n2", 4, "")
		c.until(10*time.Second, "two nodes", func() bool { return c.live() == 2 })

		for range 3 {
			id := c.submit(4, nil)
			took := c.until(10*time.Second, "done", c.in(id, dxf.JobSynced))
			t.Logf("four subtasks that take no time on two nodes: %s", took)
		}
		id := c.submit(400, nil)
		took := c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
		t.Logf("four hundred: %s", took)

		c.work = hour
		id = c.submit(4, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(running)) == 4 })
		require.NoError(t, c.store.CancelJob(c.ctx, id))
		took = c.until(10*time.Second, "reverted", func() bool { return c.job(id).State.Ended() })
		t.Logf("cancelled in %s", took)

		if testing.Short() {
			t.Skip("a lease takes its time to run out")
		}
		c.submit(4, func(t *dxf.NewTask, _ *testMeta) { t.Concurrency = 4 })
		c.until(10*time.Second, "work", func() bool { return len(c.started(running)) == 4 })
		n2.kill()
		took = c.until(30*time.Second, "n2's subtasks run on n1", func() bool {
			return len(c.started(func(r run) bool { return running(r) && r.node == "n1" })) == 4
		})
		t.Logf("a dead node's subtasks ran elsewhere after %s", took)
	})
}

func running(r run) bool { return !r.ended }
