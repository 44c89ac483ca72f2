package dxftest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// TestReplay has a witness who knows nothing of us: a replica of the store that
// replays every committed write to sysbench's table from the binlog, but not the
// making of the shadow and the exchange of names. While sysbench writes through
// one node, an index is added through another; at the end both servers must hold
// the same rows.
//
// DXFPROXY_REPLAY_ROWS makes it larger than in CI, DXFPROXY_REPLAY_SECONDS a run of
// sysbench longer.
func TestReplay(t *testing.T) {
	rows, seconds := setting(t, "DXFPROXY_REPLAY_ROWS", 60_000), setting(t, "DXFPROXY_REPLAY_SECONDS", 4)
	sysbench := program(t, "sysbench")
	dir := clustertest.TempDir(t)
	serve := func(name string, options ...string) (*mariadbd.Server, *sql.DB) {
		s, err := mariadbd.Start(t.Context(), mariadbd.Config{DataDir: filepath.Join(dir, name), BufferPool: max(512<<20, int64(rows)<<10), Relaxed: true, Options: options})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Stop(context.WithoutCancel(t.Context()))) })
		db, err := sql.Open("mysql", s.DSN())
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return s, db
	}
	primary, direct := serve("primary")
	// A statement is left out when one of its tables is: that goes for our RENAME.
	_, replica := serve("replica", "server-id=2", `replicate-wild-ignore-table=%.%\_\_dxf%`, `replicate-wild-ignore-table=dxf.%`)
	execute(t, replica, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %d, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos", primary.Port()))
	execute(t, replica, "START SLAVE")

	c := clustertest.Start(t, mariadbdtest.StoreDSN(t, primary, "dxf"), 3)
	host, port, err := net.SplitHostPort(c.Nodes[0].Addr)
	require.NoError(t, err)
	args := func(more ...string) []string {
		return append([]string{
			"oltp_read_write", "--db-driver=mysql", "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=root", "--mysql-db=sbtest",
			"--tables=1", "--table-size=" + strconv.Itoa(rows), "--threads=4", "--mysql-ignore-errors=none", "--report-interval=0",
		}, more...)
	}
	client := open(t, c.Nodes[1])
	execute(t, client, "SET GLOBAL dxf_native_ddl_max_size = 0")
	execute(t, direct, "CREATE DATABASE sbtest")
	output(t, sysbench, args("prepare")...)
	execute(t, direct, "ALTER TABLE sbtest.sbtest1 ADD INDEX by_c (c), ADD INDEX by_pad (pad(20), k)")

	alterUnderRuns(t, client, sysbench, args("--time="+strconv.Itoa(seconds), "run"))
	copiedByAll(t, direct)

	position := scan[string](t, direct, "SELECT @@gtid_binlog_pos")
	require.Zero(t, scan[int](t, replica, "SELECT MASTER_GTID_WAIT(?, 300)", position), "the replica has replayed everything")
	require.Equal(t, 1, scan[int](t, direct, "SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics WHERE table_schema = 'sbtest' AND index_name = 'added'"))
	require.Zero(t, scan[int](t, replica, "SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics WHERE table_schema = 'sbtest' AND index_name = 'added'"),
		"the replica has the table as it was, not our copy")
	t.Logf("%d rows are the same on both, compared one by one", sameRows(t, direct, replica, "SELECT id, k, c, pad FROM sbtest.sbtest1 ORDER BY id"))
	checkTable(t, direct, "sbtest.sbtest1")
}

// alterUnderRuns adds an index while sysbench runs, one run after another, until one has
// begun before the job ended and ended after it.
func alterUnderRuns(t *testing.T, client *sql.DB, sysbench string, args []string) {
	t.Helper()
	added, done := make(chan struct{}), make(chan []string, 1)
	go func() {
		var runs []string
		for over := false; !over; {
			out, err := exec.CommandContext(t.Context(), sysbench, args...).CombinedOutput()
			runs = append(runs, fmt.Sprintf("%s%v", out, err))
			select {
			case <-added:
				over = true
			default:
				over = err != nil
			}
		}
		done <- runs
	}()
	began := time.Now()
	_, failed := client.ExecContext(t.Context(), "ALTER TABLE sbtest.sbtest1 ADD INDEX added (c(30), k)")
	took := time.Since(began)
	close(added)
	for _, out := range <-done {
		require.NotContains(t, out, "FATAL")
		require.Regexp(t, `(?s)ignored errors: +0 .*reconnects: +0 .*<nil>$`, out)
		t.Logf("index added in %s\n%s", took, out)
	}
	require.NoError(t, failed)
}

// copiedByAll demands that each of the three nodes copied rows in the last job.
func copiedByAll(t *testing.T, direct *sql.DB) {
	t.Helper()
	archived(t, direct, "dxf")
	copied, err := direct.Query(`SELECT exec_id, SUM(JSON_VALUE(CONVERT(summary USING utf8mb4), '$.row_count')) FROM dxf.tidb_background_subtask_history
		WHERE step = 1 AND task_key = (SELECT MAX(id) FROM dxf.tidb_global_task_history) GROUP BY exec_id`)
	require.NoError(t, err)
	defer copied.Close()
	nodes := 0
	for ; copied.Next(); nodes++ {
		var node string
		var n float64
		require.NoError(t, copied.Scan(&node, &n))
		t.Logf("%s copied %.0f rows", node, n)
		require.Positive(t, n)
	}
	require.NoError(t, copied.Err())
	require.Equal(t, 3, nodes, "all nodes ran copy subtasks")
}

// sameRows demands that a query answers the same rows in the same order on both
// servers, and returns how many.
func sameRows(t *testing.T, a, b *sql.DB, query string) (n int) {
	t.Helper()
	var both [2]*sql.Rows
	for i, db := range []*sql.DB{a, b} {
		rows, err := db.QueryContext(t.Context(), query) //nolint:rowserrcheck // it is, of both, below
		require.NoError(t, err)
		defer rows.Close()
		both[i] = rows
	}
	for ; ; n++ {
		more := both[0].Next()
		require.Equal(t, more, both[1].Next(), "one of them ends after %d rows", n)
		if !more {
			break
		}
		var left, right [4]string
		require.NoError(t, both[0].Scan(&left[0], &left[1], &left[2], &left[3]))
		require.NoError(t, both[1].Scan(&right[0], &right[1], &right[2], &right[3]))
		if left != right {
			require.Equal(t, left, right)
		}
	}
	require.NoError(t, both[0].Err())
	require.NoError(t, both[1].Err())
	require.NotZero(t, n)
	return n
}

// setting reads an environment variable.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}
