package sqltext

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/sqltext/corpus"
)

// TestS20ParserIsBounded: whatever text of whatever length comes, the parser needs
// little memory and time for it, or is not asked.
func TestS20ParserIsBounded(t *testing.T) {
	for _, n := range []int{MaxUnasked, maxParsed, 1 << 20, 4 << 20} {
		for name, text := range corpus.WorstImports(n) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := ParseImport([]byte(text), "")
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			needed := int64(after.TotalAlloc-before.TotalAlloc) + int64(after.StackSys) - int64(before.StackSys)
			if needed > 2<<20 {
				t.Logf("%d KiB of %s: %d KiB, %s, %.100s", len(text)>>10, name, needed>>10, took.Round(time.Millisecond), err)
			}
			most := int64(16 << 20)
			if name == "of one query" {
				most += int64(4 * n) // it is cut out of the text
			}
			require.Less(t, needed, most, name)
			require.Less(t, took, time.Minute, name)
			if n > maxParsed && name != "of one query" {
				require.ErrorContains(t, err, "at most 65536 are read", name)
			}
		}
	}
}

// TestS20ReasonableImportsPass: what people write is far from the limits.
func TestS20ReasonableImportsPass(t *testing.T) {
	var fields, set []string
	for range 1200 {
		fields = append(fields, "@a_variable_name")
		set = append(set, "a_column = IF(@v = '', NULL, @v)")
	}
	text := "IMPORT INTO `d`.`t` (" + strings.Join(fields, ", ") + ") SET " + strings.Join(set[:700], ", ") + " FROM 's3://bucket/*.csv' WITH thread = 4"
	require.Greater(t, len(text), 32<<10)
	st, err := ParseImport([]byte(text), "")
	require.NoError(t, err)
	require.Len(t, st.Fields, 1200)
	require.Len(t, st.Set, 700)
	query := "IMPORT INTO t (a) FROM SELECT a FROM x WHERE a IN (" + strings.Repeat("1, ", 1<<18) + "2) WITH thread = 1"
	st, err = ParseImport([]byte(query), "")
	require.NoError(t, err, "a query is as long as the store likes")
	require.True(t, st.Query)
	require.Len(t, st.Options, 1)
}

// TestS20ImportsAreAllOurs: no store knows the statement, and none is to see one: what
// it says of it, and logs, may have secrets in it.
func TestS20ImportsAreAllOurs(t *testing.T) {
	for text, want := range map[string]string{
		"IMPORT INTO t FROM 'x' ; ":                                 "ImportInto",
		" /* x */ import into":                                      "ImportInto",
		"IMPORT INTO t FROM 'x":                                     "UnreadableImport",
		"IMPORT INTO t FROM 'x'; SELECT 1":                          "UnreadableImport",
		"IMPORT INTO t FROM SELECT 1; DROP TABLE x":                 "UnreadableImport",
		"IMPORT INTO t FROM SELECT 1 /*! FROM x */":                 "UnreadableImport",
		"IMPORT INTO t FROM SELECT 1 /*M! FROM x */":                "UnreadableImport",
		"IMPORT INTO t FROM 'x' /* ":                                "UnreadableImport",
		"IMPORT INTO t FROM '" + strings.Repeat("x", maxText) + "'": "ImportInto",
		"IMPORT TABLE FROM 't.sdi'":                                 "Other",
	} {
		require.Equal(t, want, kind(Classify([]byte(text), Mode{})), "%.80s", text)
	}
}

// TestS20TwoReadings: what the client's session was asked about is what is imported.
func TestS20TwoReadings(t *testing.T) {
	for text, sqlMode := range map[string]string{
		"IMPORT INTO /*T! b. */ t FROM '/x'":       "",
		"IMPORT INTO t FROM '/x' '/y'":             "",
		"IMPORT INTO t FROM /*T! SELECT 1 */ '/x'": "",
	} {
		_, err := ParseImport([]byte(text), sqlMode)
		require.Error(t, err, text)
	}
}
