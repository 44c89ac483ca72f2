package scheduler_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"dxfproxy/dxf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Both nodes work, a task never has more subtasks at once on a node than its
// concurrency, and the client's wait is about the work's time.
func TestTaskRunsOnAllNodes(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.node("n1", 4, "")
		c.node("n2", 4, "")
		c.until(5*time.Second, "an owner and two nodes", func() bool { return c.owner() != "" && c.live() == 2 })
		id := c.submit(12, nil)
		most := map[string]int{}
		took := c.until(time.Minute, "done", func() bool {
			now := map[string]int{}
			for _, r := range c.started(func(r run) bool { return !r.ended }) {
				now[r.node]++
				most[r.node] = max(most[r.node], now[r.node])
			}
			return c.in(id, dxf.JobSynced)()
		})
		require.Equal(t, map[string]int{"n1": 2, "n2": 2}, most)
		require.Len(t, c.started(on("n1")), 6)
		require.Len(t, c.started(on("n2")), 6)
		require.Less(t, took, 4*time.Second)
	})
}

// Woken, not polled: what takes no time is done in no time.
func TestWokenNodesAnswerAtOnce(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(ctx context.Context, _ *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			return lasting(ctx, 0)
		}
		c.node("n1", 2, "")
		c.node("n2", 2, "")
		c.until(5*time.Second, "an owner and two nodes", func() bool { return c.owner() != "" && c.live() == 2 })
		id := c.submit(4, nil)
		took := c.until(time.Second, "done", c.in(id, dxf.JobSynced))
		require.LessOrEqual(t, took, 50*time.Millisecond)
	})
}

func TestDeadNodesWorkMoves(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(ctx context.Context, _ *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			return lasting(ctx, 20*time.Second)
		}
		n1 := c.node("n1", 8, "")
		c.until(5*time.Second, "n1 is owner", func() bool { return c.owner() == n1.id })
		n2 := c.node("n2", 8, "")
		c.until(5*time.Second, "two nodes", func() bool { return c.live() == 2 })
		id := c.submit(4, func(t *dxf.NewTask, _ *testMeta) { t.Concurrency = 4 })
		c.until(time.Second, "both work", func() bool { return len(c.started(on("n2"))) == 2 })
		lost := c.started(on("n2"))
		n2.kill()
		took := c.until(30*time.Second, "n2's subtasks run on n1", func() bool { return len(c.started(on("n1"))) == 4 })
		t.Logf("a dead node's subtasks ran elsewhere after %s", took)
		for _, r := range lost {
			again := c.started(func(o run) bool { return o.node == "n1" && o.sub.ID == r.sub.ID })
			require.Len(t, again, 1)
			require.Greater(t, again[0].sub.Epoch, r.sub.Epoch)
		}
		c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
	})
}

func TestDeadOwnerIsReplaced(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.node("n1", 2, "")
		c.until(5*time.Second, "n1 is owner", func() bool { return c.owner() == "n1" })
		c.node("n2", 2, "")
		id := c.submit(40, nil)
		c.until(5*time.Second, "work", func() bool { return len(c.started(on("n2"))) > 0 })
		c.nodes()[0].kill()
		took := c.until(15*time.Second, "n2 is owner", func() bool { return c.owner() == "n2" })
		t.Logf("a dead owner was replaced after %s", took)
		c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
	})
}

func TestOwnerThatStopsResigns(t *testing.T) {
	simulate(t, func(c *cluster) {
		n1 := c.node("n1", 2, "")
		c.until(5*time.Second, "n1 is owner", func() bool { return c.owner() == "n1" })
		c.node("n2", 2, "")
		n1.stop()
		took := c.until(3*time.Second, "n2 is owner", func() bool { return c.owner() == "n2" })
		t.Logf("an owner that resigned was replaced after %s", took)
	})
}

// An owner that cannot reach the store stops before its lease ends.
func TestCutOffOwnerStepsDownEarly(t *testing.T) {
	simulate(t, func(c *cluster) {
		n1 := c.node("n1", 2, "")
		c.until(5*time.Second, "n1 is owner", func() bool { return c.owner() == "n1" })
		c.node("n2", 2, "")
		n1.link.cut.Store(true)
		c.until(15*time.Second, "n2 is owner", func() bool { return c.owner() == "n2" })
		passes := n1.d.Counts().Passes
		time.Sleep(5 * time.Second)
		require.Equal(t, passes, n1.d.Counts().Passes)
		n1.link.cut.Store(false)
		time.Sleep(20 * time.Second)
		require.Equal(t, "n2", c.owner())
		require.EqualValues(t, 1, n1.d.Counts().Terms)
	})
}

// A node is cut off while an executor that does not listen goes on working.
// When it comes back, its outcome is refused, and the successor's counts.
func TestZombieFinishIsRefused(t *testing.T) {
	simulate(t, func(c *cluster) {
		wakes := make(chan struct{})
		c.work = func(ctx context.Context, n *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			if n.id == "n2" {
				<-wakes
				return dxf.Summary{RowCount: 666}, nil
			}
			return lasting(ctx, 40*time.Second)
		}
		c.node("n1", 4, "")
		c.until(5*time.Second, "n1 is owner", func() bool { return c.owner() == "n1" })
		n2 := c.node("n2", 4, "")
		c.until(5*time.Second, "two nodes", func() bool { return c.live() == 2 })
		id := c.submit(2, nil)
		c.until(time.Second, "both work", func() bool { return len(c.started(on("n2"))) == 1 })
		zombie := c.started(on("n2"))[0]
		n2.link.cut.Store(true)
		c.until(30*time.Second, "n1 has taken over", func() bool { return len(c.started(on("n1"))) == 2 })
		n2.link.cut.Store(false)
		close(wakes)
		c.until(5*time.Second, "the zombie has noticed", func() bool { return n2.s.Counts().Lost == 1 })
		require.ErrorIs(t, c.store.Finish(c.ctx, zombie.sub.Lease(), dxf.SubtaskSucceed, dxf.Summary{RowCount: 666}, nil), dxf.ErrLeaseLost)
		for _, s := range c.subtasks() {
			require.Equal(t, dxf.SubtaskRunning, s.State)
			require.Equal(t, "n1", s.ExecID)
		}
		c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
		require.Zero(t, n2.s.Counts().Succeeded)
	})
}

// A cut too short for the owner to notice, too long for the node to trust
// itself: it stops its work in time and begins again under a new epoch.
func TestNodeStopsWorkBeforeItsLeasesEnd(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(ctx context.Context, _ *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			return lasting(ctx, 30*time.Second)
		}
		n := c.node("n1", 2, "")
		id := c.submit(1, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(on("n1"))) == 1 })
		n.link.cut.Store(true)
		took := c.until(dxf.SubtaskLease, "stopped", func() bool { return c.started(on("n1"))[0].ended })
		t.Logf("stopped %s after the last chance to renew", took)
		require.ErrorIs(t, c.started(on("n1"))[0].cause, dxf.ErrLeaseLost)
		require.LessOrEqual(t, took, 8*time.Second)
		n.link.cut.Store(false)
		c.until(20*time.Second, "work again", func() bool { return len(c.started(on("n1"))) == 2 })
		c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
	})
}

// The node stands still (SIGSTOP) while the store answers a heartbeat. The
// answer, read much later, is about a time long past: the work is stopped all
// the same, before anything else.
func TestHeartbeatAnsweredLateIsNotTrusted(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(ctx context.Context, _ *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			return lasting(ctx, time.Hour)
		}
		n := c.node("n1", 2, "")
		c.submit(1, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(any1)) == 1 })
		n.link.still.Store(int64(9 * time.Second))
		took := c.until(15*time.Second, "stopped", func() bool { return c.started(any1)[0].ended })
		t.Logf("stopped after %s", took)
		require.ErrorIs(t, c.started(any1)[0].cause, dxf.ErrLeaseLost)
		time.Sleep(20 * time.Second)
		require.Len(t, c.started(any1), 1, "what cannot be renewed in time is not begun")
		n.link.still.Store(0)
		c.until(20*time.Second, "work again", func() bool { return len(c.started(any1)) == 2 })
	})
}

func TestNodeJoinsMidTask(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.node("n1", 2, "")
		id := c.submit(30, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(on("n1"))) > 0 })
		c.node("n2", 2, "")
		took := c.until(3*time.Second, "n2 works", func() bool { return len(c.started(on("n2"))) > 0 })
		t.Logf("a new node worked after %s", took)
		c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
		require.Greater(t, len(c.started(on("n2"))), 8)
	})
}

func TestScopeChange(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.node("n1", 2, "")
		n2 := c.node("n2", 2, "")
		id := c.submit(20, func(t *dxf.NewTask, _ *testMeta) { t.TargetScope = "gold" })
		c.until(10*time.Second, "the job says why it waits", func() bool { return c.job(id).Waiting == "no node in service scope 'gold'" })
		require.Empty(t, c.started(func(run) bool { return true }))
		require.NoError(t, c.store.SetRole(c.ctx, "n2", "gold"))
		n2.s.SetRole("gold")
		c.until(2*time.Second, "n2 works", func() bool { return len(c.started(on("n2"))) > 0 })
		require.Empty(t, c.job(id).Waiting)

		// Registering again keeps the role.
		n2.link.cut.Store(true)
		time.Sleep(15 * time.Second)
		n2.link.cut.Store(false)
		c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
		require.Empty(t, c.started(on("n1")))
		require.EqualValues(t, 2, n2.s.Counts().Registered)
	})
}

// Planning may take long. It holds up nobody else, and ends at once when the
// user does not want it any more or the node stops being the owner.
func TestPlanningIsInterrupted(t *testing.T) {
	simulate(t, func(c *cluster) {
		var plans atomic.Int64
		c.steps.planning = func(ctx context.Context) error {
			if plans.Add(1) > 2 {
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}
		n1 := c.node("n1", 2, "")
		c.until(5*time.Second, "n1 is owner", func() bool { return c.owner() == "n1" && c.live() == 1 })
		c.node("n2", 2, "")
		unwanted := c.submit(1, func(t *dxf.NewTask, _ *testMeta) { t.Concurrency = 1 })
		time.Sleep(time.Second)
		handed := c.submit(1, func(t *dxf.NewTask, _ *testMeta) { t.Concurrency = 1 })
		time.Sleep(time.Second)
		require.EqualValues(t, 2, plans.Load())
		require.NoError(t, c.store.CancelJob(c.ctx, unwanted))
		c.until(2*time.Second, "cancelled", c.in(unwanted, dxf.JobRollbackDone))

		n1.stop()
		c.until(15*time.Second, "planned by the next owner", c.in(handed, dxf.JobSynced))
	})
}

func TestSeventeenTasks(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.node("n1", 20, "")
		c.until(5*time.Second, "an owner and a node", func() bool { return c.owner() != "" && c.live() == 1 })
		var jobs []int64
		for range 17 {
			jobs = append(jobs, c.submit(1, func(t *dxf.NewTask, _ *testMeta) { t.Concurrency = 1 }))
		}
		c.until(time.Second, "sixteen run", func() bool { return len(c.started(func(run) bool { return true })) == 16 })
		c.until(900*time.Millisecond, "the last says why it waits", func() bool {
			return c.job(jobs[16]).Waiting == "waits for its turn, 16 tasks running"
		})
		took := c.until(10*time.Second, "all done", func() bool {
			for _, id := range jobs {
				if c.job(id).State != dxf.JobSynced {
					return false
				}
			}
			return true
		})
		require.Less(t, took, 3*time.Second)
	})
}

// live is how many nodes the store knows.
func (c *cluster) live() int {
	nodes, err := c.store.Nodes(c.ctx)
	require.NoError(c.t, err)
	return len(nodes)
}
