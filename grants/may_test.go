package grants_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/grants"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }

// TestMay reads lines of both families. What is taken from one schema (MySQL's partial
// revokes) is not taken from others that its name would stand for as a pattern.
func TestMay(t *testing.T) {
	for _, c := range []struct {
		lines []string
		yes   []string // privilege schema table
		no    []string
	}{
		{lines: []string{"GRANT USAGE ON *.* TO `u`@`%`"}, no: []string{"ALTER s t"}},
		{lines: []string{"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED BY PASSWORD '*81' WITH GRANT OPTION"}, yes: []string{"ALTER s t", "INDEX mysql db"}},
		{lines: []string{"GRANT SELECT, ALTER ON `s`.* TO `u`@`%`"}, yes: []string{"ALTER s t", "ALTER S t"}, no: []string{"INDEX s t", "ALTER s2 t"}},
		{lines: []string{"GRANT ALTER ON `s\\_1%`.* TO `u`@`%`"}, yes: []string{"ALTER s_1 t", "ALTER s_1x t"}, no: []string{"ALTER sx1 t"}},
		{lines: []string{"GRANT ALTER ON `s_`.* TO `u`@`%`"}, yes: []string{"ALTER sa t"}, no: []string{"ALTER s t", "ALTER sab t"}},
		{lines: []string{"GRANT INDEX ON `a TO b``.* ON `.`x, y` TO `u`@`%`"}, yes: []string{"INDEX a TO b`.* ON |x, y"}, no: []string{"INDEX a x"}},
		{lines: []string{"GRANT SELECT (`a`, `ALTER`), INSERT ON `s`.`t` TO `u`@`%`"}, yes: []string{"INSERT s t"}, no: []string{"SELECT s t", "ALTER s t", "INSERT s t2"}},
		{lines: []string{"GRANT ALTER, INDEX ON *.* TO `u`@`%`", "REVOKE ALTER ON `s`.* FROM `u`@`%`"}, yes: []string{"INDEX s t", "ALTER s2 t"}, no: []string{"ALTER s t"}},
		{lines: []string{"GRANT ALTER ON *.* TO `u`@`%`", "REVOKE ALTER ON `a_b`.* FROM `u`@`%`"}, yes: []string{"ALTER axb t", "ALTER A_B t"}, no: []string{"ALTER a_b t"}},
		{lines: []string{"GRANT EXECUTE ON PROCEDURE `s`.`p` TO `u`@`%`", "SET DEFAULT ROLE `r` FOR `u`@`%`", "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", ""}, no: []string{"EXECUTE s t"}},
	} {
		var s grants.Held
		for _, l := range c.lines {
			s.Add(l)
		}
		for want, asks := range map[bool][]string{true: c.yes, false: c.no} {
			for _, ask := range asks {
				privilege, schema, table := parts(ask)
				require.Equal(t, want, s.May(schema, table, privilege), "%s: %s", c.lines, ask)
			}
		}
	}
}

func parts(ask string) (privilege, schema, table string) {
	for i := range ask {
		if ask[i] == ' ' && privilege == "" {
			privilege, ask = ask[:i], ask[i+1:]
			break
		}
	}
	for i := len(ask) - 1; i >= 0; i-- {
		if ask[i] == '|' {
			return privilege, ask[:i], ask[i+1:]
		}
	}
	_, err := fmt.Sscan(ask, &schema, &table)
	if err != nil {
		panic(err)
	}
	return privilege, schema, table
}

// TestOf asks a server about accounts that have roles, lose what they had, and go.
func TestOf(t *testing.T) {
	schema, db := mariadbdtest.Schema(t, srv)
	exec := func(statements ...string) {
		t.Helper()
		for _, q := range statements {
			_, err := db.ExecContext(t.Context(), q)
			require.NoError(t, err, q)
		}
	}
	may := func(privilege string) bool {
		t.Helper()
		s, err := grants.Of(t.Context(), db, "some`one'@%")
		require.NoError(t, err)
		return s.May(schema, "t", privilege)
	}
	const user = "`some``one'`@`%`"
	require.False(t, may("ALTER"), "an account that is not there")
	exec("CREATE TABLE t (a INT)", "CREATE USER "+user+" IDENTIFIED BY 'pw'")
	t.Cleanup(func() {
		_, _ = db.Exec("DROP USER IF EXISTS " + user)
		_, _ = db.Exec("DROP ROLE IF EXISTS outer_role, inner_role")
	})
	require.False(t, may("ALTER"))
	exec("GRANT ALTER ON t TO " + user)
	require.True(t, may("ALTER"))
	exec("REVOKE ALTER ON t FROM " + user)
	require.False(t, may("ALTER"))

	exec("CREATE ROLE outer_role", "CREATE ROLE inner_role", "GRANT INDEX ON `"+schema+"`.* TO inner_role", "GRANT inner_role TO outer_role", "GRANT outer_role TO "+user)
	require.True(t, may("INDEX"), "by a role of a role")
	exec("REVOKE INDEX ON `" + schema + "`.* FROM inner_role")
	require.False(t, may("INDEX"))
	exec("DROP USER " + user)
	require.False(t, may("ALTER"))
	if srv.Kind() == mariadbd.MariaDB {
		exec("GRANT ALTER ON `" + schema + "`.* TO PUBLIC")
		require.True(t, may("ALTER"))
		exec("REVOKE ALTER ON `" + schema + "`.* FROM PUBLIC")
	}

	exec("CREATE USER blind@'%' IDENTIFIED BY 'pw'")
	t.Cleanup(func() { _, _ = db.Exec("DROP USER IF EXISTS blind@'%'") })
	blind, err := sql.Open("mysql", "blind:pw@tcp("+srv.Addr()+")/")
	require.NoError(t, err)
	defer blind.Close()
	_, err = grants.Of(t.Context(), blind, "root@localhost")
	require.ErrorIs(t, err, grants.ErrUnreadable)
}
