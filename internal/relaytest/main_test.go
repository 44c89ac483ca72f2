package relaytest

import (
	"database/sql"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster"
	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) {
	clustertest.Main(m, &srv, "local_infile=1", "innodb_lock_wait_timeout=2")
}

// startNode starts a node in front of the store.
func startNode(t *testing.T) *cluster.Node {
	t.Helper()
	return clustertest.Start(t, mariadbdtest.StoreDSN(t, srv, "dxf"), 1).Nodes[0]
}

// A way is how a client gets to the store.
type way struct {
	*testing.T
	addr   string
	schema string // an empty one
}

// bothWays runs a test at the store itself and through a node.
func bothWays(t *testing.T, test func(w way)) {
	node := startNode(t)
	for name, addr := range map[string]string{"direct": srv.Addr(), "through a node": node.Addr} {
		t.Run(name, func(t *testing.T) {
			schema, _ := mariadbdtest.Schema(t, srv)
			test(way{t, addr, schema})
		})
	}
}

// config is root's in the test's schema.
func (w way) config() *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = "root", "tcp", w.addr, w.schema
	cfg.Logger = &mysql.NopLogger{}
	cfg.MaxAllowedPacket = 64 << 20
	return cfg
}

// open is a pool of connections.
func (w way) open(cfg *mysql.Config) *sql.DB {
	w.Helper()
	connector, err := mysql.NewConnector(cfg)
	require.NoError(w, err)
	db := sql.OpenDB(connector)
	w.Cleanup(func() { _ = db.Close() })
	return db
}

// conn is one connection of root's, with options of the driver.
func (w way) conn(options ...mysql.Option) *sql.Conn {
	w.Helper()
	cfg := w.config()
	require.NoError(w, cfg.Apply(options...))
	c, err := w.open(cfg).Conn(w.Context())
	require.NoError(w, err)
	w.Cleanup(func() { _ = c.Close() })
	return c
}

// raw is a connection that can be sent any command.
func (w way) raw(user, password string) *client.Conn {
	w.Helper()
	c, err := client.ConnectWithContext(w.Context(), w.addr, user, password, w.schema, time.Minute)
	require.NoError(w, err)
	w.Cleanup(func() { _ = c.Close() })
	return c
}

func (w way) exec(c *sql.Conn, query string, args ...any) sql.Result {
	w.Helper()
	res, err := c.ExecContext(w.Context(), query, args...)
	require.NoError(w, err, query)
	return res
}

// scan is the one value that a query returns.
func scan[T any](w way, c *sql.Conn, query string, args ...any) T {
	w.Helper()
	var v T
	require.NoError(w, c.QueryRowContext(w.Context(), query, args...).Scan(&v), query)
	return v
}

// errno is the number of the store's error; 0 is none.
func errno(w way, err error) int {
	w.Helper()
	if err == nil {
		return 0
	}
	var e *mysql.MySQLError
	require.ErrorAs(w, err, &e)
	return int(e.Number)
}
