package sqlhandler

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/sqltext"
	"dxfproxy/sqltext/corpus"
)

// TestS20OtherTextsAreBounded: so are the statements that are refused unread, and
// those that are prepared.
func TestS20OtherTextsAreBounded(t *testing.T) {
	for name, text := range corpus.WorstImports(1 << 20) {
		for _, text := range []string{text, "ADMIN CHECK " + text, "SHOW IMPORT JOBS " + text} {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = unsupported(text)
			if st, ok := sqltext.Classify([]byte(text), sqltext.Mode{}).(*sqltext.ImportInto); ok {
				_, _ = prepareImport(st)
			}
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), name)
		}
	}
}

// TestParserPanics: TiDB's parser has no room for such a number, and a statement of
// anybody must not end the node.
func TestParserPanics(t *testing.T) {
	text := "IMPORT INTO t SET a = " + strings.Repeat("0", 121) + ".000000 FROM 'f'"
	_, err := parseImport([]byte(text), "")
	require.Equal(t, uint16(1064), dxf.ErrorOf(err).Code)
	require.Equal(t, uint16(1064), unsupported("ADMIN "+strings.Repeat("0", 121)+".000000").Code)
	_, err = prepareImport(sqltext.Classify([]byte(text), sqltext.Mode{}).(*sqltext.ImportInto))
	require.Error(t, err)
}
