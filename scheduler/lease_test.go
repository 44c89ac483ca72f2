package scheduler_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

func hour(ctx context.Context, _ *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
	return lasting(ctx, time.Hour)
}

func any1(run) bool { return true }

func TestCancelStopsExecutors(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = hour
		c.node("n1", 2, "")
		c.node("n2", 2, "")
		id := c.submit(8, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(any1)) >= 2 })
		require.NoError(t, c.store.CancelJob(c.ctx, id))
		took := c.until(5*time.Second, "reverted", c.in(id, dxf.JobRollbackDone))
		t.Logf("cancelled in %s", took)
		require.Less(t, took, 2*time.Second)
		for _, r := range c.started(any1) {
			require.ErrorIs(t, r.cause, dxf.ErrCancelled)
		}
		require.Equal(t, "[ddl:8214]Cancelled DDL job", c.job(id).Error.Text())
	})
}

func TestPauseAndResume(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = hour
		n := c.node("n1", 2, "")
		id := c.submit(3, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(any1)) == 2 })
		require.NoError(t, c.store.PauseJob(c.ctx, id))
		c.until(5*time.Second, "paused", c.in(id, dxf.JobPaused))
		for _, r := range c.started(any1) {
			require.ErrorIs(t, r.cause, dxf.ErrPaused)
		}
		for _, s := range c.subtasks() {
			require.Equal(t, dxf.SubtaskPaused, s.State)
		}
		time.Sleep(time.Minute)
		require.Len(t, c.started(any1), 2)
		require.Zero(t, n.s.Counts().Running)

		c.work = second
		require.NoError(t, c.store.ResumeJob(c.ctx, id))
		c.until(10*time.Second, "done", c.in(id, dxf.JobSynced))
	})
}

// A node that stops lets what is nearly done finish, and gives the rest back.
func TestStoppingNodeReleases(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(ctx context.Context, n *node, s dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			if n.id == "n1" && s.Ordinal%4 == 1 {
				return lasting(ctx, time.Hour)
			}
			return lasting(ctx, 2*time.Second)
		}
		n1 := c.node("n1", 4, "")
		c.until(10*time.Second, "n1 is there", func() bool { return c.live() == 1 && c.owner() == "n1" })
		id := c.submit(2, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(any1)) == 2 })
		c.node("n2", 4, "")
		start := time.Now()
		n1.stop()
		require.Equal(t, 3*time.Second, time.Since(start).Round(10*time.Millisecond), "its grace")
		require.EqualValues(t, 1, n1.s.Counts().Succeeded)
		require.EqualValues(t, 1, n1.s.Counts().Released)
		for _, r := range c.started(on("n1")) {
			if r.sub.Ordinal == 1 {
				require.Equal(t, context.Canceled, r.cause)
			}
		}
		c.until(10*time.Second, "done by n2", c.in(id, dxf.JobSynced))
	})
}

// A process that starts again on the same address finds subtasks that the
// store believes it is running.
func TestRestartedNodeTakesItsSubtasksAgain(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = hour
		n := c.node("n1", 2, "")
		id := c.submit(2, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(any1)) == 2 })
		n.kill()
		c.work = second
		again := c.node("n1", 2, "")
		c.until(2*time.Second, "work again", func() bool { return len(c.started(any1)) == 4 })
		require.EqualValues(t, 2, again.s.Counts().Released)
		c.until(time.Minute, "done", c.in(id, dxf.JobSynced))
	})
}

// Retryable errors are tried again in place, with the checkpoint of the last
// run, until the task has met too many.
func TestRetryInPlace(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(context.Context, *node, dxf.Subtask, func(dxf.Summary)) (dxf.Summary, error) {
			if len(c.started(any1)) < 4 {
				return dxf.Summary{}, errRetry
			}
			return dxf.Summary{RowCount: 1}, nil
		}
		n := c.node("n1", 2, "")
		id := c.submit(1, nil) // its limit is 3
		c.until(20*time.Second, "it is said why", func() bool { return strings.Contains(c.job(id).Waiting, "tries again: "+errRetry.Error()) })
		c.until(20*time.Second, "done", c.in(id, dxf.JobSynced))
		runs := c.started(any1)
		require.Len(t, runs, 4)
		for i, r := range runs[1:] {
			require.Equal(t, runs[0].sub.Epoch, r.sub.Epoch)
			require.Equal(t, 100*time.Millisecond<<i, r.at.Sub(runs[i].at))
		}
		require.EqualValues(t, 3, n.s.Counts().Retried)
	})
}

// A run that is begun again with what this node remembers, because the store could not be
// asked, would load rows twice which the last run has committed.
func TestRetryFromTheStoreAlone(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(ctx context.Context, n *node, s dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
			if len(c.started(any1)) > 1 {
				return dxf.Summary{RowCount: 1}, nil
			}
			saver := c.store.(interface {
				Save(ctx context.Context, l dxf.Lease, checkpoint []byte, sum dxf.Summary) error
			})
			require.NoError(t, saver.Save(ctx, s.Lease(), []byte(`{"rows":7}`), dxf.Summary{RowCount: 7}))
			n.link.cut.Store(true)
			return dxf.Summary{}, errRetry
		}
		n := c.node("n1", 2, "")
		id := c.submit(1, nil)
		c.until(10*time.Second, "the store is asked in vain", func() bool { return n.link.held.Load() > 2 })
		n.link.cut.Store(false)
		c.until(10*time.Second, "done", c.in(id, dxf.JobSynced))
		runs := c.started(any1)
		require.Len(t, runs, 2)
		require.Equal(t, `{"rows":7}`, string(runs[1].sub.Checkpoint))
	})
}

func TestTooManyRetryableErrors(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(context.Context, *node, dxf.Subtask, func(dxf.Summary)) (dxf.Summary, error) {
			return dxf.Summary{}, errors.Join(errRetry, &dxf.Error{Code: 1205, State: "HY000", Message: "Lock wait timeout exceeded"})
		}
		c.node("n1", 2, "")
		id := c.submit(1, nil)
		c.until(20*time.Second, "reverted", c.in(id, dxf.JobRollbackDone))
		require.Len(t, c.started(any1), 4)
		require.EqualValues(t, 1205, c.job(id).Error.Code)
	})
}

func TestPanicIsTheSubtasksError(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(context.Context, *node, dxf.Subtask, func(dxf.Summary)) (dxf.Summary, error) { panic("boom") }
		n := c.node("n1", 2, "")
		id := c.submit(1, nil)
		c.until(20*time.Second, "reverted", c.in(id, dxf.JobRollbackDone))
		require.EqualValues(t, 8211, c.job(id).Error.Code)
		require.EqualValues(t, 1, n.s.Counts().Panics)

		c.work = second
		id = c.submit(1, nil)
		c.until(20*time.Second, "the node lives", c.in(id, dxf.JobSynced))
	})
}

// The store is away when a subtask is done: the outcome is told as soon as it
// is back, and nothing is run twice.
func TestFinishWaitsForTheStore(t *testing.T) {
	simulate(t, func(c *cluster) {
		n := c.node("n1", 2, "")
		id := c.submit(1, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(any1)) == 1 })
		n.link.cut.Store(true)
		time.Sleep(4 * time.Second)
		n.link.cut.Store(false)
		c.until(10*time.Second, "done", c.in(id, dxf.JobSynced))
		require.Len(t, c.started(any1), 1)
	})
}

func TestProgressIsWritten(t *testing.T) {
	simulate(t, func(c *cluster) {
		c.work = func(ctx context.Context, _ *node, _ dxf.Subtask, report func(dxf.Summary)) (dxf.Summary, error) {
			for i := range int64(100) {
				report(dxf.Summary{RowCount: i, Waiting: "for a lock"})
				if _, err := lasting(ctx, 100*time.Millisecond); err != nil {
					return dxf.Summary{}, err
				}
			}
			return dxf.Summary{RowCount: 100}, nil
		}
		c.node("n1", 2, "")
		id := c.submit(1, nil)
		c.until(10*time.Second, "work", func() bool { return len(c.started(any1)) == 1 })
		time.Sleep(5 * time.Second)
		require.InDelta(t, 50, c.subtasks()[0].Summary.RowCount, 7)
		require.Equal(t, "for a lock", c.job(id).Waiting)

		// An interrupted run ends with what it reported.
		require.NoError(t, c.store.PauseJob(c.ctx, id))
		c.until(5*time.Second, "paused", c.in(id, dxf.JobPaused))
		require.InDelta(t, 53, c.subtasks()[0].Summary.RowCount, 5)
		require.Empty(t, c.subtasks()[0].Summary.Waiting)
	})
}
