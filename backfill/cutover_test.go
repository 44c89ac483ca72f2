package backfill_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/table"
)

// TestCutoverKilled kills the sessions of the cut-over, one after the other and
// at all moments, while clients write. It comes to an end all the same.
func TestCutoverKilled(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	h.feed.delay.Store(int64(10 * time.Millisecond)) // something to aim at
	w := h.write(3, 6_000)
	require.True(t, h.next())
	ctx, stop := context.WithCancel(t.Context())
	killed := make(chan int)
	go func() {
		n := 0
		defer func() { killed <- n }()
		for i := 0; ctx.Err() == nil && n < 4; i++ {
			lock := []string{table.JobLock(h.meta.JobID).Name(), table.JobLock(h.meta.JobID).Renamer()}[n%2]
			var id *int64
			// From the creation of the sentry on, and a little later each time.
			if h.DB.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
				lock, h.Schema, h.meta.Old).Scan(&id) != nil || id == nil {
				continue
			}
			t := time.NewTimer(time.Duration(n) * 4 * time.Millisecond)
			<-t.C
			if _, err := h.DB.ExecContext(ctx, fmt.Sprintf("KILL %d", *id)); err == nil {
				n++
			}
		}
	}()
	_, err := h.run()
	stop()
	t.Logf("killed %d sessions", <-killed)
	require.NoError(t, err)
	w.stop()
	h.won()
}

// TestCutoverStages kills either session at each stage of the first attempt:
// before the table is locked, before the feed is sealed, and when the rename
// stands in the queue.
func TestCutoverStages(t *testing.T) {
	for _, c := range []struct {
		stage string
		count int
	}{{"lease", 1}, {"seal", 1}, {"lease", 2}} {
		for _, lock := range []func(table.Lock) string{table.Lock.Name, table.Lock.Renamer} {
			h := start(t, addIndex, nil, base, rows(500))
			h.ready()
			w := h.write(3, 1_500)
			seen := map[string]int{}
			h.feed.hook = func(stage string) {
				if seen[stage]++; stage == c.stage && seen[stage] == c.count {
					h.SQL("KILL " + h.Query("SELECT IS_USED_LOCK(?)", lock(table.JobLock(h.meta.JobID))))
				}
			}
			h.through(backfill.StepCutover)
			w.stop()
			h.won()
		}
	}
}

// TestCutoverZombie: the lease is lost while the table is locked. Nothing is
// renamed, and the successor can go on.
func TestCutoverZombie(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(500))
	h.ready()
	require.True(t, h.next())
	s := h.Lease()[0]
	n := 0
	h.feed.hook = func(stage string) {
		if stage == "lease" {
			if n++; n == 2 {
				require.NoError(t, h.Store.Release(t.Context(), s.Lease()))
			}
		}
	}
	_, err := h.exec.RunSubtask(t.Context(), h.Task, s, nil)
	require.ErrorIs(t, err, dxf.ErrLeaseLost)
	require.Equal(t, "1", h.Query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", h.meta.Shadow))
	_, err = h.run()
	require.NoError(t, err)
	_, err = h.plan.OnDone(t.Context(), h.Task, nil)
	require.NoError(t, err)
	h.requireDone()
}

// TestCutoverChanged: what would stay with the old table ends the job.
func TestCutoverChanged(t *testing.T) {
	for _, change := range []string{
		"CREATE TRIGGER late AFTER INSERT ON t FOR EACH ROW SET @x = 1",
		"CREATE TABLE child (id BIGINT PRIMARY KEY, FOREIGN KEY (id) REFERENCES t (id))",
		"ALTER TABLE t ADD COLUMN late INT",
	} {
		h := start(t, addIndex, nil, base, rows(100))
		h.ready()
		h.SQL(change)
		require.True(t, h.next())
		_, err := h.run()
		require.ErrorContains(t, err, "Information schema is changed", change)
		require.False(t, h.exec.IsRetryableErr(err))
		won, err := h.plan.OnDone(t.Context(), h.Task, nil)
		require.NoError(t, err)
		require.False(t, won)
		h.RequireClean()
		h.SQL("DROP TABLE IF EXISTS child")
	}
}

// TestCutoverWaits: an open transaction keeps the cut-over off.
func TestCutoverWaits(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	tx, err := h.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("SELECT * FROM t LIMIT 1 FOR UPDATE")
	require.NoError(t, err)
	require.True(t, h.next())
	s := h.Lease()[0]
	waits := 0
	_, err = h.exec.RunSubtask(t.Context(), h.Task, s, func(s dxf.Summary) {
		if s.Waiting == "" {
			return
		}
		require.Contains(t, s.Waiting, "cut-over waits for a lock on the table")
		if waits++; waits == 2 {
			require.NoError(t, tx.Commit())
		}
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, waits, 1)
	_, err = h.exec.RunSubtask(t.Context(), h.Task, s, nil)
	require.NoError(t, err, "the second run finds it done")
}

// TestC10OpenTransactionsAreNotShot: who has read the table and goes on to write it
// gets no deadlock, however often the cut-over has tried. With LockWait it may.
func TestC10OpenTransactionsAreNotShot(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	require.True(t, h.next())
	begin := func() *sql.Tx {
		tx, err := h.DB.BeginTx(context.WithoutCancel(t.Context()), nil)
		require.NoError(t, err)
		_, err = tx.Exec("SELECT COUNT(*) FROM t WHERE id < 10")
		require.NoError(t, err)
		return tx
	}
	stop, told := make(chan struct{}), make(chan error, 1)
	go func() { // somebody is always between reading and writing
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for tx := begin(); ; {
			<-tick.C
			next := begin()
			_, err := tx.Exec("UPDATE t SET a = a + 1 WHERE id = 1")
			if err = errors.Join(err, tx.Commit()); err != nil {
				_ = next.Rollback()
				told <- err
				return
			}
			tx = next
			select {
			case <-stop:
				told <- tx.Commit()
				return
			default:
			}
		}
	}()
	waits := 0
	_, err := h.exec.RunSubtask(t.Context(), h.Task, h.Lease()[0], func(s dxf.Summary) {
		if s.Waiting == "" {
			return
		}
		if waits++; waits == 5 {
			close(stop)
		}
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, waits, 5)
	require.NoError(t, <-told)
	h.won()
}

// TestCutoverQueues: with LockWait one session stands in the queue for as long as it says.
func TestCutoverQueues(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(200))
	h.exec.LockWait = func(context.Context) time.Duration { return 30 * time.Second }
	h.ready()
	require.True(t, h.next())
	tx, err := h.DB.BeginTx(context.WithoutCancel(t.Context()), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec("DO (SELECT COUNT(*) FROM t)")
	require.NoError(t, err)
	told := make(chan error, 1)
	go func() {
		_, err := h.exec.RunSubtask(t.Context(), h.Task, h.Lease()[0], nil)
		told <- err
	}()
	require.Eventually(t, func() bool {
		return h.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'LOCK TABLES%' AND TIME >= 5") == "1"
	}, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-told)
	h.won()
}

// TestStaleSeal: a seal that an earlier attempt left stops the feed before the
// table is locked. It must not be taken for ours.
func TestStaleSeal(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	_, err := h.feed.Mark(t.Context(), 0, dxf.MarkSeal)
	require.NoError(t, err)
	w := h.write(3, 6_000)
	h.through(backfill.StepCutover)
	w.stop()
}
