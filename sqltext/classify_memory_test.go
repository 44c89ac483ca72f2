package sqltext

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestR7ClassifyIsBounded: every client may send a MiB of words, and many may at once.
func TestR7ClassifyIsBounded(t *testing.T) {
	for head, unit := range map[string]string{
		"SELECT @@tidb_enable_dist_task":                      ",1",
		"SELECT 1":                                            ",@@tidb_redact_log",
		"ALTER TABLE t ADD INDEX i (a)":                       ",ADD INDEX(a)",
		"SET tidb_enable_dist_task = 1":                       ",@a=1",
		"ADMIN CANCEL DDL JOBS 1":                             ",1",
		"SHOW VARIABLES WHERE 1":                              "+1",
		"SELECT 1 FROM information_schema.ddl_jobs WHERE 1":   "+1",
		"SELECT 1 FROM tidb_global_task, mysql.global_task.a": ",a.b",
		"DROP TABLE a":                                        ",a",
	} {
		text := []byte(head + strings.Repeat(unit, (maxText-100)/len(unit)))
		require.True(t, Match(text), head)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		st := Classify(text, Mode{})
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), head)
		require.IsType(t, &Other{}, st, head)

		require.NotEqual(t, "Other", kind(Classify([]byte(head+strings.Repeat(unit, 1000)), Mode{})), head)
	}
}
