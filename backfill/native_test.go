package backfill_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/executor/executortest"
)

func viaNative(m *backfill.Meta) { m.Way = backfill.WayNative }

func TestNative(t *testing.T) {
	h := start(t, addIndex, viaNative, base, rows(3_000))
	require.True(t, h.next())
	require.Equal(t, backfill.StepNative, h.Task.Step)
	sum, err := h.run()
	require.NoError(t, err)
	require.EqualValues(t, 3000, sum.RowCount)
	require.Equal(t, "2", h.Query("SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't' AND INDEX_NAME IN ('kb', 'ub')"))
	require.False(t, h.next())
}

// TestNativeTwice: a successor finds the definition there and does nothing.
func TestNativeTwice(t *testing.T) {
	var target string
	h := start(t, addIndex, viaNative, base, rows(3_000))
	require.True(t, h.next())
	s := h.Lease()[0]
	_, err := h.exec.RunSubtask(t.Context(), h.Task, s, nil)
	require.NoError(t, err)
	var name string
	require.NoError(t, h.DB.QueryRow("SHOW CREATE TABLE t").Scan(&name, &target))
	h.meta.Target = target
	task := h.Task
	task.Meta = executortest.MustJSON(t, h.meta)
	_, err = h.exec.RunSubtask(t.Context(), task, s, nil)
	require.NoError(t, err)
	task.Step = backfill.StepNative
	won, err := h.plan.OnDone(t.Context(), task, nil)
	require.NoError(t, err)
	require.True(t, won)
}

func TestNativeDuplicate(t *testing.T) {
	h := start(t, "ALTER TABLE t ADD UNIQUE ua (a)", viaNative, base, rows(3_000))
	require.True(t, h.next())
	_, err := h.run()
	var e *dxf.Error
	require.ErrorAs(t, err, &e)
	require.Regexp(t, `^Duplicate entry '\d+' for key 't\.ua'$`, e.Message)
}

// TestNativeCancel cancels a statement that copies, and one that waits for the table's
// lock at its end, or has given that up and waits until the table is not in use.
func TestNativeCancel(t *testing.T) {
	h := start(t, "ALTER TABLE t ADD INDEX kb (b), ALGORITHM=COPY", viaNative, base, rows(300_000))
	require.True(t, h.next())
	s := h.Lease()[0]
	in := func(state string) bool {
		return h.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE %.`t` ADD%' AND STATE = '"+state+"'") != "0"
	}
	for _, locked := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		var waits atomic.Bool
		done := make(chan error, 1)
		go func() {
			_, err := h.exec.RunSubtask(ctx, h.Task, s, func(s dxf.Summary) { waits.Store(s.Waiting != "") })
			done <- err
		}()
		require.Eventually(t, func() bool { return in("copy to tmp table") }, 30*time.Second, time.Millisecond)
		tx, err := h.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		if locked { // begun after the statement: for an older one it would not begin
			_, err = tx.Exec("SELECT * FROM t LIMIT 1")
			require.NoError(t, err)
			require.Eventually(t, func() bool { return waits.Load() || in("Waiting for table metadata lock") }, 30*time.Second, time.Millisecond)
		}
		begin := time.Now()
		cancel(dxf.ErrCancelled)
		require.ErrorIs(t, <-done, dxf.ErrCancelled)
		require.Less(t, time.Since(begin), 2*time.Second)
		require.Equal(t, "0", h.Query("SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'kb'"))
		require.NoError(t, tx.Rollback())
	}
}

// TestNativeWaits: an old transaction makes it give up and come again, and it
// says who is in its way.
func TestNativeWaits(t *testing.T) {
	h := start(t, "ALTER TABLE t ADD INDEX kb (b)", viaNative, base, rows(100))
	require.True(t, h.next())
	tx, err := h.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var id string
	require.NoError(t, tx.QueryRow("SELECT CONNECTION_ID()").Scan(&id))
	_, err = tx.Exec("UPDATE t SET a = 2 LIMIT 1")
	require.NoError(t, err)
	ended := false
	_, err = h.exec.RunSubtask(t.Context(), h.Task, h.Lease()[0], func(s dxf.Summary) {
		if s.Waiting != "" && !ended && time.Since(h.began) > 2*time.Second {
			ended = true
			require.Contains(t, s.Waiting, "connection "+id)
			require.NoError(t, tx.Commit())
		}
	})
	require.NoError(t, err)
	require.True(t, ended)
}
