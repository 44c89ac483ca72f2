package dxftest

import (
	"context"
	"database/sql"
	"errors"
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

// refused checks number and SQLSTATE, and the text if one is given.
func refused(t *testing.T, err error, code uint16, state, message string) {
	t.Helper()
	var e *mysql.MySQLError
	require.ErrorAs(t, err, &e)
	require.Equal(t, fmt.Sprintf("%d (%s)", code, state), fmt.Sprintf("%d (%s)", e.Number, e.SQLState), e.Message)
	if message != "" {
		require.Equal(t, message, e.Message)
	}
}

// TestRefused asks for what cannot or may not be done. Each gets the number and
// the SQLSTATE it would get without us, and leaves nothing behind.
func TestRefused(t *testing.T) {
	h := newHouse(t, 1)
	for _, s := range []string{
		"CREATE VIEW v AS SELECT * FROM t", "CREATE TABLE locked (a INT)", "CREATE TABLE wide (c VARCHAR(4000))",
		"CREATE USER dxf_none@'%' IDENTIFIED BY 'pw'", "GRANT SELECT, INSERT ON " + h.schema + ".* TO dxf_none@'%'",
		"CREATE USER dxf_index@'%' IDENTIFIED BY 'pw'", "GRANT SELECT, INDEX ON " + h.schema + ".* TO dxf_index@'%'",
		"CREATE USER dxf_alter@'%' IDENTIFIED BY 'pw'", "GRANT SELECT, ALTER ON " + h.schema + ".* TO dxf_alter@'%'",
		"CREATE USER dxf_blind@'%' IDENTIFIED BY 'pw'", "GRANT SELECT ON " + h.schema + ".locked TO dxf_blind@'%'",
	} {
		execute(t, h.direct, s)
	}
	t.Cleanup(func() { _, _ = h.direct.Exec("DROP USER dxf_none@'%', dxf_index@'%', dxf_alter@'%', dxf_blind@'%'") })
	if onMariaDB() {
		execute(t, h.direct, "CREATE SEQUENCE s")
	}
	before := h.definitions()
	long := strings.Repeat("x", 65)
	for _, c := range []struct {
		name, user string
		first      string // on the same session
		statement  string
		code       uint16
		state      string
		message    string
		mariadb    bool   // has it alone
		mysql      string // what it says in their place; without them it alone is asked
	}{
		{name: "unknown table", statement: "ALTER TABLE nope ADD INDEX i (a)", code: 1146, state: "42S02"},
		{name: "unknown table, CREATE INDEX", statement: "CREATE INDEX i ON nope (a)", code: 1146, state: "42S02"},
		{name: "unknown schema", statement: "ALTER TABLE no_such_db.t ADD INDEX i (a)", code: 1146, state: "42S02", mysql: "1049 (42000)"},
		{name: "unknown column", statement: "ALTER TABLE t ADD INDEX i (nope)", code: 1072, state: "42000"},
		{name: "second of two", statement: "ALTER TABLE t ADD INDEX i (a), ADD INDEX j (nope)", code: 1072, state: "42000"},
		{name: "syntax", statement: "ALTER TABLE t ADD INDEX i (a", code: 1064, state: "42000"},
		{name: "syntax of MariaDB", statement: "CREATE INDEX IF NOT EXISTS ib ON t (b)", message: "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax to use near 'IF NOT EXISTS ib ON t (b)' at line 1", mysql: "1064 (42000)"},
		{name: "name taken", statement: "ALTER TABLE t ADD INDEX ib (a)", code: 1061, state: "42000"},
		{name: "name too long", statement: "ALTER TABLE t ADD INDEX " + long + " (a)", code: 1059, state: "42000"},
		{name: "name PRIMARY", statement: "ALTER TABLE t ADD INDEX `PRIMARY` (a)", code: 1280, state: "42000"},
		{name: "column twice", statement: "ALTER TABLE t ADD INDEX i (a, A)", code: 1060, state: "42S21"},
		{name: "key too long", statement: "ALTER TABLE wide ADD PRIMARY KEY (c)", code: 1071, state: "42000"},
		{name: "comment too long", statement: "ALTER TABLE t ADD INDEX i (a) COMMENT '" + strings.Repeat("c", 1025) + "'", code: 1688, state: "HY000"},
		{name: "second primary key", statement: "ALTER TABLE t ADD PRIMARY KEY (a)", code: 1068, state: "42000"},
		{name: "duplicate", statement: "ALTER TABLE t ADD UNIQUE INDEX ua (a)", code: 1062, state: "23000", message: "Duplicate entry '2' for key 't.ua'"},
		{name: "duplicate, CREATE INDEX", statement: "CREATE UNIQUE INDEX ua ON t (a)", code: 1062, state: "23000", message: "Duplicate entry '2' for key 't.ua'"},
		{name: "duplicate, second of two", statement: "ALTER TABLE t ADD INDEX i (b), ADD UNIQUE INDEX ua (a)", code: 1062, state: "23000", message: "Duplicate entry '2' for key 't.ua'"},
		{name: "INSTANT", statement: "ALTER TABLE t ADD INDEX i (a), ALGORITHM=INSTANT", code: 1846, state: "0A000", mysql: "1845 (0A000)"},
		{name: "view", statement: "ALTER TABLE v ADD INDEX i (a)", code: 1347, state: "HY000"},
		{name: "sequence", statement: "ALTER TABLE s ADD INDEX i (next_not_cached_value)", code: 4086, state: "HY000", mariadb: true},
		{name: "under LOCK TABLES READ", first: "LOCK TABLES t READ", statement: "ALTER TABLE t ADD INDEX i (a)", code: 1099, state: "HY000"},
		{name: "not among LOCK TABLES", first: "LOCK TABLES locked WRITE", statement: "ALTER TABLE t ADD INDEX i (a)", code: 1100, state: "HY000"},
		{name: "no ALTER", user: "dxf_none", statement: "ALTER TABLE t ADD INDEX i (a)", code: 1142, state: "42000"},
		{name: "no INDEX", user: "dxf_none", statement: "CREATE INDEX i ON t (a)", code: 1142, state: "42000"},
		{name: "INDEX and no ALTER", user: "dxf_index", statement: "ALTER TABLE t ADD INDEX i (a)", code: 1142, state: "42000"},
		{name: "may not see the table", user: "dxf_blind", statement: "ALTER TABLE t ADD INDEX i (a)", code: 1142, state: "42000"},
		{name: "ALTER and no right to rename", user: "dxf_alter", statement: "ALTER TABLE t ADD INDEX i (a), RENAME TO mysql.stolen", code: 1142, state: "42000"},
		{name: "ALTER and no REFERENCES", user: "dxf_alter", statement: "ALTER TABLE t ADD INDEX i (a), ADD FOREIGN KEY (a) REFERENCES mysql.help_topic (help_topic_id)", code: 1142, state: "42000"},
		{name: "ADMIN SHOW without SUPER", user: "dxf_none", statement: "ADMIN SHOW DDL", code: 8121, state: "HY000", message: "privilege check for 'Super' fail"},
		{name: "ADMIN CANCEL without SUPER", user: "dxf_none", statement: "ADMIN CANCEL DDL JOBS 1", code: 8121, state: "HY000"},
		{name: "SET GLOBAL without SUPER", user: "dxf_none", statement: "SET GLOBAL tidb_enable_dist_task = OFF", code: 1227, state: "42000"},
		{name: "bad value", statement: "SET GLOBAL tidb_enable_dist_task = 'x'", code: 1231, state: "42000"},
		{name: "wrong scope", statement: "SET tidb_enable_dist_task = ON", code: 1229, state: "HY000"},
		{name: "scopes mixed, the second wrong", statement: "SET GLOBAL tidb_ddl_reorg_worker_cnt = 7, SESSION tidb_enable_dist_task = OFF", code: 1229, state: "HY000"},
		{name: "theirs wrong", statement: "SET SESSION tidb_ddl_reorg_worker_cnt = 7, no_such_variable = 1", code: 1193, state: "HY000"},
		{name: "expression fails", statement: "SET tidb_ddl_reorg_worker_cnt = (SELECT no_such_column)", code: 1054, state: "42S22"},
		{name: "ADMIN nonsense", statement: "ADMIN FOO", code: 1064, state: "42000"},
	} {
		if c.mariadb && !onMariaDB() || c.code == 0 && onMariaDB() {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			h := h.in(t)
			s := h.session(0, c.user)
			defer s.Close()
			if c.first != "" {
				h.run(s, c.first)
			}
			_, err := s.ExecContext(t.Context(), c.statement)
			if c.mysql != "" && !onMariaDB() {
				_, err := fmt.Sscanf(c.mysql, "%d (%5s", &c.code, &c.state)
				require.NoError(t, err)
			}
			refused(t, err, c.code, c.state, c.message)
			if c.first != "" {
				h.run(s, "UNLOCK TABLES")
			}
			h.nothingLeft()
			require.Equal(t, before, h.definitions())
			root := h.session(0, "")
			require.Equal(t, "1", text(t, root, "SELECT @@global.tidb_enable_dist_task"))
			require.Equal(t, "4", text(t, root, "SELECT @@global.tidb_ddl_reorg_worker_cnt"))
		})
	}

	t.Run("no schema", func(t *testing.T) {
		h := h.in(t)
		db := open(t, h.nodes[0])
		_, err := db.ExecContext(t.Context(), "ALTER TABLE t ADD INDEX i (a)")
		refused(t, err, 1046, "3D000", "No database selected")
	})
	t.Run("no fast reorg", func(t *testing.T) {
		h := h.in(t)
		s := h.session(0, "")
		h.run(s, "SET GLOBAL tidb_ddl_enable_fast_reorg = OFF")
		defer h.run(s, "SET GLOBAL tidb_ddl_enable_fast_reorg = DEFAULT")
		_, err := s.ExecContext(t.Context(), "ALTER TABLE t ADD INDEX i (a)")
		refused(t, err, 8200, "HY000", "Unsupported tidb_enable_dist_task setting. To utilize distributed task execution, please enable tidb_ddl_enable_fast_reorg first.")
		h.nothingLeft()
		require.Equal(t, before, h.definitions())
	})
}

// TestAccepted does what is unusual and works, each on a table of its own.
func TestAccepted(t *testing.T) {
	h := newHouse(t, 1)
	has := func(t *testing.T, table, index string) {
		t.Helper()
		n := scan[int](t, h.direct, "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? AND index_name = ? AND seq_in_index = 1", h.schema, table, index)
		require.Equal(t, 1, n, "index %s of %s", index, table)
	}
	type accepted struct {
		name   string
		before []string // besides CREATE TABLE x (id INT PRIMARY KEY, a INT, b VARCHAR(20))
		alter  string
		index  string
		after  []string
		params string

		mariadb bool // has it alone
	}
	cases := []accepted{
		{name: "LOCK=NONE", alter: "ALTER TABLE x ADD INDEX i (a), LOCK=NONE"},
		{name: "LOCK=SHARED", alter: "ALTER TABLE x ADD INDEX i (a), LOCK=SHARED"},
		{name: "LOCK=EXCLUSIVE", alter: "CREATE INDEX i ON x (a) LOCK=EXCLUSIVE"},
		{name: "ALGORITHM=COPY", alter: "ALTER TABLE x ALGORITHM=COPY, ADD INDEX i (a)"},
		{name: "ALGORITHM=INPLACE", alter: "CREATE INDEX i ON x (a) ALGORITHM=INPLACE"},
		{name: "foreign key from", before: []string{"CREATE TABLE parent (id INT PRIMARY KEY)", "ALTER TABLE x ADD FOREIGN KEY (a) REFERENCES parent (id)"}, alter: "ALTER TABLE x ADD INDEX i (b)"},
		{name: "foreign key to", before: []string{"CREATE TABLE child (xid INT, FOREIGN KEY (xid) REFERENCES x (id))"}, alter: "ALTER TABLE x ADD INDEX i (b)", after: []string{"DROP TABLE child"}},
		{name: "foreign key added", before: []string{"CREATE TABLE parent2 (id INT PRIMARY KEY)"}, alter: "ALTER TABLE x ADD INDEX i (a), ADD FOREIGN KEY (a) REFERENCES parent2 (id)"},
		{name: "triggers", before: []string{"CREATE TRIGGER x_before BEFORE INSERT ON x FOR EACH ROW SET NEW.b = 'z'"}, alter: "ALTER TABLE x ADD INDEX i (a)"},
		{name: "gbk", before: []string{"SET NAMES gbk"}, alter: "ALTER TABLE x ADD INDEX i (a)", after: []string{"SET NAMES utf8mb4"}},
		{name: "ANSI_QUOTES", before: []string{"SET sql_mode = 'ANSI_QUOTES'"}, alter: `ALTER TABLE "x" ADD INDEX "i" ("a") COMMENT 'it''s'`},
		{name: "comments", alter: "/* one */ ALTER -- two\n TABLE x # three\n ADD /* four */ INDEX i (a);;"},
		{name: "several statements", alter: "ALTER TABLE x ADD INDEX i (a); SELECT 1", params: "multiStatements=true"},
		{name: "text PREPARE", before: []string{"PREPARE p FROM 'ALTER TABLE x ADD INDEX i (a)'"}, alter: "EXECUTE p"},
		{name: "EXECUTE IMMEDIATE", alter: "EXECUTE IMMEDIATE 'ALTER TABLE x ADD INDEX i (a)'", mariadb: true},
		{name: "NOWAIT", alter: "ALTER TABLE x NOWAIT ADD INDEX i (a)", mariadb: true},
		{name: "IGNORE", before: []string{"INSERT INTO x VALUES (11, 7, 'b'), (12, 7, 'b')"}, alter: "ALTER IGNORE TABLE x ADD UNIQUE INDEX i (a)", mariadb: true},
		{name: "foreign key in a column", before: []string{"CREATE TABLE parent3 (id INT PRIMARY KEY)"}, alter: "ALTER TABLE x ADD COLUMN p INT REFERENCES parent3 (id), ADD INDEX i (a)"},
		{name: "with PARTITION BY", alter: "ALTER TABLE x ADD INDEX i (a) PARTITION BY HASH (id) PARTITIONS 2"},
		{name: "with ENGINE", alter: "ALTER TABLE x ADD INDEX i (a), ENGINE=InnoDB"},
		{name: "LOCK TABLES WRITE", before: []string{"LOCK TABLES x WRITE"}, alter: "ALTER TABLE x ADD INDEX i (a)", after: []string{"UNLOCK TABLES"}},
		{name: "with ADD COLUMN", alter: "ALTER TABLE x ADD COLUMN c INT, ADD INDEX i (c)"},
		{name: "no primary key", before: []string{"ALTER TABLE x DROP PRIMARY KEY"}, alter: "ALTER TABLE x ADD INDEX i (a)"},
		{name: "primary key added", before: []string{"ALTER TABLE x DROP PRIMARY KEY"}, alter: "ALTER TABLE x ADD PRIMARY KEY (id)", index: "PRIMARY"},
		{name: "partitions", before: []string{"ALTER TABLE x PARTITION BY HASH (id) PARTITIONS 3"}, alter: "ALTER TABLE x ADD INDEX i (a)"},
		{name: "FULLTEXT", alter: "ALTER TABLE x ADD FULLTEXT INDEX i (b)"},
		{name: "MyISAM", before: []string{"ALTER TABLE x ENGINE=MyISAM"}, alter: "ALTER TABLE x ADD INDEX i (a)"},
		{name: "a name to be quoted", alter: "ALTER TABLE x ADD INDEX `i``'\"我` (a)", index: "i`'\"我"},
		{name: "empty", alter: "ALTER TABLE x ADD INDEX i (a)"},
	}
	root := h.session(0, "")
	for _, way := range []struct{ name, set string }{
		{"native", "SET GLOBAL dxf_native_ddl_max_size = DEFAULT"},
		{"distributed", "SET GLOBAL dxf_native_ddl_max_size = 0"},
	} {
		h.run(root, way.set)
		for _, c := range cases {
			if c.mariadb && !onMariaDB() {
				continue
			}
			t.Run(way.name+" "+c.name, func(t *testing.T) {
				h := h.in(t)
				s := h.session(0, "", c.params)
				defer s.Close()
				h.run(s, "DROP TABLE IF EXISTS parent, parent2, parent3", "CREATE TABLE x (id INT PRIMARY KEY, a INT, b VARCHAR(20))",
					"INSERT INTO x VALUES (1, NULL, 'one'), (2, NULL, 'zwei'), (3, NULL, 'три')")
				defer execute(t, h.direct, "DROP TABLE x")
				h.run(s, c.before...)
				h.run(s, c.alter)
				h.run(s, c.after...)
				if c.index == "" {
					c.index = "i"
				}
				has(t, "x", c.index)
				require.Equal(t, 3, scan[int](t, h.direct, "SELECT COUNT(*) FROM x WHERE a IS NULL AND b IN ('one', 'zwei', 'три')"))
				h.nothingLeft()
			})
		}
	}
	h.run(root, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT")

	t.Run("temporary table", func(t *testing.T) {
		h := h.in(t)
		s := h.session(0, "")
		h.run(s, "CREATE TEMPORARY TABLE t (a INT)", "ALTER TABLE t ADD INDEX tmp (a)")
		require.NotContains(t, h.definitions(), "tmp", "the table under the temporary one was changed")
		var name, def string
		require.NoError(t, s.QueryRowContext(t.Context(), "SHOW CREATE TABLE t").Scan(&name, &def))
		require.Contains(t, def, "KEY `tmp`")
		h.nothingLeft()
	})
	t.Run("inside a transaction", func(t *testing.T) {
		h := h.in(t)
		s := h.session(0, "")
		h.run(s, "BEGIN", "INSERT INTO t (a, b) VALUES (77, 'tx')", "ALTER TABLE t ADD INDEX in_tx (a)", "ROLLBACK")
		require.Equal(t, 1, scan[int](t, h.direct, "SELECT COUNT(*) FROM t WHERE a = 77"), "DDL commits what is open")
		has(t, "t", "in_tx")
	})
	t.Run("prepared", func(t *testing.T) {
		h := h.in(t)
		s := h.session(0, "")
		p, err := s.PrepareContext(t.Context(), "ALTER TABLE t ADD INDEX prepared (a)")
		require.NoError(t, err)
		defer p.Close()
		_, err = p.ExecContext(t.Context())
		require.NoError(t, err)
		has(t, "t", "prepared")
		_, err = p.ExecContext(t.Context())
		refused(t, err, 1061, "42000", "")
		_, err = s.PrepareContext(t.Context(), "ALTER TABLE no_such ADD INDEX prepared (a)")
		if err == nil { // MariaDB finds out when it is executed
			var q *sql.Stmt
			q, err = s.PrepareContext(t.Context(), "ALTER TABLE no_such ADD INDEX prepared (a)")
			require.NoError(t, err)
			_, err = q.ExecContext(t.Context())
		}
		refused(t, err, 1146, "42S02", "")
		h.nothingLeft()
	})
	t.Run("system table", func(t *testing.T) {
		h := h.in(t)
		s := h.session(0, "")
		h.run(s, "CREATE TABLE mysql.dxf_probe (a INT)", "ALTER TABLE mysql.dxf_probe ADD INDEX i (a)")
		h.run(s, "DROP TABLE mysql.dxf_probe")
		h.nothingLeft()
	})
	t.Run("framework table", func(t *testing.T) {
		h := h.in(t)
		s := h.session(0, "")
		_, err := s.ExecContext(t.Context(), "ALTER TABLE mysql.tidb_global_task ADD INDEX i (type)")
		refused(t, err, 1146, "42S02", "")
		h.nothingLeft()
	})
}

// TestScratchTablesOfTheDead finds scratch tables dropped that nobody uses: of a node that
// is not there, and of one that is there and has lost sight of it.
func TestScratchTablesOfTheDead(t *testing.T) {
	h := newHouse(t, 2)
	alive := text(t, h.session(0, ""), "SELECT uuid FROM mysql.dist_framework_meta WHERE host = ?", h.nodes[1].Addr)
	require.NotEmpty(t, alive)
	dead := "scratch_00000000-0000-4000-8000-000000000000_1"
	live := "scratch_" + strings.ReplaceAll(alive, "-", "") + "_1000000"
	execute(t, h.direct, "CREATE TABLE `"+grants.Scratch(h.meta)+"`.`"+dead+"` (a INT)")
	execute(t, h.direct, "CREATE TABLE `"+grants.Scratch(h.meta)+"`.`"+live+"` (a INT)")
	exists := func(name string) int {
		return scan[int](t, h.direct, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", grants.Scratch(h.meta), name)
	}
	require.Eventually(t, func() bool { return exists(dead) == 0 }, 20*time.Second, 50*time.Millisecond)
	require.Eventually(t, func() bool { return exists(live) == 0 }, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, h.nodes[1].Kill())
	execute(t, h.direct, "CREATE TABLE `"+grants.Scratch(h.meta)+"`.`"+live+"` (a INT)")
	require.Eventually(t, func() bool { return exists(live) == 0 }, 40*time.Second, 100*time.Millisecond, "its node is dead now")
}

var errNotThere = errors.New("not there")

// waitingJob waits until the one unfinished job is in a state, and returns its id.
func (h *house) waitingJob(state string) (id int64) {
	h.Helper()
	last := errNotThere
	require.Eventually(h, func() bool {
		var is string
		last = h.direct.QueryRowContext(h.Context(), "SELECT job_id, JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.state') FROM `"+h.meta+"`.tidb_ddl_job").Scan(&id, &is)
		return last == nil && is == state
	}, 20*time.Second, 5*time.Millisecond, "no job is %s", state)
	return id
}

// blocked runs what against an ALTER that waits: a transaction has the table.
func (h *house) blocked(what func(s *sql.Conn, id int64, cancel func()), end func(err error)) {
	t := h.T
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tx, err := h.direct.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer tx.Rollback()
	var n int
	require.NoError(t, tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM t").Scan(&n))
	s := h.session(0, "")
	h.run(s, "SET wait_timeout = 3") // a client that waits is not idle
	stmtCtx, stop := context.WithCancel(ctx)
	defer stop()
	answered := make(chan error, 1)
	go func() {
		_, err := s.ExecContext(stmtCtx, "ALTER TABLE t ADD INDEX waits (a)")
		answered <- err
	}()
	id := h.waitingJob("running")
	what(s, id, stop)
	var answer error
	select {
	case answer = <-answered:
	case <-time.After(5 * time.Second): // it is the table that it waits for
		require.NoError(t, tx.Rollback())
		select {
		case answer = <-answered:
		case <-ctx.Done():
			require.FailNow(t, "the client was not answered")
		}
	}
	_ = tx.Rollback()
	end(answer)
	h.nothingLeft()
}

// TestWaitingClient does to clients that wait for a job what happens to them.
func TestWaitingClient(t *testing.T) {
	h := newHouse(t, 2)
	execute(t, h.direct, "INSERT INTO t (a, b) SELECT seq, seq FROM "+mariadbdtest.Numbers(5000))
	other := h.session(1, "")
	has := func(t *testing.T) bool {
		return strings.Contains(h.definitions(), "KEY `waits`")
	}
	lastJob := func(t *testing.T) string {
		return text(t, other, "SELECT state FROM information_schema.ddl_jobs WHERE job_type = 'add index' ORDER BY job_id DESC LIMIT 1")
	}
	for _, way := range []struct{ name, set string }{
		{"native", "SET GLOBAL dxf_native_ddl_max_size = DEFAULT"},
		{"distributed", "SET GLOBAL dxf_native_ddl_max_size = 0"},
	} {
		t.Run(way.name, func(t *testing.T) {
			h.run(other, way.set)
			defer h.run(other, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT")
			t.Run("KILL QUERY", func(t *testing.T) {
				h := h.in(t)
				var conn string
				h.in(t).blocked(func(s *sql.Conn, id int64, _ func()) {
					conn = scan[string](t, h.direct, "SELECT JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.conn_id') FROM `"+h.meta+"`.tidb_ddl_job WHERE job_id = ?", id)
					killer := h.session(0, "")
					h.run(killer, "KILL QUERY "+conn)
				}, func(err error) {
					refused(t, err, 1317, "70100", "Query execution was interrupted")
				})
				require.False(t, has(t))
				require.Contains(t, []string{"rollback done", "cancelled"}, lastJob(t))
			})
			t.Run("ADMIN CANCEL on another node", func(t *testing.T) {
				h.in(t).blocked(func(_ *sql.Conn, id int64, _ func()) {
					var job, result string
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN CANCEL DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, "successful", result)
				}, func(err error) {
					refused(t, err, 8214, "HY000", "Cancelled DDL job")
				})
				require.False(t, has(t))
			})
			t.Run("KILL QUERY on another node", func(t *testing.T) {
				h := h.in(t)
				h.blocked(func(_ *sql.Conn, id int64, _ func()) {
					conn := scan[string](t, h.direct, "SELECT JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.conn_id') FROM `"+h.meta+"`.tidb_ddl_job WHERE job_id = ?", id)
					h.run(other, "KILL QUERY "+conn)
				}, func(err error) {
					refused(t, err, 8214, "HY000", "Cancelled DDL job")
				})
				require.False(t, has(t))
			})
			t.Run("client leaves", func(t *testing.T) {
				h.in(t).blocked(func(_ *sql.Conn, id int64, leave func()) {
					_, err := other.ExecContext(t.Context(), "ALTER TABLE t ADD INDEX WAITS (a)")
					refused(t, err, 1061, "42000", fmt.Sprintf("index already exist WAITS; a background job is trying to add the same index, please check by `ADMIN SHOW DDL JOBS` (job %d)", id))
					leave()
				}, func(err error) {
					require.ErrorIs(t, err, context.Canceled)
				})
				require.True(t, has(t), "the job goes on")
				require.Equal(t, "synced", lastJob(t))
				execute(t, h.direct, "ALTER TABLE t DROP INDEX waits")
			})
			t.Run("PAUSE and RESUME", func(t *testing.T) {
				h.in(t).blocked(func(_ *sql.Conn, id int64, _ func()) {
					var job, result string
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN PAUSE DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, "successful", result)
					h.waitingJob("paused")
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN PAUSE DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, fmt.Sprintf("error: [ddl:8262]Job [%d] has already been paused", id), result)
					require.NoError(t, other.QueryRowContext(t.Context(), fmt.Sprintf("ADMIN RESUME DDL JOBS %d", id)).Scan(&job, &result))
					require.Equal(t, "successful", result)
				}, func(err error) { require.NoError(t, err) })
				require.True(t, has(t))
				execute(t, h.direct, "ALTER TABLE t DROP INDEX waits")
			})
		})
	}
}

// TestWhatClientsRead reads the framework through both nodes.
func TestWhatClientsRead(t *testing.T) {
	h := newHouse(t, 2)
	one, two := h.session(0, ""), h.session(1, "")

	t.Run("variables of the other node", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET GLOBAL tidb_ddl_reorg_worker_cnt = 9")
		require.Equal(t, "9", text(t, two, "SELECT @@global.tidb_ddl_reorg_worker_cnt"))
		require.Equal(t, "4", text(t, two, "SELECT @@tidb_ddl_reorg_worker_cnt"), "sessions that are there keep their value")
		require.Eventually(t, func() bool {
			return text(t, h.session(1, ""), "SELECT @@tidb_ddl_reorg_worker_cnt") == "9"
		}, 30*time.Second, 100*time.Millisecond)
		h.run(two, "SET GLOBAL tidb_ddl_reorg_worker_cnt = DEFAULT")
		require.Equal(t, "4", text(t, one, "SELECT @@global.tidb_ddl_reorg_worker_cnt"))
	})
	t.Run("service scope is a node's own", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET GLOBAL tidb_service_scope = 'Background'")
		require.Equal(t, "", text(t, two, "SELECT @@global.tidb_service_scope"))
		require.Equal(t, "background", text(t, two, "SELECT role FROM mysql.dist_framework_meta WHERE host = ?", h.nodes[0].Addr))
		h.run(one, "SET GLOBAL tidb_service_scope = ''")
	})
	t.Run("scopes mixed", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET @u = 3", "SET SESSION tidb_ddl_reorg_batch_size = 64, GLOBAL tidb_ddl_reorg_batch_size = 128, sort_buffer_size = 300000, @@local.tidb_ddl_reorg_worker_cnt = @u + 4")
		require.Equal(t, "64", text(t, one, "SELECT @@tidb_ddl_reorg_batch_size"))
		require.Equal(t, "128", text(t, two, "SELECT @@global.tidb_ddl_reorg_batch_size"))
		require.Equal(t, "300000", text(t, one, "SELECT @@sort_buffer_size"))
		h.run(one, "SET GLOBAL tidb_ddl_reorg_batch_size = DEFAULT")
		require.Equal(t, "256", text(t, two, "SELECT @@global.tidb_ddl_reorg_batch_size"))
	})
	t.Run("jobs", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET GLOBAL dxf_native_ddl_max_size = 0")
		defer h.run(one, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT")
		h.run(one, "ALTER TABLE t ADD INDEX seen (a)")
		archived(t, h.direct, h.meta)
		require.Equal(t, "succeed", text(t, two, "SELECT state FROM mysql.tidb_global_task_history ORDER BY id DESC LIMIT 1"))
		require.Equal(t, "succeed", text(t, two, "SELECT state FROM mysql.tidb_global_task_history WHERE id > ? ORDER BY id DESC LIMIT 1", 0), "prepared")
		require.Equal(t, "add index|synced|3", text(t, two, "SELECT CONCAT_WS('|', job_type, state, row_count) FROM information_schema.ddl_jobs WHERE db_name = ? AND table_name = 't' ORDER BY job_id DESC LIMIT 1", h.schema))
		require.Equal(t, "0", text(t, two, "SELECT COUNT(*) FROM mysql.tidb_global_task"))
		p, err := two.PrepareContext(t.Context(), "ADMIN SHOW DDL JOBS 1")
		require.NoError(t, err)
		defer p.Close()
		cols, vals := firstRow(t, func() (*sql.Rows, error) { return p.QueryContext(t.Context()) })
		require.Len(t, cols, 13)
		require.Equal(t, "add index", vals[3])
		require.Equal(t, "synced", vals[11])
	})
	t.Run("DDL that is not a job", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "ALTER TABLE t ADD COLUMN z INT", "DROP TABLE IF EXISTS nope")
		if onMariaDB() {
			h.run(one, "ALTER TABLE t DROP COLUMN IF EXISTS nope")
		}
		require.Equal(t, "add column|synced|public", text(t, two, "SELECT CONCAT_WS('|', job_type, state, schema_state) FROM information_schema.ddl_jobs ORDER BY job_id DESC LIMIT 1"))
		_, err := one.ExecContext(t.Context(), "ALTER TABLE t DROP COLUMN nope")
		refused(t, err, 1091, "42000", "")
		require.Equal(t, "add column", text(t, two, "SELECT job_type FROM information_schema.ddl_jobs ORDER BY job_id DESC LIMIT 1"))
	})
	t.Run("notes", func(t *testing.T) {
		h := h.in(t)
		h.run(one, "SET GLOBAL dxf_native_ddl_max_size = 0")
		defer h.run(one, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT")
		h.run(one, "CREATE TABLE nokey (a INT)", "INSERT INTO nokey VALUES (1)", "ALTER TABLE nokey ADD INDEX i (a)")
		var level, code, message string
		require.NoError(t, one.QueryRowContext(t.Context(), "SHOW WARNINGS").Scan(&level, &code, &message))
		require.Equal(t, "Note", level)
		require.Contains(t, message, "cannot be copied online")
		require.Equal(t, "1", text(t, one, "SHOW COUNT(*) WARNINGS"))
		h.run(one, "DO 1")
		require.ErrorIs(t, one.QueryRowContext(t.Context(), "SHOW WARNINGS").Scan(&level, &code, &message), sql.ErrNoRows)
		if !onMariaDB() {
			return
		}
		h.run(one, "ALTER TABLE nokey ADD INDEX IF NOT EXISTS i (a)")
		require.NoError(t, one.QueryRowContext(t.Context(), "SHOW WARNINGS").Scan(&level, &code, &message))
		require.Equal(t, "Note 1061", level+" "+code)
	})
	h.nothingLeft()
}
