package backfill_test

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// insertEvery writes to t and returns how long the slowest of it took.
func insertEvery(t *testing.T, db *sql.DB, statement string) (slowest func() time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	var worst atomic.Int64
	done := make(chan error, 1)
	go func() {
		thinks := time.NewTicker(2 * time.Millisecond)
		defer thinks.Stop()
		for ; ; <-thinks.C {
			began := time.Now()
			_, err := db.ExecContext(context.WithoutCancel(ctx), statement)
			worst.Store(max(worst.Load(), int64(time.Since(began))))
			if err != nil || ctx.Err() != nil {
				done <- err
				return
			}
		}
	}()
	return func() time.Duration {
		stop()
		require.NoError(t, <-done)
		return time.Duration(worst.Load())
	}
}

// TestNativeStallsNobody: while an old transaction uses the table the store's own DDL
// does not ask for its lock, for everybody would stand behind it.
func TestNativeStallsNobody(t *testing.T) {
	h := start(t, "ALTER TABLE t ADD INDEX kb (b)", viaNative, base, rows(100))
	require.True(t, h.next())
	tx, err := h.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("SELECT * FROM t LIMIT 1")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return h.Query("SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())), 0) FROM information_schema.INNODB_TRX") >= "2"
	}, 10*time.Second, 10*time.Millisecond, "an old transaction")
	slowest := insertEvery(t, h.DB, "INSERT INTO t (a) VALUES (7)")
	waits := time.Time{}
	_, err = h.exec.RunSubtask(t.Context(), h.Task, h.Lease()[0], func(s dxf.Summary) {
		switch {
		case strings.Contains(s.Waiting, "not in use") && waits.IsZero():
			waits = time.Now()
			time.AfterFunc(2*time.Second, func() { _ = tx.Commit() })
		}
	})
	require.NoError(t, err)
	require.False(t, waits.IsZero(), "nobody was told")
	require.Greater(t, time.Since(waits), 1900*time.Millisecond)
	require.Less(t, slowest(), 700*time.Millisecond)
}

// TestCutoverWaitsForXA: an XA transaction whose session is gone has used the table. The
// cut-over waits, the table's clients do not, and one of another table is nothing to it.
func TestCutoverWaitsForXA(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(500))
	h.ready()
	require.True(t, h.next())
	for _, name := range []string{"other", "t"} {
		if name == "other" {
			h.SQL("CREATE TABLE other LIKE t")
		}
		client, err := h.DB.Conn(t.Context())
		require.NoError(t, err)
		var id string
		require.NoError(t, client.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id))
		for _, q := range []string{"XA START '" + name + "'", "INSERT INTO " + name + " (a) VALUES (99)", "XA END '" + name + "'", "XA PREPARE '" + name + "'"} {
			_, err := client.ExecContext(t.Context(), q)
			require.NoError(t, err, q)
		}
		h.SQL("KILL " + id)
		client.Close()
		require.Eventually(t, func() bool {
			return h.Query("SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = "+id) == "0" &&
				h.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = "+id) == "0"
		}, 10*time.Second, 5*time.Millisecond)
	}
	slowest := insertEvery(t, h.DB, "UPDATE t SET a = a + 1 ORDER BY id LIMIT 1")
	var waits atomic.Int64
	_, err := h.exec.RunSubtask(t.Context(), h.Task, h.Lease()[0], func(s dxf.Summary) {
		if strings.Contains(s.Waiting, "prepared XA transaction") && waits.CompareAndSwap(0, time.Now().UnixNano()) {
			time.AfterFunc(time.Second, func() { h.SQL("XA ROLLBACK 't'") })
		}
	})
	require.NoError(t, err)
	require.NotZero(t, waits.Load(), "nobody was told")
	require.Less(t, slowest(), 900*time.Millisecond)
	h.SQL("XA ROLLBACK 'other'")
	_, err = h.plan.OnDone(t.Context(), h.Task, nil)
	require.NoError(t, err)
}
