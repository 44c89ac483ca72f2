package dxftest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

// accepted is an ALTER that works, and what has to come before and after it.
type accepted struct {
	name   string
	before []string // besides CREATE TABLE x (id INT PRIMARY KEY, a INT, b VARCHAR(20))
	alter  string
	index  string
	after  []string
	params string

	mariadb bool // has it alone
}

var acceptances = []accepted{
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

// hasIndex demands that a table has an index.
func (h *house) hasIndex(table, index string) {
	h.Helper()
	n := scan[int](h.T, h.direct, "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? AND index_name = ? AND seq_in_index = 1",
		h.schema, table, index)
	require.Equal(h, 1, n, "index %s of %s", index, table)
}

// TestAccepted does what is unusual and works, each on a table of its own.
func TestAccepted(t *testing.T) {
	h := newHouse(t, 1)
	root := h.session(0, "")
	for _, way := range []struct{ name, set string }{
		{"native", "SET GLOBAL dxf_native_ddl_max_size = DEFAULT"},
		{"distributed", "SET GLOBAL dxf_native_ddl_max_size = 0"},
	} {
		h.run(root, way.set)
		for _, c := range acceptances {
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
				h.hasIndex("x", c.index)
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
		h.hasIndex("t", "in_tx")
	})
	t.Run("prepared", func(t *testing.T) { h.in(t).prepared() })
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

// prepared prepares an ALTER and executes it twice.
func (h *house) prepared() {
	t := h.T
	s := h.session(0, "")
	p, err := s.PrepareContext(t.Context(), "ALTER TABLE t ADD INDEX prepared (a)")
	require.NoError(t, err)
	defer p.Close()
	_, err = p.ExecContext(t.Context())
	require.NoError(t, err)
	h.hasIndex("t", "prepared")
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
}
