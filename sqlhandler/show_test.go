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
