package grants

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeld(t *testing.T) {
	var h Held
	for _, line := range []string{
		"GRANT `worker` TO `dxf`@`%`",
		"GRANT USAGE ON *.* TO `dxf`@`%` IDENTIFIED BY PASSWORD '*7'",
		"GRANT SELECT, PROCESS, REPLICATION SLAVE ON *.* TO `dxf`@`%`",
		"GRANT BINLOG_ADMIN,CONNECTION_ADMIN ON *.* TO `dxf`@`%`", // MySQL
		"GRANT ALL PRIVILEGES ON `dxf`.* TO `dxf`@`%` WITH GRANT OPTION",
		"GRANT INSERT, UPDATE (a, b) ON `shop\\_a`.`orders` TO `dxf`@`%`",
		"GRANT CREATE ON `a\\_b`.* TO `dxf`@`%`",
		"GRANT DROP ON `c_d%`.* TO `dxf`@`%`",
		"GRANT INSERT ON `test`.* TO PUBLIC",
		"GRANT PROXY ON ''@'%' TO 'dxf'@'%'",
	} {
		h.Add(line)
	}
	for _, held := range [][2]string{
		{"dxf", "SELECT"}, {"dxf", "INDEX"}, {Everywhere, "CONNECTION ADMIN"}, {Everywhere, "REPLICATION SLAVE"},
		{"a_b", "CREATE"}, {"cxd", "DROP"}, {"c_do", "DROP"},
	} {
		require.True(t, h.Has(held[0], held[1]), held)
	}
	for _, not := range [][2]string{{Everywhere, "INSERT"}, {"shop_a", "INSERT"}, {"axb", "CREATE"}, {"cd", "DROP"}} {
		require.False(t, h.Has(not[0], not[1]), not)
	}
	require.Equal(t, []Need{{Everywhere, []string{"INSERT"}}}, h.Lacks([]Need{{Everywhere, []string{"SELECT", "INSERT"}}}))
	require.Equal(t, []string{
		"PROCESS, REPLICATION SLAVE on *.*", "BINLOG ADMIN, CONNECTION ADMIN on *.*", "ALL PRIVILEGES, GRANT OPTION on dxf.*",
		"INSERT, UPDATE (COLUMNS) on shop_a.orders", "DROP on c_d%.*", "the role `worker`",
	}, h.beyond([]Need{{Everywhere, []string{"SELECT"}}, {"a_b", []string{"CREATE"}}}))
}

// TestLikeIsLinear: a pattern of many % costs no more than its length times the name's.
func TestLikeIsLinear(t *testing.T) {
	pattern := ""
	for range 200 {
		pattern += "%a"
	}
	name := ""
	for range 60 {
		name += "aa"
	}
	require.False(t, Like(pattern+"b", name))
	require.True(t, Like("%%%", "x"))
	require.True(t, Like("", ""))
	require.False(t, Like("a%", "ba"))
}
