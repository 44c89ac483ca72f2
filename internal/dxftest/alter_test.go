package dxftest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAlterJob gives a job other parameters while it runs and while it is
// paused.
func TestAlterJob(t *testing.T) {
	h := newHouse(t, 2)
	admin := h.session(1, "")
	h.run(admin, "SET GLOBAL dxf_native_ddl_max_size = 0")
	uniqueTable(h)
	j := h.startSlow(holdCopy, "ALTER TABLE u ADD INDEX (n, code)")
	task := func(state string) {
		t.Helper()
		require.Eventually(t, func() bool {
			return text(t, admin, "SELECT state FROM mysql.tidb_global_task") == state
		}, 20*time.Second, 10*time.Millisecond, "the task is not %s", state)
	}
	meta := func(name string) string {
		return text(t, admin, "SELECT JSON_VALUE(CONVERT(meta USING utf8mb4), '$."+name+"') FROM mysql.tidb_global_task")
	}
	h.run(
		admin,
		fmt.Sprintf("ADMIN ALTER DDL JOBS %d THREAD = 9, max_write_speed = '2 GiB'", j.id),
		fmt.Sprintf("ADMIN ALTER DDL JOBS %d max_write_speed = '1 GiB'", j.id), // on the heels of the other
	)
	require.Contains(t, h.comments(admin), "thread=9, max_write_speed=1073741824")
	require.Eventually(t, func() bool {
		return meta("thread")+" "+meta("max_write_speed") == "9 1073741824"
	}, 20*time.Second, 10*time.Millisecond)
	task("running")
	require.Equal(t, "successful", ask(t, admin, "PAUSE", j.id))
	task("paused")
	h.run(admin, fmt.Sprintf("ADMIN ALTER DDL JOBS %d BATCH_SIZE = 64", j.id))
	require.Contains(t, h.comments(admin), "batch_size=64")
	require.Eventually(t, func() bool { return meta("batch_size") == "64" }, 20*time.Second, 10*time.Millisecond)
	task("paused")
	require.Equal(t, "successful", ask(t, admin, "RESUME", j.id))
	require.NoError(t, j.release())
	require.Contains(t, h.comments(admin), "thread=9, batch_size=64")
	_, err := admin.ExecContext(t.Context(), fmt.Sprintf("ADMIN ALTER DDL JOBS %d THREAD = 2", j.id))
	refused(t, err, 1105, "HY000", fmt.Sprintf("ddl job %d is not running", j.id))
}
