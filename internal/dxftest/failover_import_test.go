package dxftest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

// TestImportFailover: the store's address moves in the middle of an import to a replica
// that lacks the last chunks, and the news that a whole file is loaded. Every row comes
// once, or none and a reason, though no key would refuse a second one and nobody counts
// them. The table has a trigger, so that they go into it in one transaction at the end.
func TestImportFailover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := newFailover(t, false, "--import-dir", dir)
	im := &importer{house: f.house, dir: dir}
	execute(t, f.direct, "CREATE TABLE load_t (id INT NOT NULL, n INT, code VARCHAR(20), pad VARCHAR(1000), KEY by_n (n))")
	execute(t, f.direct, "CREATE TRIGGER same BEFORE INSERT ON load_t FOR EACH ROW SET NEW.pad = NEW.pad")
	statement, rows := im.slowFiles()
	r := im.start(1, statement+", checksum_table = 'off'")
	f.fallBehind()
	began := time.Now()
	f.move(false) // the other server answers at once, and has been up as long
	f.primary.Kill()
	<-r.answer // of a connection that is gone

	status := ""
	require.Eventually(t, func() bool {
		status = scan[string](t, f.direct, "SELECT status FROM `"+f.meta+"`.tidb_import_jobs")
		return status == "finished" || status == "failed"
	}, 60*time.Second, 50*time.Millisecond, "the job does not end")
	t.Logf("%s after %v", status, time.Since(began).Round(time.Millisecond))
	if status == "failed" {
		// What a node had told last of a piece came to the new server, and its rows did not.
		rows = 0
		why := scan[string](t, f.direct, "SELECT error_message FROM `"+f.meta+"`.tidb_import_jobs")
		require.Contains(t, why, "into another server than the store is now: run the statement again")
	}
	for _, what := range []string{"DISTINCT id", "*"} {
		require.Equal(t, rows, scan[int](t, f.direct, "SELECT COUNT("+what+") FROM load_t"))
	}
	require.Zero(t, scan[int](t, f.direct, wrongRows))
	im.nothingLeft()
}

// fallBehind lets the replica follow no more once the primary has loaded a file that it has not.
func (f *failover) fallBehind() {
	f.Helper()
	replica := f.open(f.replica, "")
	stop, reset := "STOP SLAVE SQL_THREAD", []string{"STOP SLAVE", "RESET SLAVE ALL"}
	if f.primary.Kind() == mariadbd.MySQL {
		stop, reset = "STOP REPLICA SQL_THREAD", []string{"STOP REPLICA", "RESET REPLICA ALL"}
	}
	saved := "SELECT COUNT(*) FROM `" + f.meta + "`.tidb_background_subtask WHERE step = 1 AND checkpoint IS NOT NULL"
	done := "SELECT COUNT(*) FROM `" + f.meta + "`.tidb_background_subtask WHERE step = 1 AND state = 'succeed'"
	require.Eventually(f, func() bool {
		var n int
		return replica.QueryRowContext(f.Context(), saved).Scan(&n) == nil && n > 0
	}, 30*time.Second, 3*time.Millisecond)
	execute(f.T, replica, stop)
	before := scan[int](f.T, replica, done)
	require.Eventually(f, func() bool { return scan[int](f.T, f.direct, done) > before }, 30*time.Second, 3*time.Millisecond)
	for _, q := range reset {
		execute(f.T, replica, q)
	}
	f.direct = f.open(f.replica, "shop")
}
