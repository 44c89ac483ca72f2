package sqltext

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func readImport(t *testing.T, text, sqlMode string) *Import {
	t.Helper()
	st, err := ParseImport([]byte(text), sqlMode)
	require.NoError(t, err, text)
	return st
}

func TestParseImport(t *testing.T) {
	st := readImport(t, "IMPORT INTO `d`.t (@V1, @v2, A, @) SET b=@V2*10, c = CONCAT(getvar('V1'), 'a\\'b\\\\') FROM '/x/*.csv' FORMAT 'CSV' WITH Thread=-3, DETACHED", "")
	require.Equal(t, "d.t", st.Schema+"."+st.Table)
	require.Equal(t, []ImportField{{Var: "v1"}, {Var: "v2"}, {Column: "A"}, {}}, st.Fields)
	require.Equal(t, []ImportSet{{Column: "b", Expr: "@`v2`*10"}, {Column: "c", Expr: "CONCAT(@`v1`, 'a''b\\\\')"}}, st.Set)
	require.Equal(t, "(@`V1`, @`v2`, `A`, @``)", st.ColumnsText)
	require.Equal(t, "`b`=@`V2`*10, `c`=CONCAT(GETVAR(_UTF8MB4'V1'), _UTF8MB4'a''b\\')", st.SetText)
	require.Equal(t, "/x/*.csv|csv|false", st.Location+"|"+st.Format+"|"+map[bool]string{true: "true", false: "false"}[st.Query])
	require.Equal(t, []ImportOption{{Name: "thread", Kind: IntegerValue, N: -3, Text: "-3"}, {Name: "detached"}}, st.Options)

	st = readImport(t, `IMPORT INTO "t" SET a = 'x\y' || @v FROM 'f'`, "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,ORACLE")
	require.Equal(t, []ImportSet{{Column: "a", Expr: `CONCAT('x\y', @` + "`v`)"}}, st.Set, "as the session reads it")
	st = readImport(t, "IMPORT INTO t FROM SELECT ROW_NUMBER() OVER (PARTITION BY a) FROM x", "")
	require.True(t, st.Query)
}

// TestOutlineQuery finds the query's bytes, whatever stands in it.
func TestOutlineQuery(t *testing.T) {
	for text, want := range map[string]string{
		"IMPORT INTO t FROM SELECT 1":                                               "SELECT 1",
		"IMPORT INTO t (a) FROM /* x */ SELECT 1 -- y":                              "SELECT 1",
		"IMPORT INTO t FROM (SELECT 1 FROM x) WITH thread=1":                        "(SELECT 1 FROM x)",
		"IMPORT INTO `from` (`from`) FROM SELECT a FROM b WITH thread = 1, x":       "SELECT a FROM b",
		"IMPORT INTO t FROM WITH c AS (SELECT 1) SELECT * FROM c WITH thread=1":     "WITH c AS (SELECT 1) SELECT * FROM c",
		"IMPORT INTO t FROM WITH c AS (SELECT 1) SELECT * FROM c":                   "WITH c AS (SELECT 1) SELECT * FROM c",
		"IMPORT INTO t FROM SELECT a FROM b GROUP BY a WITH ROLLUP":                 "SELECT a FROM b GROUP BY a WITH ROLLUP",
		"IMPORT INTO t FROM (SELECT a FROM b GROUP BY a WITH ROLLUP) WITH thread=1": "(SELECT a FROM b GROUP BY a WITH ROLLUP)",
		"IMPORT INTO t FROM SELECT ' WITH x' UNION SELECT 2 WITH disable_precheck":  "SELECT ' WITH x' UNION SELECT 2",
	} {
		o, ok := OutlineImport([]byte(text), Mode{})
		require.True(t, ok)
		require.Equal(t, want, string(o.Query.Of([]byte(text))), text)
		require.True(t, readImport(t, text, "").Query)
	}
}
