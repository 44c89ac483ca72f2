package dxftest

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// comments reads COMMENTS of the newest job.
func (h *house) comments(c *sql.Conn) string {
	h.Helper()
	columns, values := firstRow(h.T, func() (*sql.Rows, error) { return c.QueryContext(h.Context(), "ADMIN SHOW DDL JOBS 1") })
	require.Equal(h, "COMMENTS", columns[len(columns)-1])
	return values[len(values)-1]
}

// firstRow asks and returns the first row of the answer, NULL as "".
func firstRow(t *testing.T, ask func() (*sql.Rows, error)) (columns, values []string) {
	t.Helper()
	rows, err := ask()
	require.NoError(t, err)
	defer rows.Close()
	columns, err = rows.Columns()
	require.NoError(t, err)
	require.True(t, rows.Next(), "no rows")
	texts := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range texts {
		into[i] = &texts[i]
	}
	require.NoError(t, rows.Scan(into...))
	for _, text := range texts {
		values = append(values, text.String)
	}
	require.NoError(t, rows.Err())
	return columns, values
}

// warnings is what SHOW WARNINGS answers, one line each.
func (h *house) warnings(c *sql.Conn) string {
	h.Helper()
	rows, err := c.QueryContext(h.Context(), "SHOW WARNINGS")
	require.NoError(h, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var level, code, message string
		require.NoError(h, rows.Scan(&level, &code, &message))
		all = append(all, level+": "+message)
	}
	require.NoError(h, rows.Err())
	return strings.Join(all, "\n")
}

// steps lists the steps that the newest task had.
func (h *house) steps() string {
	h.Helper()
	archived(h.T, h.direct, h.meta)
	return scan[string](h.T, h.direct, "SELECT COALESCE(GROUP_CONCAT(DISTINCT step ORDER BY step), '') FROM `"+h.meta+
		"`.tidb_background_subtask_history WHERE task_key = (SELECT MAX(id) FROM `"+h.meta+"`.tidb_global_task_history)")
}

// made is the meta of the newest task.
func (h *house) made() string {
	h.Helper()
	archived(h.T, h.direct, h.meta)
	return scan[string](h.T, h.direct, "SELECT COALESCE(MAX(CONVERT(meta USING utf8mb4)), '') FROM `"+h.meta+
		"`.tidb_global_task_history WHERE id = (SELECT MAX(id) FROM `"+h.meta+"`.tidb_global_task_history)")
}

const (
	copied   = "1,2,4" // nobody writes to the table: there is nothing to verify
	natively = "5"
)

// wayTable is the table of a statement that brings none.
const wayTable = "CREATE TABLE %s (id INT AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL, b VARCHAR(60), c TEXT, KEY old (b))"

// ways are statements, and the way that each goes.
var ways = []struct {
	name   string
	set    string
	create []string // with %s for the table; wayTable when nil
	alter  string   // with %s
	way    string   // steps
	says   string   // COMMENTS; "ingest, DXF" when empty
	note   string   // part of the Note; "" for none
	own    bool     // no job: it runs on the client's own session

	mariadb, mysql bool // has it alone
}{
	{name: "distributed", alter: "ALTER TABLE %s ADD INDEX i (a)", way: copied},
	{name: "several", alter: "ALTER TABLE %s ADD INDEX i (a), ADD UNIQUE KEY j (b, a), ADD KEY k (c(10)), ADD INDEX (a, b)", way: copied},
	{name: "with ADD COLUMN and DROP INDEX", alter: "ALTER TABLE %s ADD COLUMN d INT DEFAULT 5 AFTER a, ADD INDEX i (d, a), DROP INDEX old", way: copied},
	{name: "with DROP COLUMN", alter: "ALTER TABLE %s DROP COLUMN c, ADD INDEX i (a)", way: natively, note: "column c is dropped"},
	{name: "with ADD COLUMN of the time", alter: "ALTER TABLE %s ADD COLUMN d TIMESTAMP DEFAULT CURRENT_TIMESTAMP, ADD INDEX i (a)", way: natively, note: "column d is to be filled by an expression"},
	{name: "with ADD COLUMN of the local time", alter: "ALTER TABLE %s ADD COLUMN d DATETIME DEFAULT CURRENT_TIMESTAMP, ADD INDEX i (a)", own: true},
	{name: "with a generated column", alter: "ALTER TABLE %s ADD COLUMN d INT AS (a + 1) STORED, ADD INDEX i (d)", way: natively, note: "every value of generated column d has to be checked"},
	{name: "DESC", alter: "ALTER TABLE %s ADD INDEX i (a DESC, b ASC)", way: copied},
	{name: "options", alter: "ALTER TABLE %s ADD INDEX i USING BTREE (a) COMMENT 'it''s ü'", way: copied},
	{name: "ignored", alter: "ALTER TABLE %s ADD INDEX i (a) IGNORED", way: copied, mariadb: true},
	{name: "IF NOT EXISTS", alter: "ALTER TABLE %s ADD INDEX IF NOT EXISTS i (a), ADD INDEX IF NOT EXISTS old (a)", way: copied, mariadb: true},
	{name: "CREATE INDEX", alter: "CREATE INDEX i ON %s (b(5), a)", way: copied},
	{name: "CREATE UNIQUE INDEX", alter: "CREATE UNIQUE INDEX i ON %s (b)", way: copied},
	{name: "CREATE UNIQUE INDEX IF NOT EXISTS", alter: "CREATE UNIQUE INDEX IF NOT EXISTS i ON %s (b)", way: copied, mariadb: true},
	{name: "CREATE OR REPLACE INDEX", alter: "CREATE OR REPLACE INDEX old ON %s (a)", way: copied, mariadb: true},
	{name: "ALGORITHM=INPLACE, LOCK=NONE", alter: "ALTER TABLE %s ADD INDEX i (a), ALGORITHM=INPLACE, LOCK=NONE", way: copied},
	{name: "LOCK=SHARED", alter: "CREATE INDEX i ON %s (a) LOCK=SHARED", way: natively},
	{name: "ALGORITHM=COPY", alter: "ALTER TABLE %s ADD INDEX i (a), ALGORITHM=COPY", way: natively},
	{name: "FULLTEXT", alter: "ALTER TABLE %s ADD FULLTEXT INDEX i (c)", way: copied},
	{name: "small", set: "SET GLOBAL dxf_native_ddl_max_size = DEFAULT", alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively},
	{name: "native", set: "SET GLOBAL tidb_enable_dist_task = OFF", alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, says: "ingest"},
	{name: "txn", set: "SET GLOBAL tidb_enable_dist_task = OFF, GLOBAL tidb_ddl_enable_fast_reorg = OFF", alter: "ALTER TABLE %s ADD INDEX i (a)", way: copied, says: "txn"},
	{
		name: "no key", create: []string{"CREATE TABLE %s (id INT, a INT NOT NULL, b VARCHAR(60), c TEXT, UNIQUE KEY n (id))"},
		alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, note: "it has no primary key or NOT NULL unique key",
	},
	{
		name: "triggers", create: []string{wayTable, "CREATE TRIGGER tr_%s AFTER DELETE ON %s FOR EACH ROW SET @x = 1"},
		alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, note: "it has trigger tr_w",
	},
	{
		name: "child", create: []string{wayTable, "ALTER TABLE %s ADD CONSTRAINT fk_%s FOREIGN KEY (a) REFERENCES parent (id) ON DELETE CASCADE"},
		alter: "ALTER TABLE %s ADD INDEX i (a, b)", way: natively, note: "foreign key fk_w changes rows (cascade)",
	},
	{
		name: "parent", create: []string{wayTable, "CREATE TABLE child_%s (x INT, CONSTRAINT fk_%s FOREIGN KEY (x) REFERENCES %s (id))"},
		alter: "ALTER TABLE %s ADD INDEX i (a, b)", way: natively, note: "refers to it",
	},
	{
		name: "system-versioned", create: []string{strings.TrimSuffix(wayTable, ")") + ") WITH SYSTEM VERSIONING"},
		set:   "SET GLOBAL system_versioning_alter_history = KEEP, SESSION system_versioning_alter_history = KEEP",
		alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, note: "it is system-versioned", mariadb: true,
	},
	{
		name: "compressed column", create: []string{"CREATE TABLE %s (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(60), c TEXT COMPRESSED)"},
		alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, note: "column c is compressed", mariadb: true,
	},
	{
		name: "JSON", create: []string{"CREATE TABLE %s (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(60), c TEXT, j JSON)"},
		alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, note: "column j is JSON", mysql: true,
	},
	{
		name: "CHECK", create: []string{"CREATE TABLE %s (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(60), c TEXT, CONSTRAINT positive_%s CHECK (a > 0))"},
		alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, note: "it has a CHECK constraint", mysql: true,
	},
	{name: "type changed", alter: "ALTER TABLE %s MODIFY a BIGINT UNSIGNED, ADD INDEX i (a)", way: natively, note: "column a"},
	{name: "charset changed", alter: "ALTER TABLE %s CONVERT TO CHARACTER SET utf16, ADD INDEX i (a)", own: true},
	{name: "default charset changed", alter: "ALTER TABLE %s DEFAULT CHARACTER SET latin1, ADD INDEX i (a)", own: true},
	{name: "default by an expression", alter: "ALTER TABLE %s ADD COLUMN d INT DEFAULT (1 + 1), ADD INDEX i (d)", own: true},
	{name: "key changed", alter: "ALTER TABLE %s DROP PRIMARY KEY, ADD PRIMARY KEY (id, a)", way: natively, note: "PRIMARY"},
	{
		name: "MyISAM", create: []string{wayTable + " ENGINE=MyISAM"},
		alter: "ALTER TABLE %s ADD INDEX i (a)", way: natively, note: "its storage engine is MyISAM",
	},
}

// TestWays runs statements under every setting, and compares each result with
// what the store makes of the same statement on the same table without us.
func TestWays(t *testing.T) {
	h := newHouse(t, 2)
	const always = "SET GLOBAL dxf_native_ddl_max_size = 0"
	for _, c := range ways {
		if c.mariadb && !onMariaDB() || c.mysql && onMariaDB() {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			h := h.in(t)
			s := h.session(0, "")
			defer s.Close()
			defer execute(t, h.direct, "DROP TABLE IF EXISTS child_w, child_w_twin, w, w_twin, parent")
			h.run(s, always)
			if c.set != "" {
				h.run(s, c.set)
				defer h.run(s, "SET GLOBAL tidb_enable_dist_task = ON, GLOBAL tidb_ddl_enable_fast_reorg = ON")
			}
			if c.create == nil {
				c.create = []string{wayTable}
			}
			execute(t, h.direct, "CREATE TABLE parent (id INT PRIMARY KEY)")
			execute(t, h.direct, "INSERT INTO parent SELECT seq FROM "+mariadbdtest.Numbers(3000))
			for _, name := range []string{"w", "w_twin"} {
				for _, q := range c.create {
					execute(t, h.direct, strings.ReplaceAll(q, "%s", name))
				}
				execute(t, h.direct, "INSERT INTO "+name+" (id, a, b, c) SELECT seq, seq, CONCAT('b', seq), CONCAT('some words ', seq) FROM "+mariadbdtest.Numbers(3000))
			}

			made := h.made()
			h.run(s, strings.ReplaceAll(c.alter, "%s", "w"))
			warnings, comments := h.warnings(s), h.comments(s)
			switch {
			case c.own:
				require.Equal(t, made, h.made(), "a job was made of it")
			case c.says == "":
				c.says = "ingest, DXF"
			}
			if !c.own {
				require.Equal(t, c.way, h.steps(), "steps")
			}
			first, _, _ := strings.Cut(comments, "; ")
			require.Equal(t, c.says, first, "COMMENTS: %s", comments)
			if c.note == "" {
				require.NotContains(t, warnings, "cannot be copied")
			} else {
				require.Contains(t, warnings, "Note: ")
				require.Contains(t, warnings, c.note)
			}
			require.Equal(t, "synced", h.state())

			execute(t, h.direct, strings.ReplaceAll(c.alter, "%s", "w_twin"))
			require.Equal(t, strings.ReplaceAll(h.definition("w_twin"), "w_twin", "w"), h.definition("w"))
			if c.name != "system-versioned" && !strings.HasSuffix(c.name, " time") { // rows know when they were written
				require.Equal(t, h.checksum("w_twin"), h.checksum("w"))
			}
			h.nothingLeft()
		})
	}

	t.Run("txn on one node", func(t *testing.T) {
		h := h.in(t)
		s := h.session(1, "")
		h.run(s, always, "SET GLOBAL tidb_enable_dist_task = OFF, GLOBAL tidb_ddl_enable_fast_reorg = OFF, SESSION tidb_ddl_reorg_batch_size = 100",
			"CREATE TABLE w (id INT PRIMARY KEY, a INT)", "INSERT INTO w SELECT seq, seq FROM "+mariadbdtest.Numbers(25000))
		defer h.run(s, "SET GLOBAL tidb_enable_dist_task = ON, GLOBAL tidb_ddl_enable_fast_reorg = ON")
		inserts := func() (n int) {
			var name string
			require.NoError(t, h.direct.QueryRow("SHOW GLOBAL STATUS LIKE 'Com_insert_select'").Scan(&name, &n))
			return n
		}
		before := inserts()
		h.run(s, "SET SESSION tidb_ddl_reorg_priority = 'PRIORITY_HIGH'", "ALTER TABLE w ADD INDEX i (a)")
		require.GreaterOrEqual(t, inserts()-before, 250, "chunks of 100 rows")
		archived(t, h.direct, h.meta)
		nodes := scan[int](t, h.direct, "SELECT COUNT(DISTINCT exec_id) FROM `"+h.meta+"`.tidb_background_subtask_history WHERE step = 1 AND task_key = (SELECT MAX(id) FROM `"+h.meta+"`.tidb_global_task_history)")
		require.Equal(t, 1, nodes)
		h.nothingLeft()
	})
}
