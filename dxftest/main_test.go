package dxftest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/cluster"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var (
	srv    *mariadbd.Server
	binary string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// A name that is swept, should we be killed.
	dir, err := os.MkdirTemp("", "dxfproxy-test-node-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "dxfproxy")
	// With the race detector: a node that races fails at its exit.
	if out, err := exec.Command("go", "build", "-race", "-o", binary, "dxfproxy/cmd/dxfproxy").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build dxfproxy: %v\n%s", err, out)
		return 1
	}
	return mariadbdtest.Run(m, &srv, "innodb-buffer-pool-size=256M", "max-connections=500")
}

// startCluster starts nodes with framework tables of their own, and stops
// them at the end of the test.
func startCluster(t *testing.T, nodes int, args ...string) *cluster.Cluster {
	t.Helper()
	logs, err := os.MkdirTemp(filepath.Dir(binary), "logs-") // swept with it
	require.NoError(t, err)
	c, err := cluster.Start(t.Context(), cluster.Config{
		Binary: binary, Store: srv.DSN(), Dir: logs, Nodes: nodes,
		Args: append([]string{"--meta-schema", metaSchema(t)}, args...),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Errorf("stop the cluster: %v", err)
		}
		for _, n := range c.Nodes {
			if strings.Contains(n.LogTail(), "DATA RACE") {
				t.Errorf("%s: data race\n%s", n.Name, n.LogTail())
			}
			if t.Failed() {
				t.Logf("%s (%s):\n%s", n.Name, n.Addr, n.LogTail())
			}
		}
	})
	return c
}

// metaSchema is a meta schema for the test.
func metaSchema(t *testing.T) string {
	name := "dxf_" + strings.ToLower(strings.NewReplacer("/", "_", "-", "_").Replace(t.Name()))
	return name[:min(len(name), 60)]
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
