package dxftest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExpressions uses our variables in expressions, and our tables by their
// bare names.
func TestExpressions(t *testing.T) {
	h := newHouse(t, 1)
	c := h.session(0, "")
	h.run(c, "SET tidb_ddl_reorg_worker_cnt = 7", "SET GLOBAL tidb_service_scope = 'blue'")
	for _, q := range []struct{ query, column, value string }{
		{"SELECT @@tidb_enable_dist_task = 1", "@@tidb_enable_dist_task = 1", "1"},
		{"SELECT @@tidb_ddl_reorg_worker_cnt + 0 AS n", "n", "7"},
		{"SELECT @@global.tidb_ddl_reorg_worker_cnt + 0", "@@global.tidb_ddl_reorg_worker_cnt + 0", "4"},
		{"SELECT CONCAT(@@tidb_service_scope, 'x''', @@tidb_redact_log) FROM t LIMIT 1", "CONCAT(@@tidb_service_scope, 'x''', @@tidb_redact_log)", "bluex'OFF"},
		{"SELECT id FROM t WHERE b = 'y' AND @@tidb_enable_dist_task ORDER BY @@tidb_enable_dist_task", "id", "2"},
		{"SELECT COUNT(*) FROM t WHERE b < @@tidb_service_scope", "COUNT(*)", "0"},
		{"SELECT @@tidb_redact_log FROM mysql.tidb_ddl_job RIGHT JOIN t ON 1 LIMIT 1", "@@tidb_redact_log", "OFF"},
	} {
		columns, values := firstRow(t, func() (*sql.Rows, error) { return c.QueryContext(t.Context(), q.query) })
		require.Equal(t, []string{q.column}, columns)
		require.Equal(t, q.value, values[0], q.query)
	}
	types, err := c.QueryContext(t.Context(), "SELECT 1, @@tidb_enable_dist_task, @@tidb_ddl_reorg_worker_cnt, @@tidb_service_scope AS s")
	require.NoError(t, err)
	columns, err := types.ColumnTypes()
	require.NoError(t, err)
	require.NoError(t, types.Close())
	require.NoError(t, types.Err())
	var names []string
	for _, col := range columns {
		names = append(names, col.Name()+" "+col.DatabaseTypeName())
	}
	one := "1 INT"
	if !onMariaDB() {
		one = "1 BIGINT"
	}
	require.Equal(t, []string{one, "@@tidb_enable_dist_task BIGINT", "@@tidb_ddl_reorg_worker_cnt UNSIGNED BIGINT", "s VARCHAR"}, names)

	h.run(c, "SET @was = @@tidb_ddl_reorg_worker_cnt", "SET tidb_ddl_reorg_worker_cnt = @@global.tidb_ddl_reorg_worker_cnt + 1, @now = @@tidb_ddl_reorg_worker_cnt")
	require.Equal(t, "7 7 5", text(t, c, "SELECT CONCAT_WS(' ', @was, @now, @@tidb_ddl_reorg_worker_cnt)"))
	_, err = c.ExecContext(t.Context(), "INSERT INTO t (a) SELECT @@session.tidb_enable_dist_task")
	refused(t, err, 1238, "HY000", "")
	stmt, err := c.PrepareContext(t.Context(), "SELECT @@tidb_ddl_reorg_worker_cnt + ?")
	require.NoError(t, err)
	var n int
	require.NoError(t, stmt.QueryRowContext(t.Context(), 10).Scan(&n))
	require.Equal(t, 15, n)
	require.NoError(t, stmt.Close())

	// A table of the client's own is its own, whatever its name.
	h.run(c, "ALTER TABLE t ADD INDEX ia (a)", "CREATE TABLE tidb_ddl_history (mine INT)", "INSERT INTO tidb_ddl_history VALUES (42)")
	require.Equal(t, "42", text(t, c, "SELECT mine FROM tidb_ddl_history"))
	require.NotEqual(t, "42", text(t, c, "SELECT job_id FROM mysql.tidb_ddl_history ORDER BY job_id LIMIT 1"))
	h.run(c, "USE mysql")
	require.Equal(t, "ia", text(t, c, "SELECT REGEXP_SUBSTR(CONVERT(job_meta USING utf8mb4), 'ia') FROM tidb_ddl_history WHERE TIDB_DDL_HISTORY.table_name = 't' AND job_id = (SELECT MIN(job_id) FROM tidb_ddl_history)"))
	require.Equal(t, "host", text(t, c, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME = 'dist_framework_meta' AND TABLE_SCHEMA = ? ORDER BY ORDINAL_POSITION LIMIT 1", h.meta))
	require.Equal(t, h.nodes[0].Addr, text(t, c, "SELECT m.host FROM user u, dist_framework_meta m LIMIT 1"))
	h.run(c, "USE information_schema")
	require.Equal(t, "synced", text(t, c, "SELECT STATE FROM DDL_JOBS WHERE TABLE_NAME = 't' ORDER BY JOB_ID DESC LIMIT 1"))
}
