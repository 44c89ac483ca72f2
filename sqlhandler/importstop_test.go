package sqlhandler_test

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

func cancel(b *bench) {
	db, other := b.open(0, "root"), b.open(1, "root")
	id, done := b.running(db, b.statement(""))
	cancelled := b.begin(other, fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	b.task(id, dxf.TaskCancelling)
	require.Equal(b, "running", b.jobs(b.open(1, "root"), "SHOW IMPORT JOBS")[0].status, "until all is undone")
	require.Empty(b, cancelled)
	b.undo(id)
	require.NoError(b, b.end(cancelled).err)
	b.isError(b.end(done).err, 1105, "cancelled by user")
	j := b.jobs(db, "SHOW IMPORT JOBS")[0]
	require.Equal(b, [...]any{"importing", "cancelled", "cancelled by user"}, [...]any{j.phase, j.status, j.message})
	require.True(b, j.started.Valid)
	require.False(b, j.ended.Valid, "as in TiDB")
	b.refused(db, 8171, "CANCEL", fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	b.refused(db, 8170, "Job ID 99 doesn't exist", "CANCEL IMPORT JOB 99")

	// It came too late, which only the owner could know.
	id, done = b.running(db, b.statement(""))
	cancelled = b.begin(other, fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	t := b.task(id, dxf.TaskCancelling)
	b.move(t, dxf.TaskReverting, t.Step, nil)
	b.move(b.task(id, dxf.TaskReverting), dxf.TaskSucceed, dxf.StepDone, func(j *dxf.ImportJob) { j.Status = dxf.ImportFinished })
	b.isError(b.end(cancelled).err, 8171, "CANCEL")
	require.NoError(b, b.end(done).err)
	b.refused(db, 8170, "Job ID 99 doesn't exist", "SHOW IMPORT JOB 99")
	b.refused(db, 1064, "near \"'x'\"", "SHOW IMPORT JOB 'x'")
}

// halt is what the owner does when a job is paused and no subtask runs.
func (b *bench) halt(jobID int64) {
	b.Helper()
	t := b.task(jobID, dxf.TaskPausing)
	b.move(t, dxf.TaskPaused, t.Step, nil)
}

// pause: who pauses is answered when all stands still, and who waits for the import
// waits on.
func pause(b *bench) {
	db, other := b.open(0, "root"), b.open(1, "root")
	id, done := b.running(db, b.statement(""))
	b.refused(other, 8261, "can't be resumed: job has not been paused", fmt.Sprintf("RESUME IMPORT JOB %d", id))
	paused := b.begin(other, fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.task(id, dxf.TaskPausing)
	third := b.open(1, "root")
	require.Contains(b, b.jobs(third, "SHOW IMPORT JOBS")[0].message, "pausing")
	require.Empty(b, paused, "until all stands still")
	b.halt(id)
	require.NoError(b, b.end(paused).err)
	j := b.jobs(other, "SHOW IMPORT JOBS")[0]
	require.Equal(b, [...]any{"importing", "running", fmt.Sprintf("import, paused, to go on: RESUME IMPORT JOB %d", id)}, [...]any{j.phase, j.status, j.message})
	b.refused(other, 8262, fmt.Sprintf("Job [%d] has already been paused", id), fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.refused(other, 8173, "there is active job on the target table already", b.statement(""))
	require.Empty(b, done)

	b.exec(other, fmt.Sprintf("RESUME IMPORT JOB %d", id))
	b.move(b.task(id, dxf.TaskResuming), dxf.TaskRunning, importinto.StepImport, nil)
	require.Equal(b, "import", b.jobs(other, "SHOW IMPORT JOBS")[0].message)
	b.move(b.task(id, dxf.TaskRunning), dxf.TaskSucceed, dxf.StepDone, func(j *dxf.ImportJob) { j.Status, j.Rows = dxf.ImportFinished, 2 })
	require.NoError(b, b.end(done).err)
	for _, verb := range []string{"PAUSE", "RESUME"} {
		b.refused(db, 8171, "The current job status cannot perform the operation. "+verb, fmt.Sprintf("%s IMPORT JOB %d", verb, id))
		b.refused(db, 8170, "Job ID 99 doesn't exist", verb+" IMPORT JOB 99")
		b.refused(db, 1064, "IMPORT JOB x", verb+" IMPORT JOB x")
		stmt, err := db.Prepare(fmt.Sprintf("%s IMPORT JOB %d", verb, id))
		require.NoError(b, err)
		_, err = stmt.Exec()
		b.isError(err, 8171, verb)
		require.NoError(b, stmt.Close())
	}

	b.user("stranger", "ALL ON SCHEMA.*")
	stranger := b.open(0, "stranger")
	b.refused(stranger, 1227, "SUPER", fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.refused(stranger, 1227, "SUPER", fmt.Sprintf("RESUME IMPORT JOB %d", id))
}

// pauseCancelled: a paused import can be cancelled, and who waits for a pause that
// does not come is told.
func pauseCancelled(b *bench) {
	db, other := b.open(0, "root"), b.open(1, "root")
	id, done := b.running(db, b.statement(""))
	paused := b.begin(other, fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.halt(id)
	require.NoError(b, b.end(paused).err)
	cancelled := b.begin(other, fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	b.undo(id)
	require.NoError(b, b.end(cancelled).err)
	b.isError(b.end(done).err, 1105, "cancelled by user")

	next := b.jobs(db, b.statement(" WITH detached"))[0].id
	b.run(next)
	paused = b.begin(other, fmt.Sprintf("PAUSE IMPORT JOB %d", next))
	b.task(next, dxf.TaskPausing)
	require.NoError(b, b.db.CancelImport(b.Context(), next))
	b.undo(next)
	b.isError(b.end(paused).err, 8171, "The current job status cannot perform the operation. PAUSE")
}

// killed begins an import and kills its client through a node.
func (b *bench) killed(node int, how string) {
	db := b.open(0, "root")
	var conn int64
	require.NoError(b, db.QueryRow("SELECT CONNECTION_ID()").Scan(&conn))
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.exec(b.open(node, "root"), fmt.Sprintf("KILL %s %d", how, conn))
	b.undo(id)
	if how == "QUERY" && node == 0 {
		b.isError(b.end(done).err, 1317, "interrupted")
		b.exec(db, "DO 1")
	} else {
		require.Error(b, b.end(done).err)
	}
	j, err := b.db.ImportJob(b.Context(), id)
	require.NoError(b, err)
	require.Equal(b, dxf.ImportCancelled, j.Status)
}

func kill(b *bench) {
	b.killed(0, "QUERY")
	b.killed(0, "CONNECTION")

	// A detached job has no client that could be killed.
	db := b.open(0, "root")
	id := b.jobs(db, b.statement(" WITH detached"))[0].id
	j, err := b.db.ImportJob(b.Context(), id)
	require.NoError(b, err)
	require.Zero(b, j.ConnID)
}

func killElsewhere(b *bench) { b.killed(1, "CONNECTION") }
