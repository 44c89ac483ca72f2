package sqlhandler

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/sqltext"
)

// shown is a job's rows as type, row count, state and comments.
func shown(j dxf.Job) string {
	var lines []string
	for _, r := range jobRows(j, time.UTC) {
		lines = append(lines, fmt.Sprintf("%v|%v|%v|%v", r[3], r[7], r[11], r[12]))
	}
	return strings.Join(lines, "\n")
}

func TestJobRows(t *testing.T) {
	reorg := &dxf.Reorg{Ingest: true, Dist: true, Thread: 8, BatchSize: 256, MaxNodeCount: 3}
	require.Equal(t, "add index|7|running|ingest, DXF, thread=8, max_node_count=3, waits for a lock",
		shown(dxf.Job{Type: "add index", RowCount: 7, State: dxf.JobRunning, Reorg: reorg, Waiting: "waits for a lock"}))
	require.Equal(t, "add column|0|synced|", shown(dxf.Job{Type: "add column", State: dxf.JobSynced, Waiting: "long ago"}))

	several := dxf.Job{
		Type: sqltext.MultiChange, RowCount: 7, State: dxf.JobSynced, Reorg: reorg, Waiting: "long ago",
		SubJobs: []dxf.SubJob{{Type: "add index", RowCount: 7, State: dxf.JobDone, Reorg: true}, {Type: "add column", State: dxf.JobDone}},
	}
	require.Equal(t, sqltext.MultiChange+"|0|synced|ingest, DXF\nadd index /* subjob */|7|done|ingest, DXF\nadd column /* subjob */|0|done|", shown(several))
	several.State = dxf.JobRunning
	require.Contains(t, shown(several), sqltext.MultiChange+"|0|running|ingest, DXF, long ago\n")
}

func TestResulting(t *testing.T) {
	for text, want := range map[string]string{
		"RENAME TABLE a TO b, c TO d.e": "b,d.e",
		"DROP TABLE a, d.b":             "a,d.b",
		"ALTER TABLE d.t DROP COLUMN c": "d.t",
		"CREATE TABLE t (a INT)":        "t",
		"DROP DATABASE d":               "",
	} {
		var names []string
		for _, n := range resulting(sqltext.Classify([]byte(text), sqltext.Mode{})) {
			if n.Schema != "" {
				n.Name = n.Schema + "." + n.Name
			}
			names = append(names, n.Name)
		}
		require.Equal(t, want, strings.Join(names, ","), text)
	}
}

func TestAsksColumns(t *testing.T) {
	for text, want := range map[string]bool{
		"SHOW COLUMNS FROM `dxf`.`tidb_global_task`":              true,
		"show full fields from `dxf`.`tidb_global_task` like 'x'": true,
		"DESC `dxf`.`tidb_global_task`":                           true,
		"describe `dxf`.`tidb_global_task`":                       true,
		"DESC SELECT * FROM `dxf`.`tidb_global_task`":             false,
		"SHOW INDEX FROM `dxf`.`tidb_global_task`":                false,
		"SHOW CREATE TABLE `dxf`.`tidb_global_task`":              false,
		"SELECT 1": false,
		"":         false,
	} {
		require.Equal(t, want, asksColumns([]byte(text)), text)
	}
}
