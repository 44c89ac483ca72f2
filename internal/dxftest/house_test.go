package dxftest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/grants"
	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd/mariadbdtest"
)

// house is some nodes, and a schema with a table to do damage to.
type house struct {
	*testing.T
	nodes  []*cluster.Node
	schema string
	meta   string  // the meta schema
	direct *sql.DB // to the store, in the schema
}

func newHouse(t *testing.T, nodes int, args ...string) *house {
	t.Helper()
	schema, direct := mariadbdtest.Schema(t, srv)
	h := &house{T: t, schema: schema, meta: metaSchema(t), direct: direct, nodes: startCluster(t, nodes, args...).Nodes}
	execute(t, direct, "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(20), c VARCHAR(4000), KEY ib (b))")
	execute(t, direct, "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'), (2, 'z')")
	return h
}

// session is one connection through node n, as user (password pw), in the schema.
func (h *house) session(n int, user string, params ...string) *sql.Conn {
	h.Helper()
	cfg, err := mysql.ParseDSN(h.nodes[n].DSN() + h.schema + "?" + strings.Join(params, "&"))
	require.NoError(h, err)
	if user != "" {
		cfg.User, cfg.Passwd = user, "pw"
	}
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	require.NoError(h, err)
	db := sql.OpenDB(connector)
	h.Cleanup(func() { db.Close() })
	c, err := db.Conn(h.Context())
	require.NoError(h, err)
	return c
}

func (h *house) run(c *sql.Conn, statements ...string) {
	h.Helper()
	for _, s := range statements {
		_, err := c.ExecContext(h.Context(), s)
		require.NoError(h, err, s)
	}
}

func text(t *testing.T, c *sql.Conn, query string, args ...any) string {
	t.Helper()
	var s sql.NullString
	require.NoError(t, c.QueryRowContext(t.Context(), query, args...).Scan(&s), query)
	return s.String
}

// definitions is SHOW CREATE TABLE of everything in the schema.
func (h *house) definitions() string {
	h.Helper()
	rows, err := h.direct.QueryContext(h.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE' ORDER BY 1", h.schema)
	require.NoError(h, err)
	var names []string
	for rows.Next() {
		var n string
		require.NoError(h, rows.Scan(&n))
		names = append(names, n)
	}
	require.NoError(h, rows.Err())
	var all []string
	for _, n := range names {
		var name, def string
		require.NoError(h, h.direct.QueryRowContext(h.Context(), "SHOW CREATE TABLE "+n).Scan(&name, &def))
		all = append(all, def)
	}
	return strings.Join(all, "\n")
}

// nothingLeft waits until no job, task, feed or table of ours is there. Jobs
// are cleaned up after by the owner, after the client has been answered.
func (h *house) nothingLeft() {
	h.Helper()
	meta := "`" + h.meta + "`"
	var left []string
	require.Eventually(h, func() bool {
		left = nil
		count := func(what, query string, args ...any) {
			if n := scan[int](h.T, h.direct, query, args...); n > 0 {
				left = append(left, fmt.Sprintf("%d %s", n, what))
			}
		}
		for _, table := range []string{"tidb_ddl_job", "tidb_global_task", "tidb_background_subtask", "changefeed", "changefeed_marker"} {
			count("rows in "+table, "SELECT COUNT(*) FROM "+meta+"."+table)
		}
		count("scratch tables", "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE 'scratch%'", grants.Scratch(h.meta))
		count("tables of jobs", "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE '%\\_\\_dxf%'", h.schema)
		return len(left) == 0
	}, 20*time.Second, 20*time.Millisecond, "left behind: %v", &left)
}

// in is the house for a subtest.
func (h *house) in(t *testing.T) *house {
	sub := *h
	sub.T = t
	return &sub
}
