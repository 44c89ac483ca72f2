package check

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// TestS12PowersOfAccounts: an account may have its way with the whole store without a
// privilege on everything that is its own.
func TestS12PowersOfAccounts(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	db, err := sql.Open("mysql", srv.DSN())
	require.NoError(t, err)
	defer db.Close()
	run := func(statements ...string) {
		t.Helper()
		for _, q := range statements {
			_, err := db.ExecContext(t.Context(), q)
			require.NoError(t, err, q)
		}
	}
	run("CREATE DATABASE mine", "CREATE DATABASE dxf", "CREATE TABLE dxf.t (id INT)")
	const host = "10.1.2.0/255.255.255.0"
	name := "p'q\\r"
	account := "`" + name + "`@'" + host + "'"
	powers := func() bool {
		t.Helper()
		all, known, err := Logins(t.Context(), db, "dxf")
		require.NoError(t, err)
		require.True(t, known)
		for _, l := range all {
			require.NotEqual(t, "PUBLIC", l.User)
			if l.User == name {
				require.Equal(t, host, l.Host)
				require.True(t, l.Open)
				return l.Powers
			}
		}
		require.Fail(t, "the account is not listed")
		return false
	}
	boss := []string{"CREATE ROLE boss", "GRANT PROCESS ON *.* TO boss", "CREATE ROLE deputy", "GRANT boss TO deputy"}
	cases := map[string][]string{
		"everything":        {"GRANT PROCESS ON *.* TO " + account},
		"schema mysql":      {"GRANT SELECT ON mysql.* TO " + account},
		"a pattern":         {"GRANT INSERT ON `m%`.* TO " + account},
		"a table of mysql":  {"GRANT UPDATE ON mysql.db TO " + account},
		"a column of mysql": {"GRANT UPDATE (User) ON mysql.db TO " + account},
		"what nodes run":    {"GRANT INSERT ON dxf.t TO " + account},
		"a role's role":     append(boss, "GRANT deputy TO "+account),
	}
	if srv.Kind() == mariadbd.MariaDB {
		cases["another account"] = []string{"GRANT PROXY ON root@localhost TO " + account}
		cases["everybody"] = []string{"GRANT PROCESS ON *.* TO PUBLIC"}
	} else {
		cases["everybody"] = append(boss, "SET GLOBAL mandatory_roles = '`boss`@`%`, other'")
	}
	for what, statements := range cases {
		run("CREATE USER " + account)
		require.False(t, powers(), "before %s", what)
		run("GRANT ALL ON mine.* TO "+account, "GRANT SELECT ON `_`.* TO "+account)
		require.False(t, powers(), "with a schema of its own")
		run(statements...)
		require.True(t, powers(), what)
		if srv.Kind() == mariadbd.MariaDB && what == "everybody" {
			run("REVOKE PROCESS ON *.* FROM PUBLIC")
		} else if what == "everybody" {
			run("SET GLOBAL mandatory_roles = ''")
		}
		run("DROP ROLE IF EXISTS boss, deputy")
		run("DROP USER " + account)
	}
}
