package dxftest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

var errNotThere = errors.New("not there")

// waitingJob waits until the one unfinished job is in a state, and returns its id.
func (h *house) waitingJob(state string) (id int64) {
	h.Helper()
	last := errNotThere
	require.Eventually(h, func() bool {
		var is string
		last = h.direct.QueryRowContext(h.Context(), "SELECT job_id, JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.state') FROM `"+h.meta+"`.tidb_ddl_job").Scan(&id, &is)
		return last == nil && is == state
	}, 20*time.Second, 5*time.Millisecond, "no job is %s", state)
	return id
}

// blocked runs what against an ALTER that waits: a transaction has the table.
func (h *house) blocked(what func(s *sql.Conn, id int64, cancel func()), end func(err error)) {
	t := h.T
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tx, err := h.direct.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer tx.Rollback()
	var n int
	require.NoError(t, tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM t").Scan(&n))
	s := h.session(0, "")
	h.run(s, "SET wait_timeout = 3") // a client that waits is not idle
	stmtCtx, stop := context.WithCancel(ctx)
	defer stop()
	answered := make(chan error, 1)
	go func() {
		_, err := s.ExecContext(stmtCtx, "ALTER TABLE t ADD INDEX waits (a)")
		answered <- err
	}()
	id := h.waitingJob("running")
	what(s, id, stop)
	var answer error
	select {
	case answer = <-answered:
	case <-time.After(5 * time.Second): // it is the table that it waits for
		require.NoError(t, tx.Rollback())
		select {
		case answer = <-answered:
		case <-ctx.Done():
			require.FailNow(t, "the client was not answered")
		}
	}
	_ = tx.Rollback()
	end(answer)
	h.nothingLeft()
}

// TestWaitingClient does to clients that wait for a job what happens to them.
func TestWaitingClient(t *testing.T) {
	h := newHouse(t, 2)
	execute(t, h.direct, "INSERT INTO t (a, b) SELECT seq, seq FROM "+mariadbdtest.Numbers(5000))
	other := h.session(1, "")
	has := func(t *testing.T) bool {
		return strings.Contains(h.definitions(), "KEY `waits`")
	}
	lastJob := func(t *testing.T) string {
		return text(t, other, "SELECT state FROM information_schema.ddl_jobs WHERE job_type = 'add index' ORDER BY job_id DESC LIMIT 1")
	}
	for _, way := range []struct{ name, set string }{
		{"native", "SET GLOBAL dxf_native_ddl_max_size = DEFAULT"},
		{"distributed", "SET GLOBAL dxf_native_ddl_max_size = 0"},
	} {
		t.Run(way.name, func(t *testing.T) {
			h.run(other, way.set)
			defer h.run(other, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT")
			t.Run("KILL QUERY", func(t *testing.T) {
				h := h.in(t)
				var conn string
				h.in(t).blocked(func(s *sql.Conn, id int64, _ func()) {
					conn = scan[string](t, h.direct, "SELECT JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.conn_id') FROM `"+h.meta+"`.tidb_ddl_job WHERE job_id = ?", id)
					killer := h.session(0, "")
					h.run(killer, "KILL QUERY "+conn)
				}, func(err error) {
					refused(t, err, 1317, "70100", "Query execution was interrupted")
				})
				require.False(t, has(t))
				require.Contains(t, []string{"rollback done", "cancelled"}, lastJob(t))
			})
			t.Run("ADMIN CANCEL on another node", func(t *testing.T) {
				h.in(t).blocked(func(_ *sql.Conn, id int64, _ func()) {
					var job, result string
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN CANCEL DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, "successful", result)
				}, func(err error) {
					refused(t, err, 8214, "HY000", "Cancelled DDL job")
				})
				require.False(t, has(t))
			})
			t.Run("KILL QUERY on another node", func(t *testing.T) {
				h := h.in(t)
				h.blocked(func(_ *sql.Conn, id int64, _ func()) {
					conn := scan[string](t, h.direct, "SELECT JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.conn_id') FROM `"+h.meta+"`.tidb_ddl_job WHERE job_id = ?", id)
					h.run(other, "KILL QUERY "+conn)
				}, func(err error) {
					refused(t, err, 8214, "HY000", "Cancelled DDL job")
				})
				require.False(t, has(t))
			})
			t.Run("client leaves", func(t *testing.T) {
				h.in(t).blocked(func(_ *sql.Conn, id int64, leave func()) {
					_, err := other.ExecContext(t.Context(), "ALTER TABLE t ADD INDEX WAITS (a)")
					refused(t, err, 1061, "42000", fmt.Sprintf("index already exist WAITS; a background job is trying to add the same index, please check by `ADMIN SHOW DDL JOBS` (job %d)", id))
					leave()
				}, func(err error) {
					require.ErrorIs(t, err, context.Canceled)
				})
				require.True(t, has(t), "the job goes on")
				require.Equal(t, "synced", lastJob(t))
				execute(t, h.direct, "ALTER TABLE t DROP INDEX waits")
			})
			t.Run("PAUSE and RESUME", func(t *testing.T) {
				h.in(t).blocked(func(_ *sql.Conn, id int64, _ func()) {
					var job, result string
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN PAUSE DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, "successful", result)
					h.waitingJob("paused")
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN PAUSE DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, fmt.Sprintf("error: [ddl:8262]Job [%d] has already been paused", id), result)
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN RESUME DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, "successful", result)
				}, func(err error) { require.NoError(t, err) })
				require.True(t, has(t))
				execute(t, h.direct, "ALTER TABLE t DROP INDEX waits")
			})
		})
	}
}
