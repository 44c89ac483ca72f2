package dxftest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestC2LogBin: while a job runs, no session of a node may take its changes out of the
// binlog; before and afterwards it may, and it may always put them in again.
func TestC2LogBin(t *testing.T) {
	h := newHouse(t, 2)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	uniqueTable(h)
	c := h.session(1, "")
	off := []string{
		"SET sql_log_bin = 0", "set session Sql_Log_Bin = off", "SET @@session.sql_log_bin := FALSE", "SET autocommit = 1, @@sql_log_bin = 'OFF'",
		"SET SESSION sql_log_bin = @off", "SET tidb_ddl_reorg_worker_cnt = 4, sql_log_bin = 1 - 1",
	}
	on := []string{"SET sql_log_bin = 1", "SET SESSION sql_log_bin = ON", "SET sql_log_bin = @on", "SET @sql_log_bin = 0", "SET sql_log_bin = @@sql_log_bin"}
	h.run(c, "SET @on = 1, @off = 0")
	h.run(c, off...)
	h.run(c, on...)
	j := h.startSlow(holdCopy, addUnique)
	h.run(c, on...)
	for _, q := range off {
		_, err := c.ExecContext(t.Context(), q)
		refused(t, err, 1105, "HY000", "sql_log_bin cannot be set to OFF while a job runs: what this session changed would be missing in the copy of the job's table (ADMIN SHOW DDL JOBS)")
	}
	p, err := c.PrepareContext(t.Context(), "SET sql_log_bin = 0")
	require.NoError(t, err)
	_, err = p.ExecContext(t.Context())
	refused(t, err, 1105, "HY000", "")
	require.Equal(t, "1", text(t, c, "SELECT @@sql_log_bin"))
	require.NoError(t, j.release())
	h.nothingLeft()
	_, err = p.ExecContext(t.Context())
	require.NoError(t, err)
	require.Equal(t, "0", text(t, c, "SELECT @@sql_log_bin"))
}
