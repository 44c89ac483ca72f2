package dxftest

import (
	"context"
	"database/sql"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster"
	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/internal/cluster/wire"
	"dxfproxy/internal/workload"
	"dxfproxy/mariadbd/mariadbdtest"
)

// farCluster is nodes that reach the store through a proxy only.
func farCluster(t *testing.T, nodes int) (*cluster.Cluster, *wire.Wire) {
	t.Helper()
	p, err := wire.Listen(srv.Addr())
	require.NoError(t, err)
	t.Cleanup(p.Close)
	dsn := mariadbdtest.StoreDSN(t, srv, metaSchema(t))
	mc, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	return clustertest.Start(t, strings.Replace(dsn, mc.Addr, p.Addr(), 1), nodes, "--meta-schema", metaSchema(t)), p
}

// swallowedFor is how long a job may take whose nodes have lost all their connections: some
// four seconds for those in use, a lease where one was lost, and the rest of the work.
const swallowedFor = 45 * time.Second

// TestC4SwallowedPacketsOfAJob: all connections of all nodes to the store die without a word, while
// the job copies and while it builds, under load. It goes on.
func TestC4SwallowedPacketsOfAJob(t *testing.T) {
	schema, direct := mariadbdtest.Schema(t, srv)
	c, p := farCluster(t, 2)
	table := workload.Table{Schema: schema, Name: "orders", Rows: 60_000, Seed: 1}
	require.NoError(t, table.Create(t.Context(), direct, nil))
	load := workload.Start(t.Context(), workload.Config{Table: table, DSNs: []string{srv.DSN()}, Writers: 2, Pause: 5 * time.Millisecond, Seed: 1})
	defer load.Stop()
	db := open(t, c.Nodes[0])
	execute(t, db, "SET GLOBAL dxf_native_ddl_max_size = 0")
	client, err := open(t, c.Nodes[0]).Conn(t.Context())
	require.NoError(t, err)
	_, err = client.ExecContext(t.Context(), "SET wait_timeout = 3") // so often its session at the store is spoken to
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() {
		_, err := client.ExecContext(context.WithoutCancel(t.Context()), "ALTER TABLE "+table.Quoted()+" ADD INDEX by_day (created_at)")
		answer <- err
	}()
	meta := "`" + metaSchema(t) + "`."
	at := func() (step int) {
		var n sql.NullInt64
		_ = direct.QueryRowContext(t.Context(), "SELECT MAX(step) FROM "+meta+"tidb_background_subtask WHERE state = 'running'").Scan(&n)
		return int(n.Int64)
	}
	for step := 1; step <= 2; step++ {
		require.Eventually(t, func() bool { return at() >= step || ended(t, direct, meta) }, swallowedFor, 2*time.Millisecond)
		t.Logf("step %d: %d connections are dead", at(), p.Swallow())
	}
	began := time.Now()
	require.Eventually(t, func() bool { return ended(t, direct, meta) }, swallowedFor, 50*time.Millisecond, "the job stands still")
	t.Logf("ended %s later", time.Since(began).Round(100*time.Millisecond))
	refused(t, <-answer, 1927, "08S01", "Lost connection to the store behind dxfproxy during query; job 1 goes on")
	require.Eventually(t, func() bool { // C15
		return scan[int](t, direct, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'") == 0
	}, 15*time.Second, 50*time.Millisecond, "the server reads its binlog to nobody")
	require.NoError(t, load.Stop())
	t.Logf("slowest write: %s", load.Stats().MaxLatency)
	rep, err := load.Verify(t.Context(), direct)
	require.NoError(t, err)
	require.True(t, rep.Clean(), rep.String())
	require.Contains(t, scan[string](t, direct, "SELECT CONVERT(job_meta USING utf8mb4) FROM "+meta+"tidb_ddl_history"), `"state":"synced"`)
}

// ended says whether the only job is in the history.
func ended(t *testing.T, direct *sql.DB, meta string) bool {
	var n int
	return direct.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+meta+"tidb_ddl_history").Scan(&n) == nil && n == 1
}

// TestC9SecondJobOnOneTable: two jobs want one table, and the node of the first is killed while
// it copies. Both end.
func TestC9SecondJobOnOneTable(t *testing.T) {
	schema, direct := mariadbdtest.Schema(t, srv)
	c := startCluster(t, 3)
	table := workload.Table{Schema: schema, Name: "orders", Rows: 12_000, Seed: 1}
	require.NoError(t, table.Create(t.Context(), direct, nil))
	meta := "`" + metaSchema(t) + "`."
	db := open(t, c.Nodes[1])
	execute(t, db, "SET GLOBAL dxf_native_ddl_max_size = 0")
	owner := scan[string](t, direct, "SELECT host FROM "+meta+"owner")
	first, second := c.Nodes[0], c.Nodes[1]
	for i, n := range c.Nodes { // the node that dies is the owner's, too
		if n.Addr == owner {
			first, second = n, c.Nodes[(i+1)%len(c.Nodes)]
		}
	}
	begin := func(n *cluster.Node, index string) <-chan error {
		done := make(chan error, 1)
		db := open(t, n)
		go func() {
			_, err := db.ExecContext(context.WithoutCancel(t.Context()), "ALTER TABLE "+table.Quoted()+" ADD INDEX "+index)
			done <- err
		}()
		return done
	}
	begin(first, "by_day (created_at)")
	require.Eventually(t, func() bool {
		return scan[int](t, direct, "SELECT COUNT(*) FROM "+meta+"tidb_background_subtask WHERE state = 'running' AND step = 1") > 0
	}, swallowedFor, 2*time.Millisecond)
	answer := begin(second, "by_day_and_code (created_at, code)")
	require.Eventually(t, func() bool { return scan[int](t, direct, "SELECT COUNT(*) FROM "+meta+"tidb_ddl_job") == 2 }, swallowedFor, 2*time.Millisecond)
	require.NoError(t, first.Kill())
	began := time.Now()
	select {
	case err := <-answer:
		require.NoError(t, err)
	case <-time.After(swallowedFor):
		var state string
		_ = direct.QueryRow("SELECT GROUP_CONCAT(CONVERT(job_meta USING utf8mb4)) FROM " + meta + "tidb_ddl_job").Scan(&state)
		require.Fail(t, "the second job stands still", state)
	}
	t.Logf("ended %s later", time.Since(began).Round(100*time.Millisecond))
	const indexes = "SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND INDEX_NAME LIKE 'by_day%'"
	require.Equal(t, 2, scan[int](t, direct, indexes, schema))
}

// TestRefusedSessionsOfATrial: the store refuses the node's new sessions for a moment, just when
// a statement is tried. The client does not hear of it.
func TestRefusedSessionsOfATrial(t *testing.T) {
	schema, direct := mariadbdtest.Schema(t, srv)
	c, p := farCluster(t, 1)
	execute(t, direct, "CREATE TABLE t (id INT PRIMARY KEY, a INT)")
	execute(t, direct, "INSERT INTO t VALUES (1, 1), (2, 2)")
	conn, err := open(t, c.Nodes[0]).Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0") // comes to nothing, and is seen to
	require.NoError(t, err)
	defer closed.Close()
	p.Retarget(closed.Addr().String())
	asked := make(chan error, 1)
	go func() {
		refused, err := closed.Accept()
		if err == nil {
			err = refused.Close()
		}
		p.Retarget(srv.Addr())
		asked <- err
	}()
	_, err = conn.ExecContext(t.Context(), "ALTER TABLE "+schema+".t ADD INDEX i (a)")
	require.NoError(t, err)
	require.NoError(t, <-asked)
}
