package dxftest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// looker is an account with everything in the test's schema, views too, that may read
// the victim's table.
func (v *trust) looker() {
	v.Helper()
	v.account("looker")
	v.Cleanup(func() { _, _ = v.direct.Exec("DROP USER IF EXISTS looker@'%'") })
	execute(v.T, v.direct, "GRANT SELECT ON "+v.victim+".secret TO looker@'%'")
	execute(v.T, v.direct, "GRANT FILE ON *.* TO looker@'%'")
}

// copyOf waits until a job has put rows into a table of its own, and says its name.
func (v *trust) copyOf(table string) (name string) {
	v.Helper()
	require.Eventually(v, func() bool {
		name = scan[string](v.T, v.direct, "SELECT COALESCE(MAX(TABLE_NAME), '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME LIKE ?",
			v.schema, table+`\_%\_new`)
		var n int
		return name != "" && v.direct.QueryRow("SELECT COUNT(*) FROM `"+name+"`").Scan(&n) == nil && n > 0
	}, 30*time.Second, 5*time.Millisecond, "no copy of %s", table)
	return name
}

// stuckCopy makes a table big and has looker add an index to it. Its copy does not come
// to its end before release: one of the rows is locked. answer is what looker is told.
func (v *trust) stuckCopy() (answer chan error, release func()) {
	v.Helper()
	execute(v.T, v.direct, "CREATE TABLE big (id INT PRIMARY KEY, pw VARCHAR(40))")
	execute(v.T, v.direct, "INSERT INTO big SELECT seq + 99, 'planted' FROM "+mariadbdtest.Numbers(3000))
	holder := v.session(0, "")
	v.run(holder, "BEGIN", "SELECT * FROM big WHERE id = 2500 FOR UPDATE")
	client := v.session(0, "looker")
	answer = make(chan error, 1)
	go func() {
		_, err := client.ExecContext(context.Background(), "ALTER TABLE big ADD INDEX i (pw)")
		answer <- err
	}()
	return answer, func() { v.run(holder, "ROLLBACK") }
}

// csvLines are rows for such tables, of 35 bytes or more.
func csvLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,planted and a little more of it\n", i+100)
	}
	return b.String()
}

// replace puts a view in the place of a job's table, at once.
func (v *trust) replace(name, query string) {
	v.Helper()
	s := v.session(0, "looker")
	defer s.Close()
	v.run(s, "CREATE SQL SECURITY INVOKER VIEW instead AS "+query, fmt.Sprintf("RENAME TABLE `%s` TO taken, instead TO `%s`", name, name))
}

// TestS34ViewInPlaceOfTheShadow: who has a table copied puts a view of somebody else's
// table, which he may only read, in the place of the copy. Neither the copy nor the
// changefeed may write through it.
func TestS34ViewInPlaceOfTheShadow(t *testing.T) {
	v := newTrust(t, 1)
	v.looker()
	answer, release := v.stuckCopy()
	v.replace(v.copyOf("big"), "SELECT id, pw FROM "+v.victim+".secret")
	for _, q := range []string{"UPDATE big SET pw = 'fed' WHERE id = 100", "INSERT INTO big VALUES (42, 'fed')", "DELETE FROM big WHERE id = 42"} {
		execute(t, v.direct, q)
	}
	release()
	require.ErrorContains(t, <-answer, "view")
	v.unharmed("a view in the place of the shadow")
}

// TestS34ViewInPlaceOfTheStaging: the same with the table that an import loads. A view
// may call functions too, under the account that uses it.
func TestS34ViewInPlaceOfTheStaging(t *testing.T) {
	v := newTrust(t, 1)
	v.looker()
	im := &importer{house: v.house, dir: t.TempDir()}
	path := im.file("rows.csv", csvLines(20000))
	execute(t, v.direct, "CREATE TABLE loot (said VARCHAR(100))")
	execute(t, v.direct, "CREATE TABLE own (id INT PRIMARY KEY, pw VARCHAR(40))")
	execute(t, v.direct, "CREATE FUNCTION f() RETURNS INT DETERMINISTIC SQL SECURITY INVOKER MODIFIES SQL DATA BEGIN INSERT INTO loot VALUES (CURRENT_USER()); RETURN 1; END")
	execute(t, v.direct, "GRANT EXECUTE ON FUNCTION f TO "+scan[string](t, v.direct,
		`SELECT MIN(GRANTEE) FROM information_schema.USER_PRIVILEGES JOIN information_schema.PROCESSLIST ON GRANTEE LIKE CONCAT("'", USER, "'@%")
			WHERE PRIVILEGE_TYPE IN ('CONNECTION ADMIN', 'CONNECTION_ADMIN') AND IS_GRANTABLE = 'NO'`))
	for name, query := range map[string]string{
		"of a table": "SELECT id, pw FROM " + v.victim + ".secret", "of a function": "SELECT id, pw FROM own WHERE f() = 1 WITH CHECK OPTION",
	} {
		t.Run(name, func(t *testing.T) {
			im := im.in(t)
			v := &trust{im.house, v.victim}
			execute(t, v.direct, "DROP TABLE IF EXISTS load_t, taken")
			execute(t, v.direct, "CREATE TABLE load_t (id INT PRIMARY KEY, pw VARCHAR(40))")
			s := v.session(0, "looker")
			rows, err := im.ask(s, "IMPORT INTO load_t FROM '"+path+"' WITH fields_terminated_by = ',', max_write_speed = '64KiB', detached")
			require.NoError(t, err)
			name := v.copyOf("load_t")
			v.replace(name, query)
			t.Cleanup(func() { _, _ = v.direct.Exec("DROP VIEW `" + name + "`") })
			job := im.ended(s, rows[0]["Job_ID"])
			require.Equal(t, "failed", job["Status"], job)
			require.Contains(t, job["Result_Message"], "is a view")
			v.unharmed("a view in the place of the staging table")
			require.Zero(t, scan[int](t, v.direct, "SELECT COUNT(*) FROM loot"), "a function ran under the account of jobs")
		})
	}
}

// TestS34ViewInFrontOfThePublished: who may only write into a table gets to see it,
// if rows are published out of a view of it.
func TestS34ViewInFrontOfThePublished(t *testing.T) {
	v := newTrust(t, 1)
	v.looker()
	im := &importer{house: v.house, dir: t.TempDir()}
	path := im.file("rows.csv", csvLines(5000))
	for _, q := range []string{
		"REVOKE SELECT ON " + v.victim + ".secret FROM looker@'%'", "GRANT INSERT ON " + v.victim + ".secret TO looker@'%'",
		"CREATE TABLE load_t (id INT PRIMARY KEY, pw VARCHAR(40))", "CREATE TRIGGER tr BEFORE INSERT ON load_t FOR EACH ROW SET NEW.pw = NEW.pw",
	} {
		execute(t, v.direct, q)
	}
	holder, s := v.session(0, ""), v.session(0, "looker")
	rows, err := im.ask(s, "IMPORT INTO load_t FROM '"+path+"' WITH max_write_speed = '64KiB', detached")
	require.NoError(t, err)
	name := v.copyOf("load_t")
	v.run(holder, "LOCK TABLES load_t WRITE")
	require.Eventually(t, func() bool {
		return scan[int](t, v.direct, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT 1 FROM %load_t%FOR UPDATE' AND STATE LIKE '%metadata lock'") > 0
	}, 30*time.Second, 5*time.Millisecond, "nothing is published")
	v.replace(name, "SELECT id, pw FROM "+v.victim+".secret")
	v.run(holder, "UNLOCK TABLES")
	job := im.ended(s, rows[0]["Job_ID"])
	require.Zero(t, scan[int](t, v.direct, "SELECT COUNT(*) FROM load_t"))
	require.Equal(t, "failed", job["Status"], job)
	execute(t, v.direct, "DROP VIEW `"+name+"`")
}
