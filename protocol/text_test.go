package protocol

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMultiple(t *testing.T) {
	for sql, want := range map[string]bool{
		"":                                    false,
		"SELECT 1":                            false,
		"SELECT 1;":                           false,
		"SELECT 1; ;\n; -- the end":           false,
		"SELECT 1; # x\n/* y */ \x00":         false,
		"SELECT 1; SELECT 2":                  true,
		"SELECT ';'":                          false,
		`SELECT "a;b", 'it''s;', 'it\'s;'`:    false,
		"SELECT `a;b`":                        false,
		"SELECT `a\\`; SELECT 2":              true,
		"SELECT 1 /* ; */":                    false,
		"SELECT 1 -- ;\n":                     false,
		"SELECT 1 -- ;\n; SELECT 2":           true,
		"SELECT 1--;SELECT 2":                 true,
		"SELECT 1 # ;\n":                      false,
		"/*!50000 ALTER TABLE t */;":          false,
		"ALTER TABLE t /*!50000 ADD c INT */": false,
		"/*!50000 SELECT 1; */ SELECT 2":      true,
		"/*M!100000 SELECT 1; SELECT 2 */":    true,
		"SELECT 'open":                        true,
		"SELECT 1 /* open":                    true,
		"; ; SELECT 1":                        true,
		"SELECT 1; 'x'":                       true,
		"ALTER TABLE t ADD INDEX (a) ; \t\r":  false,
		"SELECT 1 / 2 * 3 - 4":                false,
		"SELECT 1; /* a */ -- b\n /*! c */":   true,
	} {
		require.Equal(t, want, multiple([]byte(sql), 0), "%q", sql)
	}
	require.True(t, multiple([]byte(`SELECT 'a\'; SELECT '`), StatusNoBackslashEscapes))
	require.False(t, multiple([]byte(`SELECT 'a\'; SELECT '`), 0))
}

func TestParseKill(t *testing.T) {
	for sql, want := range map[string]killing{
		"KILL 7":                            {7, ErrConnectionKilled},
		" kill\tconnection 7 ;":             {7, ErrConnectionKilled},
		"KILL HARD 7":                       {7, ErrConnectionKilled},
		"Kill Soft Query 4294967295":        {4294967295, ErrQueryKilled},
		"/* a */ KILL /* b */ QUERY 7 -- c": {7, ErrQueryKilled},
		"# x\nKILL QUERY 7\x00":             {7, ErrQueryKilled},
	} {
		k, ok := parseKill([]byte(sql))
		require.True(t, ok, "%q", sql)
		require.Equal(t, want, k, "%q", sql)
	}
	for _, sql := range []string{"", "KILL", "KILL QUERY", "KILL QUERY ID 7", "KILL USER bob", "KILL 7 8", "KILL -7", "KILL 7x", "KILLER 7", "SELECT 7", "KILL CONNECTION_ID()", "KILL 99999999999"} {
		_, ok := parseKill([]byte(sql))
		require.False(t, ok, "%q", sql)
	}
}

func TestSkipAttributes(t *testing.T) {
	for prefix, want := range map[string]bool{
		"\x00\x01": true,
		// One string attribute k = v, and with it a NULL and a number.
		"\x01\x01\x00\x01\xfe\x00\x01k\x01v": true,
		"\x03\x01\x02\x01\xfe\x00\x01k\x06\x00\x01n\x08\x00\x01i\x01v\x07\x00\x00\x00\x00\x00\x00\x00": true,
		"\x01\x01\x00\x00":     false,
		"\xfe\xff\xff\xff\xff": false,
	} {
		body := []byte(prefix + "SELECT 1")
		at, ok := skipAttributes(body)
		require.Equal(t, want, ok, "%q", prefix)
		if want {
			require.Equal(t, "SELECT 1", string(body[at:]), "%q", prefix)
		}
	}
}

func TestHandshakeResponseOfLibMariaDB(t *testing.T) {
	b := []byte("\x84\xa2\xff\x20\x00\x00\x00\x01\x2d")
	b = append(b, make([]byte, 19)...)
	b = append(b, 0x1d, 0, 0, 0)
	b[0] |= byte(ClientConnectWithDB)
	h, err := parseHandshakeResponse(append(b, "app\x00\x03abcshop\x00mysql_native_password\x00\x12\x03_os\x05Linux\x04_pid\x0212"...))
	require.NoError(t, err)
	require.Equal(t, "app", h.User)
	require.Equal(t, "shop", h.Schema)
	require.Equal(t, "mysql_native_password", h.Plugin)
	require.True(t, h.Caps.Has(MariaDBClientProgress|MariaDBClientCacheMetadata))
}
