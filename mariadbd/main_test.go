package mariadbd_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"dxfproxy/mariadbd"
)

// nodeDir makes this test program a node: it runs a server in the directory
// named, says where, and waits to be killed.
const (
	nodeDir       = "MARIADBD_TEST_NODE_DIR"
	nodeTemplates = "MARIADBD_TEST_NODE_TEMPLATES"
)

var templates string

func TestMain(m *testing.M) {
	if dir := os.Getenv(nodeDir); dir != "" {
		runNode(dir)
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dxfproxy-test-templates-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	templates = dir
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func runNode(dir string) {
	srv, err := mariadbd.Start(context.Background(), mariadbd.Config{
		DataDir: dir, BufferPool: 64 << 20, RedoLog: 16 << 20, TemplateDir: os.Getenv(nodeTemplates),
	})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("started", srv.PID(), srv.DSN())
	select {}
}

// node is another process that runs a server.
type node struct {
	cmd       *exec.Cmd
	serverPID int
	dsn       string
}

// nodeCommand is this program as a node.
func nodeCommand(dir, templates string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), nodeDir+"="+dir, nodeTemplates+"="+templates)
	cmd.Stderr = os.Stderr
	return cmd
}

// startNode starts another process with a server in dir.
func startNode(t *testing.T, dir string) *node {
	t.Helper()
	n := &node{cmd: nodeCommand(dir, templates)}
	out, err := n.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, n.cmd.Start())
	t.Cleanup(func() { n.kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(line, "started %d %s", &n.serverPID, &n.dsn)
	require.NoError(t, err, line)
	return n
}

// kill is kill -9 on the node, not on its server.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// newDir is a directory that does not exist yet, in one that everybody may enter.
func newDir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "dxfproxy-test-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	require.NoError(t, os.Chmod(parent, 0o755))
	parent, err = filepath.EvalSymlinks(parent)
	require.NoError(t, err)
	return filepath.Join(parent, "store")
}

// small is a configuration that starts fast.
func small(t *testing.T, dir string) mariadbd.Config {
	return mariadbd.Config{
		DataDir: dir, BufferPool: 64 << 20, RedoLog: 16 << 20, TemplateDir: templates,
		Logger: zaptest.NewLogger(t),
	}
}

// start starts a server that is killed with the test.
func start(t *testing.T, cfg mariadbd.Config) *mariadbd.Server {
	t.Helper()
	began := time.Now()
	srv, err := mariadbd.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(srv.Kill)
	return srv
}

func stop(t *testing.T, srv *mariadbd.Server) {
	t.Helper()
	began := time.Now()
	require.NoError(t, srv.Stop(t.Context()))
	t.Logf("stopped in %v", time.Since(began).Round(time.Millisecond))
}

// query runs statements and returns the first column of the last one's rows.
func query(t *testing.T, dsn string, statements ...string) string {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	defer db.Close()
	last := len(statements) - 1
	for _, s := range statements[:last] {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
	rows, err := db.QueryContext(t.Context(), statements[last])
	require.NoError(t, err, statements[last])
	defer rows.Close()
	var values []string
	for rows.Next() {
		var v string
		require.NoError(t, rows.Scan(&v))
		values = append(values, v)
	}
	require.NoError(t, rows.Err())
	return strings.Join(values, ",")
}

// write commits one row.
func write(t *testing.T, dsn string) {
	t.Helper()
	query(t, dsn, "CREATE DATABASE kept", "CREATE TABLE kept.t (id INT PRIMARY KEY)", "INSERT INTO kept.t VALUES (42)", "SELECT 1")
}

// requireKept demands the row that write committed.
func requireKept(t *testing.T, dsn string) {
	t.Helper()
	require.Equal(t, "42", query(t, dsn, "SELECT id FROM kept.t"))
}
