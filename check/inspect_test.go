package check

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
