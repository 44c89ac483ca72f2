package dxftest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// trust is a house with a victim's schema, and accounts that have no right in it:
// hack may do everything with tables of his own schema, alteronly and indexonly
// have the one privilege on one table.
type trust struct {
	*house
	victim string
}

func newTrust(t *testing.T, nodes int) *trust {
	t.Helper()
	h := newHouse(t, nodes)
	v := &trust{h, h.schema + "_victim"}
	for _, q := range []string{
		"CREATE DATABASE " + v.victim, "CREATE TABLE " + v.victim + ".secret (id INT PRIMARY KEY, pw VARCHAR(40))",
		"INSERT INTO " + v.victim + ".secret VALUES (1, 'victim-pw'), (42, 'x')",
		"CREATE TABLE " + v.victim + ".msec (id INT NOT NULL, pw VARCHAR(40), KEY i (pw)) ENGINE=MyISAM", "INSERT INTO " + v.victim + ".msec VALUES (1, 'victim-myisam-pw')",
		"CREATE TABLE mine (id INT PRIMARY KEY, a INT, b INT)", "INSERT INTO mine VALUES (1, 1, 1)",
		"CREATE USER hack@'%' IDENTIFIED BY 'pw'", "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER ON `" + h.schema + "`.* TO hack@'%'",
		"CREATE USER alteronly@'%' IDENTIFIED BY 'pw'", "GRANT ALTER ON " + h.schema + ".mine TO alteronly@'%'",
		"CREATE USER indexonly@'%' IDENTIFIED BY 'pw'", "GRANT INDEX ON " + h.schema + ".mine TO indexonly@'%'",
	} {
		execute(t, h.direct, q)
	}
	t.Cleanup(func() {
		for _, q := range []string{"DROP DATABASE " + v.victim, "DROP USER hack@'%', alteronly@'%', indexonly@'%'"} {
			_, _ = h.direct.Exec(q)
		}
	})
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	return v
}

// unharmed demands that the victim's tables and everybody's rights are as before.
func (v *trust) unharmed(what string) {
	v.Helper()
	text := func(q string) string { return scan[string](v.T, v.direct, q) }
	require.Equal(v, "1 victim-pw, 42 x", text("SELECT GROUP_CONCAT(CONCAT(id, ' ', pw) ORDER BY id SEPARATOR ', ') FROM "+v.victim+".secret"), what)
	require.Equal(v, "1 victim-myisam-pw", text("SELECT GROUP_CONCAT(CONCAT(id, ' ', pw) ORDER BY id SEPARATOR ', ') FROM "+v.victim+".msec"), what)
	require.Equal(v, "msec,secret", text("SELECT GROUP_CONCAT(TABLE_NAME ORDER BY TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '"+v.victim+"'"), what)
	require.Equal(v, 0, scan[int](v.T, v.direct, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME IN ('stolen', 'planted', 'hashes')"), what)
	require.NotContains(v, text("SELECT GROUP_CONCAT(PRIVILEGE_TYPE) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE LIKE '''hack''%'"), "SUPER", what)
}

// TestS1ShiftedSpan: bytes that a transport makes longer, in a comment in front,
// used to move the place of the table's name into other text, and that ran under
// the account of the store.
func TestS1ShiftedSpan(t *testing.T) {
	v := newTrust(t, 1)
	for _, who := range []string{"hack", "alteronly", "indexonly"} {
		for _, charset := range []string{"latin1", "utf8mb4", "binary"} {
			for n, inject := range []string{
				"RENAME TABLE " + v.victim + ".secret TO " + v.schema + ".stolen",
				"DELETE FROM " + v.victim + ".secret",
				"CREATE TABLE " + v.schema + ".hashes AS SELECT * FROM mysql.db",
				"GRANT ALL ON *.* TO hack@'%'",
			} {
				s := v.session(0, who)
				_, err := s.ExecContext(t.Context(), "SET NAMES "+charset)
				require.NoError(t, err)
				for _, head := range []string{"ALTER TABLE " + v.schema + ".mine ADD INDEX i%d (a)", "CREATE INDEX i%d ON " + v.schema + ".mine (a)"} {
					middle := "/*A*/ -- B*/ " + inject + " /*\n"
					if (len(middle)+9)%2 != 0 {
						middle = "/*A*/ -- B*/  " + inject + " /*\n"
					}
					text := "/*" + strings.Repeat("\xe9", (len(middle)+9)/2) + "*/" + middle + fmt.Sprintf(head, n) + " -- */"
					_, err := s.ExecContext(t.Context(), text)
					t.Logf("%s, %s, %s: %v", who, charset, head, err)
					v.unharmed(who + " " + charset + " " + inject)
				}
				s.Close()
				_, _ = v.direct.Exec(fmt.Sprintf("DROP INDEX i%d ON mine", n))
			}
		}
	}
	v.nothingLeft()
}

// TestS1Letters: names and comments beyond ASCII are what the client wrote.
func TestS1Letters(t *testing.T) {
	v := newTrust(t, 1)
	execute(t, v.direct, "CREATE TABLE `é` (id INT PRIMARY KEY, `ü` INT)")
	s := v.session(0, "hack")
	v.run(s, "SET NAMES latin1", "ALTER TABLE \xe9 ADD INDEX e2 (id) COMMENT '\xe9t\xe9'", "ALTER TABLE `\xe9` ADD INDEX `\xef` (`\xfc`)")
	require.Equal(t, "été", scan[string](t, v.direct, "SELECT INDEX_COMMENT FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND INDEX_NAME = 'e2'", v.schema))
	require.Equal(t, "ü", scan[string](t, v.direct, "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND INDEX_NAME = 'ï'", v.schema))
}

// TestS2OptionsBehindOptions: a table option that reaches for other tables hides
// behind one that does not.
func TestS2OptionsBehindOptions(t *testing.T) {
	v := newTrust(t, 1)
	execute(t, v.direct, "CREATE TABLE m (id INT NOT NULL, pw VARCHAR(40))")
	for _, options := range []string{
		"COLLATE utf8mb4_general_ci ENGINE=MRG_MYISAM UNION=(%s.msec)", "CHARSET utf8mb4 ENGINE=MRG_MYISAM UNION=(%s.msec)",
		"COMMENT 'x' ENGINE=MRG_MYISAM UNION=(%s.msec)", "AUTO_INCREMENT 3 ENGINE=MRG_MYISAM UNION=(%s.msec)",
		"DEFAULT CHARACTER SET utf8mb4 UNION=(%s.msec) ENGINE=MERGE", "ENGINE=MRG_MYISAM UNION=(%s.msec)",
	} {
		for _, alter := range []string{"ALTER TABLE m ADD INDEX i (pw), ", "ALTER TABLE m ADD INDEX i (pw) "} {
			s := v.session(0, "hack")
			_, err := s.ExecContext(t.Context(), alter+fmt.Sprintf(options, v.victim))
			require.Error(t, err, options)
			var rows int
			if err := s.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM m").Scan(&rows); err == nil {
				require.Zero(t, rows, "%s shows the victim's rows", options)
			}
			s.Close()
		}
	}
	v.unharmed("MERGE")
}

// TestS3HiddenByQuotes: MySQL's status flags do not tell of ANSI_QUOTES; a
// backslash in a quoted name looked like the escape of a text's end.
func TestS3HiddenByQuotes(t *testing.T) {
	v := newTrust(t, 1)
	execute(t, v.direct, "CREATE TABLE x (id INT PRIMARY KEY, a INT)")
	for _, mode := range []string{"ANSI_QUOTES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ANSI", "NO_BACKSLASH_ESCAPES", ""} {
		s := v.session(0, "hack")
		v.run(s, "SET sql_mode = '"+mode+"'")
		for _, text := range []string{
			`ALTER TABLE x RENAME COLUMN a TO "\", RENAME TO ` + v.victim + `.planted -- ", ADD INDEX i (a)`,
			`ALTER TABLE x RENAME COLUMN a TO '\', RENAME TO ` + v.victim + `.planted -- ', ADD INDEX i (a)`,
			`ALTER TABLE x ADD INDEX i (a) COMMENT '\', RENAME TO ` + v.victim + `.planted -- '`,
			`ALTER TABLE x ADD INDEX i (a) COMMENT "\", RENAME TO ` + v.victim + `.planted -- "`,
		} {
			_, err := s.ExecContext(t.Context(), text)
			t.Logf("%q: %s: %v", mode, text, err)
			v.unharmed(text)
		}
		s.Close()
		_, _ = v.direct.Exec("DROP INDEX i ON x")
	}
}

// TestS6AwkwardColumns: a column whose name ends in a backslash, in a session with
// ANSI_QUOTES, made a job that could never be cleaned up. It gets its index by
// copying, as in any other session.
func TestS6AwkwardColumns(t *testing.T) {
	v := newTrust(t, 1)
	execute(t, v.direct, "CREATE TABLE z (id INT PRIMARY KEY, `c\\` INT, a INT)")
	s := v.session(0, "hack")
	v.run(s, "SET sql_mode = 'ANSI_QUOTES'", "ALTER TABLE z ADD INDEX zi (a)")
	v.distributed()
	v.nothingLeft()
}

// TestTrustComments: MariaDB keeps an option that no engine knows, and shows it in a
// comment that its own value can end. The indexes of a shadow are made of what it
// shows, by the account of the store.
func TestTrustComments(t *testing.T) {
	if !onMariaDB() { // only make test-stores has another server
		t.Skip("MySQL has no options beside those that it knows")
	}
	v := newTrust(t, 1)
	session, err := v.direct.Conn(t.Context())
	require.NoError(t, err)
	defer session.Close()
	for _, q := range []string{
		"SET sql_mode = 'IGNORE_BAD_TABLE_OPTIONS'",
		"CREATE TABLE f (id INT PRIMARY KEY, a INT, b INT, KEY k (a) `x`='*/, RENAME TO " + v.victim + ".planted -- ')",
		"CREATE TABLE g (id INT NOT NULL, pw VARCHAR(40), b INT, KEY k (b) `x`='*/, ENGINE=MRG_MYISAM UNION=(" + v.victim + ".msec) -- ')",
		"CREATE TABLE c (id INT PRIMARY KEY, a INT, b INT `x`='*/, RENAME TO " + v.victim + ".planted -- ')",
		"INSERT INTO f VALUES (1, 1, 1)", "INSERT INTO c VALUES (1, 1, 1)",
	} {
		_, err := session.ExecContext(t.Context(), q)
		require.NoError(t, err, q)
	}
	s := v.session(0, "hack")
	v.run(s, "ALTER TABLE f ADD INDEX i (b)")
	v.distributed()
	v.run(s, "ALTER TABLE f RENAME INDEX k TO l, ADD INDEX j (b)", "ALTER TABLE g ADD INDEX i (pw)", "ALTER TABLE c MODIFY b BIGINT, ADD INDEX i (b)")
	v.unharmed("options in comments")
	require.Equal(t, "i,j,l", scan[string](t, v.direct, "SELECT GROUP_CONCAT(INDEX_NAME ORDER BY INDEX_NAME) FROM information_schema.STATISTICS "+
		"WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'f' AND INDEX_NAME <> 'PRIMARY'", v.schema))
	v.nothingLeft()
}

// TestTrustTextsWithoutEscapes: MariaDB shows a text with a character set of its own
// without escapes, so that it seems to end where its author likes. The statement runs
// on the client's own session where that cannot be read.
func TestTrustTextsWithoutEscapes(t *testing.T) {
	v := newTrust(t, 1)
	s := v.session(0, "hack")
	for i, text := range []string{"x'5c27'", "x'5c5c5c27'", "x'5c5c5c5c5c5c5c27'", "x'415c2729292c204b455920606a756e6b602028606129202d2d20'"} {
		name := fmt.Sprintf("l%d", i)
		v.run(s, "CREATE TABLE "+name+" (id INT PRIMARY KEY, a VARCHAR(90), b INT) CHARSET=latin1",
			"ALTER TABLE "+name+" ADD INDEX i (a), ADD CONSTRAINT c"+name+" CHECK (a <> _latin1 "+text+")")
		// MariaDB may be unable to read what it has written itself; then it says so.
		if _, err := s.ExecContext(t.Context(), "ALTER TABLE "+name+" ADD INDEX j (b)"); err != nil {
			require.ErrorContains(t, err, "1064", text)
		}
		v.unharmed(text)
	}
	v.nothingLeft()
}

// TestS18AnotherTable: a job is about the table that its statement named, and its
// submitter's act: not about what comes to have the name, and not of somebody who
// has lost the right.
func TestS18AnotherTable(t *testing.T) {
	v := newTrust(t, 2)
	root := v.session(0, "")
	const create = "CREATE TABLE mine2 (id INT PRIMARY KEY, a INT, b INT)"
	for _, c := range []struct {
		name string
		then []string // while the job waits
		code uint16   // 0: it succeeds
	}{
		{"revoked", []string{"REVOKE ALTER ON SCHEMA.* FROM hack@'%'"}, 1142},
		{"account gone", []string{"DROP USER hack@'%'"}, 1142},
		{"made again", []string{"DROP TABLE mine2", create}, 8028},
		{"renamed into its place", []string{"RENAME TABLE mine2 TO mine3", create}, 8028},
		{"rebuilt without a node", []string{"ALTER TABLE mine2 ENGINE=InnoDB"}, 8028},
		{"nothing", nil, 0},
		{"changed in the dictionary", []string{"ALTER TABLE mine2 COMMENT 'x'"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &trust{v.in(t), v.victim}
			execute(t, v.direct, "CREATE USER IF NOT EXISTS hack@'%' IDENTIFIED BY 'pw'")
			execute(t, v.direct, "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER ON `"+v.schema+"`.* TO hack@'%'")
			execute(t, v.direct, "DROP TABLE IF EXISTS mine2, mine3, big")
			execute(t, v.direct, create)
			execute(t, v.direct, "INSERT INTO mine2 VALUES (1, 1, 1)")
			// A job ahead on the same table holds the queue: a row keeps its copy waiting
			// until it is paused.
			holder := v.session(0, "")
			v.run(holder, "BEGIN", "SELECT * FROM mine2 WHERE id = 1 FOR UPDATE")
			first := v.begin("hack", "ALTER TABLE mine2 ADD INDEX first (b)")
			v.waitJobs(1)
			ahead := scan[string](t, v.direct, "SELECT job_id FROM `"+v.meta+"`.tidb_ddl_job")
			v.run(root, "ADMIN PAUSE DDL JOBS "+ahead)
			v.waitState(ahead, "paused")
			v.run(holder, "ROLLBACK")
			second := v.begin("hack", "ALTER TABLE mine2 ADD INDEX second (a)")
			v.waitJobs(2)
			for _, q := range c.then {
				execute(t, v.direct, strings.ReplaceAll(q, "SCHEMA", "`"+v.schema+"`"))
			}
			v.run(root, "ADMIN CANCEL DDL JOBS "+ahead)
			require.Error(t, <-first)
			err := <-second
			if c.code == 0 {
				require.NoError(t, err)
			} else {
				var e *mysql.MySQLError
				require.ErrorAs(t, err, &e)
				require.Equal(t, c.code, e.Number, e.Message)
			}
			n := scan[int](t, v.direct, "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND INDEX_NAME = 'second'", v.schema)
			require.Equal(t, c.code == 0, n == 1, "index second")
			v.nothingLeft()
		})
	}
}

// begin runs a statement on a session of its own and tells when it has ended.
func (v *trust) begin(user, statement string) <-chan error {
	v.Helper()
	s := v.session(0, user)
	ended := make(chan error, 1)
	go func() {
		_, err := s.ExecContext(v.Context(), statement)
		ended <- err
	}()
	return ended
}

// waitState waits until a job is in a state.
func (v *trust) waitState(job, state string) {
	v.Helper()
	require.Eventually(v, func() bool {
		return scan[string](v.T, v.direct, "SELECT COALESCE(MAX(JSON_UNQUOTE(JSON_EXTRACT(CONVERT(job_meta USING utf8mb4), '$.state'))), '') FROM `"+v.meta+
			"`.tidb_ddl_job WHERE job_id = "+job) == state
	}, 20*time.Second, 10*time.Millisecond, "job %s is not %s", job, state)
}

// waitJobs waits until so many jobs are unfinished.
func (v *trust) waitJobs(n int) {
	v.Helper()
	require.Eventually(v, func() bool {
		return scan[int](v.T, v.direct, "SELECT COUNT(*) FROM `"+v.meta+"`.tidb_ddl_job") == n
	}, 20*time.Second, 10*time.Millisecond)
}
