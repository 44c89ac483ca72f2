package dxftest

import (
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// TestC13BinlogFormat: somebody sets binlog_format to STATEMENT while a job copies. New
// sessions of nodes, which may not set it for themselves, write statements then. The job
// ends and leaves nothing, and its statement can be run again.
func TestC13BinlogFormat(t *testing.T) {
	h := newHouse(t, 2)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	definition, checksum := uniqueTable(h)
	j := h.startSlow(holdCopy, addUnique)
	t.Cleanup(func() { _, _ = h.direct.Exec("SET GLOBAL binlog_format = ROW") })
	execute(t, h.direct, "SET GLOBAL binlog_format = STATEMENT")
	for _, id := range h.sessions() {
		_, _ = h.direct.ExecContext(t.Context(), "KILL ?", id)
	}
	err := j.wait()
	var told *mysql.MySQLError
	require.ErrorAs(t, err, &told)
	t.Log(told)
	require.Contains(t, told.Message, "binlog_format is STATEMENT")
	h.rolledBack(definition, checksum)

	h.run(j.holder, j.hold.end)
	client := h.session(1, "")
	h.run(client, addUnique)
	require.Equal(t, "synced", h.state())
	h.nothingLeft()
	require.Contains(t, h.definition("u"), "UNIQUE KEY `uc` (`code`)")

	execute(t, h.direct, "SET GLOBAL binlog_format = ROW") // and no session of a node is still of before
	h.run(client, "ALTER TABLE u ADD INDEX again (code, n)")
	note := "SELECT JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.note') IS NULL FROM `" + h.meta + "`.tidb_ddl_history ORDER BY job_id DESC LIMIT 1"
	require.True(t, scan[bool](t, h.direct, note), "a job of the store's own DDL")
	h.nothingLeft()
	require.Equal(t, checksum, h.checksum("u"))
}

// sessions are the connections of the nodes' own accounts.
func (h *house) sessions() (ids []int64) {
	h.Helper()
	rows, err := h.direct.QueryContext(h.Context(), "SELECT ID FROM information_schema.PROCESSLIST WHERE USER LIKE CONCAT(LEFT(?, 17), '%')", h.meta)
	require.NoError(h, err)
	defer rows.Close()
	for rows.Next() {
		var id int64
		require.NoError(h, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(h, rows.Err())
	return ids
}
