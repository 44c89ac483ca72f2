package dxftest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

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

// refusals are statements that cannot or may not be done.
var refusals = []struct {
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
	{name: "name too long", statement: "ALTER TABLE t ADD INDEX " + strings.Repeat("x", 65) + " (a)", code: 1059, state: "42000"},
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
	for _, c := range refusals {
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
