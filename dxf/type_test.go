package dxf_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

// TestStepNames: a step is named by its task's type alone; two types have the same numbers.
func TestStepNames(t *testing.T) {
	require.Equal(t, backfill.StepCopy, importinto.StepImport)
	require.Equal(t, "copy", backfill.Type.StepName(backfill.StepCopy))
	require.Equal(t, "import", importinto.Type.StepName(importinto.StepImport))
	require.Equal(t, "step 1", backfill.StepCopy.String())
	require.Equal(t, "step 5", importinto.Type.StepName(backfill.StepNative))
	for _, y := range []dxf.Type{backfill.Type, importinto.Type, {}} {
		require.Equal(t, "init", y.StepName(dxf.StepInit))
		require.Equal(t, "done", y.StepName(dxf.StepDone))
	}
}

// TestTypesOf: what is in rows of the store cannot be another type's.
func TestTypesOf(t *testing.T) {
	types := dxf.TypesOf(importinto.Type, backfill.Type)
	require.Len(t, types, 2)
	require.Equal(t, []string{"ddl/backfill/7"}, types.TaskKeys(dxf.DDLRef(7)))
	require.Equal(t, []string{"ImportInto/7"}, types.TaskKeys(dxf.ImportRef(7)))
	require.Panics(t, func() { dxf.TypesOf(dxf.Type{Name: "x", Key: "x' OR 1/"}) }, "it stands in SQL")
	for _, same := range []dxf.Type{{Name: backfill.Name, Key: "x/"}, {Name: "x", Number: 3, Key: "x/"}, {Name: "x", Number: 4, Key: "ddl/backfill/"}} {
		require.Panics(t, func() { dxf.TypesOf(backfill.Type, same) }, "%+v", same)
	}
}

func TestJobOf(t *testing.T) {
	task := dxf.Task{Meta: []byte(`{"job_id":7}`)}
	require.Equal(t, "job 7", backfill.Type.JobOf(task).String())
	require.Equal(t, "import job 7", importinto.Type.JobOf(task).String())
	require.Zero(t, dxf.Type{}.JobOf(task), "a type whose tasks have no jobs")
	require.Zero(t, backfill.Type.JobOf(dxf.Task{Meta: []byte(`{}`)}))
	require.Zero(t, backfill.Type.JobOf(dxf.Task{}))
}

// TestOlderMetas: a task that was submitted before the node was replaced by one of this build
// goes on.
func TestOlderMetas(t *testing.T) {
	const older = `{"job_id":7,"schema":"s","table":"t","changes":["ADD INDEX (a)"],"sql_mode":"","fingerprint":"f","target":"x",
		"way":"native","thread":4,"batch_size":256,"priority":"LOW","max_write_speed":0,"error_limit":512,"native_max_size":0,"unique":true,
		"note":{"code":1105,"state":"HY000","message":"table s.t cannot be copied online"},"rows":30}`
	var b backfill.Meta
	require.NoError(t, json.Unmarshal([]byte(older), &b))
	want := dxf.MetaHead{JobID: 7, Schema: "s", Table: "t", Rows: 30, Note: "table s.t cannot be copied online"}
	require.Equal(t, want, b.MetaHead)
	head, err := dxf.HeadOf([]byte(older))
	require.NoError(t, err)
	require.Equal(t, want, head)
	text, err := json.Marshal(b)
	require.NoError(t, err)
	require.Contains(t, string(text), // which older nodes read
		`"note":{"code":1105,"state":"HY000","message":"table s.t cannot be copied online"}`)
	var backfillAgain backfill.Meta
	require.NoError(t, json.Unmarshal(text, &backfillAgain))
	require.Equal(t, b, backfillAgain)

	const load = `{"job_id":8,"schema":"s","table":"t","fingerprint":"f","location":"/x","format":"csv","csv":{"terminated":",","null":"\\N"},
		"sql_mode":"","time_zone":"UTC","thread":4,"max_write_speed":0,"checksum":"required","record_errors":100,
		"size":9,"note":"only n1 see the files","rows":5,"paused":7000000000,"paused_at":"2026-01-02T03:04:05Z"}`
	var m importinto.Meta
	require.NoError(t, json.Unmarshal([]byte(load), &m))
	require.Equal(t, dxf.MetaHead{
		JobID: 8, Schema: "s", Table: "t", Rows: 5, Size: 9, Note: "only n1 see the files",
		Pauses: dxf.Pauses{Paused: 7 * time.Second, PausedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	}, m.MetaHead)

	// What is written now has the same keys, and is read as it was.
	text, err = json.Marshal(m)
	require.NoError(t, err)
	require.Contains(t, string(text),
		`{"job_id":8,"schema":"s","table":"t","rows":5,"size":9,"note":"only n1 see the files","paused":7000000000,"paused_at":`)
	var again importinto.Meta
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, m, again)
}
