package dxftest

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWhatClientsRead reads the framework through both nodes.
func TestWhatClientsRead(t *testing.T) {
	h := newHouse(t, 2)
	one, two := h.session(0, ""), h.session(1, "")

	t.Run("variables of the other node", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET GLOBAL tidb_ddl_reorg_worker_cnt = 9")
		require.Equal(t, "9", text(t, two, "SELECT @@global.tidb_ddl_reorg_worker_cnt"))
		require.Equal(t, "4", text(t, two, "SELECT @@tidb_ddl_reorg_worker_cnt"), "sessions that are there keep their value")
		require.Eventually(t, func() bool {
			return text(t, h.session(1, ""), "SELECT @@tidb_ddl_reorg_worker_cnt") == "9"
		}, 30*time.Second, 100*time.Millisecond)
		h.run(two, "SET GLOBAL tidb_ddl_reorg_worker_cnt = DEFAULT")
		require.Equal(t, "4", text(t, one, "SELECT @@global.tidb_ddl_reorg_worker_cnt"))
	})
	t.Run("service scope is a node's own", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET GLOBAL tidb_service_scope = 'Background'")
		require.Equal(t, "", text(t, two, "SELECT @@global.tidb_service_scope"))
		require.Equal(t, "background", text(t, two, "SELECT role FROM mysql.dist_framework_meta WHERE host = ?", h.nodes[0].Addr))
		h.run(one, "SET GLOBAL tidb_service_scope = ''")
	})
	t.Run("scopes mixed", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET @u = 3", "SET SESSION tidb_ddl_reorg_batch_size = 64, GLOBAL tidb_ddl_reorg_batch_size = 128, sort_buffer_size = 300000, @@local.tidb_ddl_reorg_worker_cnt = @u + 4")
		require.Equal(t, "64", text(t, one, "SELECT @@tidb_ddl_reorg_batch_size"))
		require.Equal(t, "128", text(t, two, "SELECT @@global.tidb_ddl_reorg_batch_size"))
		require.Equal(t, "300000", text(t, one, "SELECT @@sort_buffer_size"))
		h.run(one, "SET GLOBAL tidb_ddl_reorg_batch_size = DEFAULT")
		require.Equal(t, "256", text(t, two, "SELECT @@global.tidb_ddl_reorg_batch_size"))
	})
	t.Run("jobs", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET GLOBAL dxf_native_ddl_max_size = 0")
		defer h.run(one, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT")
		h.run(one, "ALTER TABLE t ADD INDEX seen (a)")
		archived(t, h.direct, h.meta)
		require.Equal(t, "succeed", text(t, two, "SELECT state FROM mysql.tidb_global_task_history ORDER BY id DESC LIMIT 1"))
		require.Equal(t, "succeed", text(t, two, "SELECT state FROM mysql.tidb_global_task_history WHERE id > ? ORDER BY id DESC LIMIT 1", 0), "prepared")
		require.Equal(t, "add index|synced|3", text(t, two, "SELECT CONCAT_WS('|', job_type, state, row_count) FROM information_schema.ddl_jobs WHERE db_name = ? AND table_name = 't' ORDER BY job_id DESC LIMIT 1", h.schema))
		require.Equal(t, "0", text(t, two, "SELECT COUNT(*) FROM mysql.tidb_global_task"))
		p, err := two.PrepareContext(t.Context(), "ADMIN SHOW DDL JOBS 1")
		require.NoError(t, err)
		defer p.Close()
		cols, vals := firstRow(t, func() (*sql.Rows, error) { return p.QueryContext(t.Context()) })
		require.Len(t, cols, 13)
		require.Equal(t, "add index", vals[3])
		require.Equal(t, "synced", vals[11])
	})
	t.Run("DDL that is not a job", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "ALTER TABLE t ADD COLUMN z INT", "DROP TABLE IF EXISTS nope")
		if onMariaDB() {
			h.run(one, "ALTER TABLE t DROP COLUMN IF EXISTS nope")
		}
		require.Eventually(t, func() bool { // the other node sees it a moment later
			return text(t, two, "SELECT CONCAT_WS('|', job_type, state, schema_state) FROM information_schema.ddl_jobs "+
				"ORDER BY job_id DESC LIMIT 1") == "add column|synced|public"
		}, 5*time.Second, 5*time.Millisecond)
		_, err := one.ExecContext(t.Context(), "ALTER TABLE t DROP COLUMN nope")
		refused(t, err, 1091, "42000", "")
		require.Equal(t, "add column", text(t, two, "SELECT job_type FROM information_schema.ddl_jobs ORDER BY job_id DESC LIMIT 1"))
	})
	t.Run("notes", func(t *testing.T) { h.in(t).readNotes(one) })
	h.nothingLeft()
}

// readNotes alters a table that cannot be copied, and reads why.
func (h *house) readNotes(one *sql.Conn) {
	t := h.T
	h.run(one, "SET GLOBAL dxf_native_ddl_max_size = 0")
	defer h.run(one, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT")
	h.run(one, "CREATE TABLE nokey (a INT)", "INSERT INTO nokey VALUES (1)", "ALTER TABLE nokey ADD INDEX i (a)")
	var level, code, message string
	require.NoError(t, one.QueryRowContext(t.Context(), "SHOW WARNINGS").Scan(&level, &code, &message))
	require.Equal(t, "Note", level)
	require.Contains(t, message, "cannot be copied online")
	require.Equal(t, "1", text(t, one, "SHOW COUNT(*) WARNINGS"))
	h.run(one, "DO 1")
	require.ErrorIs(t, one.QueryRowContext(t.Context(), "SHOW WARNINGS").Scan(&level, &code, &message), sql.ErrNoRows)
	if !onMariaDB() {
		return
	}
	h.run(one, "ALTER TABLE nokey ADD INDEX IF NOT EXISTS i (a)")
	require.NoError(t, one.QueryRowContext(t.Context(), "SHOW WARNINGS").Scan(&level, &code, &message))
	require.Equal(t, "Note 1061", level+" "+code)
}
