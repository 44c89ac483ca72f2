package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/store"
)

func TestSmoke(t *testing.T) {
	ctx := t.Context()
	db, err := store.Open(ctx, store.Config{DSN: srv.DSN(), Schema: "smoke"})
	require.NoError(t, err)
	defer db.Close()
	id, err := db.Submit(ctx, dxf.Job{Type: "add index", Schema: "täst", Table: "t<1>", Query: "ALTER TABLE t\n\tADD INDEX \"ä\" (a) -- it's"}, dxf.Task{Concurrency: 4}, dxf.BackfillMeta{Rows: 10})
	require.NoError(t, err)
	term, err := db.Campaign(ctx, dxf.Node{ID: "n1", UUID: "u1"})
	require.NoError(t, err)
	tasks, err := db.Tasks(ctx)
	require.NoError(t, err)
	require.Len(t, tasks, 1)
	require.NoError(t, db.Register(ctx, dxf.Node{ID: "n1", UUID: "u1", CPUCount: 4}))
	require.NoError(t, db.Advance(ctx, term, dxf.Advance{Task: tasks[0], State: dxf.TaskRunning, Step: dxf.StepCopy, JobID: id,
		Subtasks: []dxf.Subtask{{Ordinal: 1, ExecID: "n1", Meta: []byte(`{}`)}, {Ordinal: 2, ExecID: "n1", Meta: []byte(`{}`)}},
		Job:      func(j *dxf.Job) { j.State = dxf.JobRunning }}))
	as, err := db.Assigned(ctx, "n1")
	require.NoError(t, err)
	require.Len(t, as, 2)
	s, err := db.Lease(ctx, as[0].Subtask)
	require.NoError(t, err)
	require.NoError(t, db.Heartbeat(ctx, "n1"))
	require.NoError(t, db.Progress(ctx, s.Lease(), dxf.Summary{RowCount: 7}))
	jobs, err := db.UnfinishedJobs(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(7), jobs[0].RowCount)
	p, err := db.JobProgress(ctx, id)
	require.NoError(t, err)
	t.Logf("%+v", p)
	var q, c, st string
	var n int
	require.NoError(t, db.SQL().QueryRow("SELECT QUERY, ROW_COUNT, CREATE_TIME, START_TIME FROM ddl_jobs").Scan(&q, &n, &c, &st))
	t.Log(q, n, c, st)
	require.NoError(t, db.CancelJob(ctx, id))
	require.NoError(t, db.Resign(ctx, term))
}
