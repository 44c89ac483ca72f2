package dispatcher

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

// TestPauses: how long a step that counts rows stands still is kept, pause by pause, and what
// follows it costs nothing. What else the meta holds stays.
func TestPauses(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	task := dxf.Task{Meta: []byte(`{"job_id":3,"location":"s3://b/k?access-key=A","much":12345678901234567890}`)}
	d := &dispatcher{kind: importinto.Type}
	move := func(from, to dxf.TaskState, step dxf.Step, second int) dxf.Pauses {
		task.State, task.UpdateTime = from, at(second)
		a := dxf.Advance{Task: task, State: to, Step: step}
		require.NoError(t, d.keepPauses(&a))
		task.Meta = a.NewMeta()
		head, err := dxf.HeadOf(task.Meta)
		require.NoError(t, err)
		require.EqualValues(t, 3, head.JobID)
		var rest map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(task.Meta, &rest))
		require.JSONEq(t, `"s3://b/k?access-key=A"`, string(rest["location"]))
		require.Equal(t, "12345678901234567890", string(rest["much"]))
		return head.Pauses
	}
	require.Zero(t, move(dxf.TaskPending, dxf.TaskRunning, importinto.StepImport, 1))
	require.Equal(t, at(10), move(dxf.TaskPausing, dxf.TaskPaused, importinto.StepImport, 10).PausedAt)
	require.Equal(t, dxf.Pauses{Paused: 7 * time.Second}, move(dxf.TaskResuming, dxf.TaskRunning, importinto.StepImport, 17))
	move(dxf.TaskPausing, dxf.TaskPaused, importinto.StepImport, 20)
	require.Equal(t, dxf.Pauses{Paused: 10 * time.Second}, move(dxf.TaskResuming, dxf.TaskRunning, importinto.StepImport, 23))
	move(dxf.TaskPausing, dxf.TaskPaused, importinto.StepBuild, 30)
	require.Equal(t, dxf.Pauses{Paused: 10 * time.Second}, move(dxf.TaskResuming, dxf.TaskRunning, importinto.StepBuild, 40))
}
