package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseVersion(t *testing.T) {
	for v, want := range map[string]string{
		"10.11.19-MariaDB-0+deb12u1-log": "MariaDB 10.11.19 10 11",
		"9.7.0":                          "MySQL 9.7.0 9 7",
		"8.0.11-TiDB-v8.5.0":             "TiDB 8.5.0 8 5",
		"strange":                        "MySQL strange 0 0",
	} {
		kind, number, major, minor := parseVersion(v)
		require.Equal(t, want, fmt.Sprint(kind, " ", number, " ", major, " ", minor))
	}
}

func TestGrants(t *testing.T) {
	g := make(grants)
	for _, line := range []string{
		"GRANT `worker` TO `dxf`@`%`",
		"GRANT USAGE ON *.* TO `dxf`@`%` IDENTIFIED BY PASSWORD '*7'",
		"GRANT SELECT, PROCESS, REPLICATION SLAVE ON *.* TO `dxf`@`%`",
		"GRANT BINLOG_ADMIN,CONNECTION_ADMIN ON *.* TO `dxf`@`%`", // MySQL
		"GRANT ALL PRIVILEGES ON `dxf`.* TO `dxf`@`%` WITH GRANT OPTION",
		"GRANT INSERT, UPDATE (a, b) ON `shop\\_a`.`orders` TO `dxf`@`%`",
	} {
		g.add(line)
	}
	require.Empty(t, g.lacks("dxf.*", "SELECT", "INDEX"))
	require.Empty(t, g.lacks("*.*", "CONNECTION ADMIN", "REPLICATION SLAVE"))
	require.Equal(t, []string{"INSERT"}, g.lacks("*.*", "SELECT", "INSERT"))
	require.Contains(t, g["shop_a.orders"], "INSERT")
}
