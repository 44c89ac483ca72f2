package dxftest

import (
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster"
	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) {
	clustertest.Main(m, &srv, "innodb-buffer-pool-size=256M", "max-connections=500")
}

// onMariaDB says whether the tests' server is of this family. What it alone has is
// left out of the tests on another.
func onMariaDB() bool { return srv.Kind() == mariadbd.MariaDB }

// startCluster starts nodes with framework tables of their own. They may import
// what is in the tests' folders.
func startCluster(t *testing.T, nodes int, args ...string) *cluster.Cluster {
	t.Helper()
	args = append([]string{"--meta-schema", metaSchema(t), "--import-dir", os.TempDir()}, args...)
	return clustertest.Start(t, mariadbdtest.StoreDSN(t, srv, metaSchema(t)), nodes, args...)
}

// metaSchema is a meta schema for the test.
func metaSchema(t *testing.T) string {
	name := "dxf_" + strings.ToLower(strings.NewReplacer("/", "_", "-", "_").Replace(t.Name()))
	return name[:min(len(name), 56)]
}

// open connects a client to a node.
func open(t *testing.T, n *cluster.Node) *sql.DB {
	t.Helper()
	db, err := n.Open()
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// archived waits until every task is in the history: its client is answered
// before that.
func archived(t *testing.T, db *sql.DB, meta string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		return db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM `"+meta+"`.tidb_global_task").Scan(&n) == nil && n == 0
	}, 15*time.Second, 5*time.Millisecond, "tasks are moved to the history")
}

func scan[T any](t *testing.T, db *sql.DB, query string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&v), query)
	return v
}

func execute(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), query, args...)
	require.NoError(t, err, query)
}
