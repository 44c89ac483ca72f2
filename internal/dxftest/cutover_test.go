package dxftest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// ask gives an ADMIN command for a job and returns what its row says.
func ask(t *testing.T, c *sql.Conn, what string, id int64) (result string) {
	t.Helper()
	var job string
	require.NoError(t, c.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN %s DDL JOBS %d", what, id)).Scan(&job, &result))
	require.Equal(t, fmt.Sprint(id), job)
	return result
}

// untilPaused waits until the one task there is stands still.
func (h *house) untilPaused(c *sql.Conn) {
	h.Helper()
	require.Eventually(h, func() bool {
		return text(h.T, c, "SELECT state FROM mysql.tidb_global_task") == "paused"
	}, 20*time.Second, 10*time.Millisecond)
}

// TestCutoverWaits: a client's transaction keeps the table from being renamed.
// The job can be cancelled and paused all the same, and goes on where it was.
func TestCutoverWaits(t *testing.T) {
	h := newHouse(t, 2)
	admin := h.session(1, "")
	h.run(admin, "SET GLOBAL dxf_native_ddl_max_size = 0")

	paused := func(t *testing.T, j *slow) {
		t.Helper()
		require.Equal(t, "successful", ask(t, admin, "PAUSE", j.id))
		h.in(t).untilPaused(admin)
	}
	for _, how := range []string{"cancelled", "killed", "paused and cancelled"} {
		t.Run(how, func(t *testing.T) {
			h := h.in(t)
			definition, checksum := uniqueTable(h)
			j := h.startSlow(holdCutover, addUnique)
			if how == "paused and cancelled" {
				paused(t, j)
			}
			began := time.Now()
			told := uint16(8214)
			if how == "killed" {
				told = 1317
				h.run(h.session(0, ""), fmt.Sprintf("KILL QUERY %d", scan[int64](t, h.direct, "SELECT JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.conn_id') FROM `"+h.meta+"`.tidb_ddl_job")))
			} else {
				require.Equal(t, "successful", ask(t, admin, "CANCEL", j.id))
			}
			err := j.wait() // without the table
			took := time.Since(began)
			t.Logf("%s after %v", how, took.Round(time.Millisecond))
			var e *mysql.MySQLError
			require.ErrorAs(t, err, &e)
			require.Equal(t, told, e.Number, e.Message)
			require.Less(t, took, 10*time.Second)
			h.rolledBack(definition, checksum)
			h.run(j.holder, j.hold.end)
		})
	}

	t.Run("paused and resumed", func(t *testing.T) {
		h := h.in(t)
		uniqueTable(h)
		j := h.startSlow(holdCutover, addUnique)
		paused(t, j)
		execute(t, h.direct, "INSERT INTO u (id, code, n) VALUES (9000, 'c9000', 5)")
		execute(t, h.direct, "DELETE FROM u WHERE id = 3")
		h.run(j.holder, j.hold.end)
		execute(t, h.direct, "UPDATE u SET n = 77 WHERE id = 4")
		checksum := h.checksum("u")
		require.Equal(t, "successful", ask(t, admin, "RESUME", j.id))
		require.NoError(t, j.wait())
		require.Equal(t, "synced", h.state())
		h.nothingLeft()
		require.Contains(t, h.definition("u"), "UNIQUE KEY `uc` (`code`)")
		require.Equal(t, checksum, h.checksum("u"))
	})
}

// TestCutoverRace cancels jobs, and pauses others, around the moment of their
// rename, while rows come in. Whatever a client is told is so, and no row is lost.
func TestCutoverRace(t *testing.T) {
	h := newHouse(t, 2)
	admin := h.session(1, "")
	h.run(admin, "SET GLOBAL dxf_native_ddl_max_size = 0")
	meta := "`" + h.meta + "`"
	ends := make(map[string]int)
	for i := range 9 {
		definition, _ := uniqueTable(h)
		ctx, stop := context.WithCancel(t.Context())
		written := make(chan int, 1)
		writer, client := h.session(0, ""), h.session(0, "")
		go func() {
			n := 0
			for ctx.Err() == nil {
				if _, err := writer.ExecContext(context.WithoutCancel(ctx), "INSERT INTO u (code, n) VALUES (UUID_SHORT(), 5)"); err != nil {
					n = -1
					break
				}
				n++
			}
			written <- n
		}()
		answer := make(chan error, 1)
		go func() {
			_, err := client.ExecContext(context.WithoutCancel(ctx), addUnique)
			answer <- err
		}()
		require.Eventually(t, func() bool {
			var n int
			err := h.direct.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+meta+".tidb_global_task WHERE step = 4").Scan(&n)
			return err == nil && n > 0
		}, 30*time.Second, time.Millisecond)
		id := scan[int64](t, h.direct, "SELECT COALESCE(MAX(job_id), 0) FROM "+meta+".tidb_ddl_job")
		if id == 0 {
			id = scan[int64](t, h.direct, "SELECT MAX(job_id) FROM "+meta+".tidb_ddl_history")
		}
		moment := time.NewTimer(time.Duration(i*i) * 4 * time.Millisecond)
		<-moment.C
		what := []string{"CANCEL", "CANCEL", "PAUSE"}[i%3]
		result := ask(t, admin, what, id)
		if what == "PAUSE" && result == "successful" {
			h.untilPaused(admin)
			require.Equal(t, "successful", ask(t, admin, "RESUME", id))
		}
		err := <-answer
		stop()
		rows := <-written
		require.Positive(t, rows, "rows written meanwhile")

		state := h.state()
		ends[state+", "+what+" "+result[:10]]++
		switch state {
		case "synced":
			require.NoError(t, err)
			require.Contains(t, h.definition("u"), "UNIQUE KEY `uc` (`code`)")
		default:
			require.Equal(t, "rollback done", state)
			require.Equal(t, "CANCEL successful", what+" "+result)
			refused(t, err, 8214, "HY000", "Cancelled DDL job")
			require.Equal(t, definition, h.definition("u"))
		}
		require.Equal(t, uniqueRows+rows, scan[int](t, h.direct, "SELECT COUNT(*) FROM u"))
		h.nothingLeft()
	}
	t.Log(ends)
	require.Positive(t, ends["rollback done, CANCEL successful"], "cancelled before the rename")
}
