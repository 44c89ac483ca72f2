package sqlhandler

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// worstTexts are statements of n bytes that cost TiDB's parser most.
func worstTexts(n int) map[string]string {
	set := func(before, middle, after, tail string) string {
		n := (n - 100) / (len(before) + len(after))
		return "IMPORT INTO a.b SET c = " + strings.Repeat(before, n) + middle + strings.Repeat(after, n) + " FROM '/x'" + tail
	}
	return map[string]string{
		"~":             set("~", "1", "", ""),
		"-":             set("- ", "1", "", ""),
		"!":             set("!", "1", "", ""),
		"NOT":           set("NOT ", "1", "", ""),
		"(":             set("(", "1", ")", ""),
		"( without )":   set("(", "1", "", ""),
		"CASE":          set("CASE WHEN 1 THEN ", "1", " END", ""),
		"1+":            set("1+", "1", "", ""),
		"texts":         set("'a' ", "'a'", "", ""),
		"quotes":        set("''", "''", "", ""),
		"commas":        set("1,", "1", "", ""),
		"calls":         set("a(", "1", ")", ""),
		"IF":            set("IF(1,1,", "1", ")", ""),
		"BINARY":        set("BINARY ", "1", "", ""),
		"variables":     set("@a+", "1", "", ""),
		"sub-selects":   set("(SELECT ", "1", ")", ""),
		"assignments":   set("1,c=", "1", "", ""),
		"columns":       "IMPORT INTO a.b (" + strings.Repeat("a,", n/2-30) + "a) FROM '/x'",
		"options":       "IMPORT INTO a.b FROM '/x' WITH " + strings.Repeat("a,", n/2-30) + "a",
		"in a comment":  "IMPORT INTO a.b /*T! SET c = " + strings.Repeat("'a' ", n/4-20) + " */ FROM '/x'",
		"in a location": "IMPORT INTO a.b FROM '" + strings.Repeat("x", n-40) + "'",
		"of one query":  "IMPORT INTO a.b FROM SELECT " + strings.Repeat("~", n-40) + "1",
	}
}

// TestS20ParserIsBounded: whatever text of whatever length comes, the parser needs
// little memory and time for it, or is not asked.
func TestS20ParserIsBounded(t *testing.T) {
	for _, n := range []int{maxUnasked, maxParsed, 1 << 20, 4 << 20} {
		for name, text := range worstTexts(n) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := parseImport([]byte(text), "")
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			needed := int64(after.TotalAlloc-before.TotalAlloc) + int64(after.StackSys) - int64(before.StackSys)
			if needed > 2<<20 {
				t.Logf("%d KiB of %s: %d KiB, %s, %.100s", len(text)>>10, name, needed>>10, took.Round(time.Millisecond), refusalOf(err))
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
	st, err := parseImport([]byte(text), "")
	require.NoError(t, err)
	require.Len(t, st.fields, 1200)
	require.Len(t, st.set, 700)
	query := "IMPORT INTO t (a) FROM SELECT a FROM x WHERE a IN (" + strings.Repeat("1, ", 1<<18) + "2) WITH thread = 1"
	st, err = parseImport([]byte(query), "")
	require.NoError(t, err, "a query is as long as the store likes")
	require.True(t, st.query)
	require.Len(t, st.options, 1)
}

// TestS20OtherTextsAreBounded: so are the statements that are refused unread, and
// those that are prepared.
func TestS20OtherTextsAreBounded(t *testing.T) {
	for name, text := range worstTexts(1 << 20) {
		for _, text := range []string{text, "ADMIN CHECK " + text, "SHOW IMPORT JOBS " + text} {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = unsupported(text)
			_, _ = prepareImport([]byte(text), Statement{Text: Span{0, len(text)}}, Mode{})
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), name)
		}
	}
}

// TestS20ImportsAreAllOurs: no store knows the statement, and none is to see one: what
// it says of it, and logs, may have secrets in it.
func TestS20ImportsAreAllOurs(t *testing.T) {
	for text, want := range map[string]Kind{
		"IMPORT INTO t FROM 'x' ; ":                                 ImportInto,
		" /* x */ import into":                                      ImportInto,
		"IMPORT INTO t FROM 'x":                                     ImportUnreadable,
		"IMPORT INTO t FROM 'x'; SELECT 1":                          ImportUnreadable,
		"IMPORT INTO t FROM SELECT 1; DROP TABLE x":                 ImportUnreadable,
		"IMPORT INTO t FROM SELECT 1 /*! FROM x */":                 ImportUnreadable,
		"IMPORT INTO t FROM SELECT 1 /*M! FROM x */":                ImportUnreadable,
		"IMPORT INTO t FROM 'x' /* ":                                ImportUnreadable,
		"IMPORT INTO t FROM '" + strings.Repeat("x", maxText) + "'": ImportInto,
		"IMPORT TABLE FROM 't.sdi'":                                 Other,
	} {
		require.Equal(t, want, Classify([]byte(text), Mode{}).Kind, "%.80s", text)
	}
}

// TestParserPanics: TiDB's parser has no room for such a number, and a statement of
// anybody must not end the node.
func TestParserPanics(t *testing.T) {
	text := "IMPORT INTO t SET a = " + strings.Repeat("0", 121) + ".000000 FROM 'f'"
	_, err := parseImport([]byte(text), "")
	require.Equal(t, uint16(1064), dxf.ErrorOf(err).Code)
	require.Equal(t, uint16(1064), unsupported("ADMIN "+strings.Repeat("0", 121)+".000000").Code)
	_, err = prepareImport([]byte(text), Statement{Text: Span{0, len(text)}}, Mode{})
	require.Error(t, err)
}

// TestS20TwoReadings: what the client's session was asked about is what is imported.
func TestS20TwoReadings(t *testing.T) {
	for text, sqlMode := range map[string]string{
		"IMPORT INTO /*T! b. */ t FROM '/x'":       "",
		"IMPORT INTO t FROM '/x' '/y'":             "",
		"IMPORT INTO t FROM /*T! SELECT 1 */ '/x'": "",
	} {
		_, err := parseImport([]byte(text), sqlMode)
		require.Error(t, err, text)
	}
}
