package sqltext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestS31UnreadableImports: an IMPORT INTO that cannot be read is refused, wherever
// it stands, and others' texts are left alone.
func TestS31UnreadableImports(t *testing.T) {
	const from = " t FROM 's3://b/k?secret-access-key=hunter2'"
	for text, want := range map[string]bool{
		"IMPORT INTO t FROM 's3://b/k?secret-access-key=hunter2": true,
		"/* x */ import into" + from + " WITH thread = 'x":       true,
		"IMPORT INTO" + from + "; SELECT 1":                      true,
		"SELECT 1; IMPORT INTO" + from:                           true,
		"SELECT ';'; /* c */ import -- x\n into" + from + ";":    true,
		";;SELECT 1;;IMPORT INTO" + from:                         true,
		"/*! IMPORT INTO" + from + " */":                         true,
		"/*!50000 IMPORT */ INTO" + from:                         true,
		"/*M!100000 IMPORT INTO" + from + "*/":                   true,
		"IMPORT /*! INTO */" + from:                              true,
		"/*!999999 nothing */ IMPORT INTO" + from:                true,
		"/*! IMPORT INTO" + from:                                 true,
		"SET x = 1; /*! IMPORT INTO" + from + " */":              true,

		"SELECT 1; SELECT 'IMPORT INTO'":                         false,
		"SELECT import INTO @a FROM t; SELECT 2":                 false,
		"SELECT 1 /*! , import */ INTO @a":                       false,
		"/*!40101 SET x = 1 */; INSERT INTO import VALUES (1)":   false,
		"IMPORT TABLE FROM 't.sdi'; SELECT 1":                    false,
		"SELECT 'IMPORT INTO t":                                  false,
		"ALTER TABLE t IMPORT TABLESPACE; INSERT INTO t SET a=1": false,
		"-- IMPORT INTO" + from + "\nSELECT 1; SELECT 2":         false,
	} {
		st := Classify([]byte(text), Mode{})
		require.Equal(t, want, kind(st) == "UnreadableImport", text)
		if !want {
			continue
		}
		require.True(t, Match([]byte(text)), text)
		if strings.Contains(text, ";") {
			require.True(t, MatchSeveral([]byte(text), Mode{}), text)
		}
	}
	for _, text := range []string{"SELECT 1;", "SELECT 1; SELECT 2", "/*!40101 SET NAMES utf8 */;", "SELECT import FROM t"} {
		require.False(t, Match([]byte(text)), text)
	}
	require.False(t, MatchSeveral([]byte("ALTER TABLE t ADD INDEX (a); SELECT 'import'"), Mode{}))
}
