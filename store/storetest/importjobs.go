package storetest

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

// submitImport makes an import job of a table.
func (b *server) submitImport(table string) (int64, error) {
	return b.SubmitImport(b.ctx, dxf.ImportJob{
		Schema: "test", Table: table, CreatedBy: "root@%", SourceSize: 7780, ConnID: 4294967295,
		Parameters: dxf.ImportParameters{FileLocation: "/x/*.csv", Format: "csv", Options: map[string]any{"thread": "4", "detached": nil}},
	}, dxf.NewTask{
		Type: importinto.Name, Concurrency: 4, TargetScope: "gold", MaxNodeCount: 1,
		Meta: &importinto.Meta{MetaHead: dxf.MetaHead{Schema: "test", Table: table, Size: 1000}, Location: "/x/*.csv"},
	})
}

func (b *server) newImport(table string) int64 {
	b.t.Helper()
	id, err := b.submitImport(table)
	require.NoError(b.t, err)
	return id
}

func (b *server) importJob(id int64) dxf.ImportJob {
	b.t.Helper()
	j, err := b.ImportJob(b.ctx, id)
	require.NoError(b.t, err)
	return j
}

// importTask returns the unfinished task of an import job.
func (b *server) importTask(id int64) dxf.Task {
	b.t.Helper()
	return b.taskOf(importinto.Type.TaskKey(id))
}

// moveImport advances an import's task to a state and step with n subtasks on n1.
func (b *server) moveImport(term dxf.Term, id int64, state dxf.TaskState, step dxf.Step, n int, change func(*dxf.ImportJob)) []dxf.Subtask {
	b.t.Helper()
	t := b.importTask(id)
	a := dxf.Advance{Task: t, State: state, Step: step, Job: dxf.ImportRef(id)}
	if change != nil {
		a.Change = dxf.OnImport(change)
	}
	for i := range n {
		a.Subtasks = append(a.Subtasks, dxf.Subtask{Ordinal: i + 1, ExecID: n1.ID, Meta: []byte(`{"pieces":[]}`)})
	}
	require.NoError(b.t, b.Advance(b.ctx, term, a))
	subs, err := b.Subtasks(b.ctx, t.ID, step)
	require.NoError(b.t, err)
	return subs
}

func running(phase dxf.ImportPhase) func(*dxf.ImportJob) {
	return func(j *dxf.ImportJob) { j.Status, j.Phase = dxf.ImportRunning, phase }
}

func importSubmit(b *server) {
	_, err := b.ImportJob(b.ctx, 1)
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
	none, err := b.UserImports(b.ctx, "nobody@%")
	require.NoError(b.t, err)
	require.Empty(b.t, none)
	jobs, err := b.ImportJobs(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, jobs)

	id := b.newImport("t")
	t := b.importTask(id)
	require.Equal(b.t, importinto.Name, t.Type)
	require.Equal(b.t, dxf.TaskPending, t.State)
	require.Equal(b.t, dxf.StepInit, t.Step)
	require.Equal(b.t, dxf.DefaultPriority, t.Priority)
	require.Equal(b.t, [...]any{4, "gold", 1}, [...]any{t.Concurrency, t.TargetScope, t.MaxNodeCount})
	var meta importinto.Meta
	require.NoError(b.t, json.Unmarshal(t.Meta, &meta))
	require.Equal(b.t, importinto.Meta{MetaHead: dxf.MetaHead{JobID: id, Schema: "test", Table: "t", Size: 1000}, Location: "/x/*.csv"}, meta)

	j := b.importJob(id)
	require.NotZero(b.t, j.CreateTime)
	require.Equal(b.t, &dxf.Progress{State: dxf.TaskPending, Step: dxf.StepInit, Size: 1000}, j.Progress)
	j.CreateTime, j.Progress = time.Time{}, nil
	require.Equal(b.t, dxf.ImportJob{
		ID: id, Schema: "test", Table: "t", CreatedBy: "root@%", SourceSize: 7780, ConnID: 4294967295, Status: dxf.ImportPending,
		Parameters: dxf.ImportParameters{FileLocation: "/x/*.csv", Format: "csv", Options: map[string]any{"thread": "4", "detached": nil}},
	}, j)

	// Ids are not those of DDL jobs, and a second import waits for nobody.
	ddl := b.submit()
	other := b.newImport("u")
	require.Greater(b.t, other, id)
	jobs, err = b.ImportJobs(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, []int64{id, other}, []int64{jobs[0].ID, jobs[1].ID})
	require.Equal(b.t, dxf.TaskPending, b.task(ddl).State)
	unfinished, err := b.UnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.Len(b.t, unfinished, 1, "an import is no DDL job")
}

// One import into a table at a time, whoever asks when.
func importActive(b *server) {
	term := b.elect()
	active := func(table string) bool {
		yes, err := b.ImportActive(b.ctx, "test", table)
		require.NoError(b.t, err)
		return yes
	}
	require.False(b.t, active("t"))
	var mu sync.Mutex
	var won []int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			id, err := b.submitImport("t")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, id)
				return
			}
			b.refused(err, "[executor:8173]PreCheck failed: there is active job on the target table already")
		})
	}
	all.Wait()
	require.Len(b.t, won, 1)
	require.True(b.t, active("t"))
	require.False(b.t, active("T"), "names are the store's, and case counts")
	tasks, err := b.Tasks(b.ctx)
	require.NoError(b.t, err)
	require.Len(b.t, tasks, 1, "who is refused leaves nothing behind")

	b.moveImport(term, won[0], dxf.TaskRunning, importinto.StepImport, 0, running(dxf.PhaseImporting))
	require.True(b.t, active("t"))
	b.moveImport(term, won[0], dxf.TaskSucceed, dxf.StepDone, 0, func(j *dxf.ImportJob) { j.Status = dxf.ImportFinished })
	require.False(b.t, active("t"))
	require.Greater(b.t, b.newImport("t"), won[0])
}

func importLife(b *server) {
	term := b.elect()
	id := b.newImport("t")
	require.NoError(b.t, b.SetWaiting(b.ctx, term, dxf.ImportRef(id), "for 'slots' ⏳"))
	require.Equal(b.t, "for 'slots' ⏳", b.importJob(id).Waiting)
	require.Equal(b.t, "for 'slots' ⏳", b.importJob(id).Progress.Waiting)
	require.Zero(b.t, b.importJob(id).StartTime)

	subs := b.moveImport(term, id, dxf.TaskRunning, importinto.StepImport, 2, func(j *dxf.ImportJob) {
		j.Status, j.Phase, j.SourceSize, j.Waiting = dxf.ImportRunning, dxf.PhaseImporting, 9000, ""
	})
	j := b.importJob(id)
	require.Equal(b.t, [...]any{dxf.ImportRunning, dxf.PhaseImporting, int64(9000), ""}, [...]any{j.Status, j.Phase, j.SourceSize, j.Waiting})
	require.NotZero(b.t, j.StartTime)
	require.Zero(b.t, j.EndTime)
	require.Zero(b.t, j.Progress.Elapsed, "no subtask has begun")

	first := b.lease(subs[0])
	require.NoError(b.t, b.Finish(b.ctx, first.Lease(), dxf.SubtaskSucceed, dxf.Summary{RowCount: 70, Bytes: 400}, nil))
	require.NoError(b.t, b.Progress(b.ctx, b.lease(subs[1]).Lease(), dxf.Summary{RowCount: 30, Bytes: 200}))
	j = b.importJob(id)
	require.EqualValues(b.t, 100, j.Rows)
	require.Equal(b.t, [...]int64{100, 600, 1000}, [...]int64{j.Progress.Done, j.Progress.Bytes, j.Progress.Size})
	require.Less(b.t, j.Progress.Elapsed, time.Minute)

	started := j.StartTime
	b.moveImport(term, id, dxf.TaskRunning, importinto.StepBuild, 1, running(dxf.PhaseImporting))
	j = b.importJob(id)
	require.EqualValues(b.t, 100, j.Rows, "those of the import step")
	require.Equal(b.t, [...]any{importinto.StepBuild, int64(0), int64(600)}, [...]any{j.Progress.Step, j.Progress.Done, j.Progress.Bytes})
	require.Equal(b.t, started, j.StartTime)

	var seen int64
	b.moveImport(term, id, dxf.TaskSucceed, dxf.StepDone, 0, func(j *dxf.ImportJob) { j.Status, seen = dxf.ImportFinished, j.Rows })
	require.EqualValues(b.t, 100, seen, "who ends the job knows them")
	for range 2 {
		j = b.importJob(id)
		require.Equal(b.t, [...]any{dxf.ImportFinished, dxf.ImportPhase(""), int64(100), (*dxf.Error)(nil), ""},
			[...]any{j.Status, j.Phase, j.Rows, j.Error, j.Waiting})
		require.Nil(b.t, j.Progress)
		require.NotZero(b.t, j.EndTime)
		require.NoError(b.t, b.SetWaiting(b.ctx, term, dxf.ImportRef(id), "nothing"))
		_, err := b.Archive(b.ctx, term, 10)
		require.NoError(b.t, err)
	}
	require.ErrorIs(b.t, b.SetWaiting(b.ctx, dxf.Term{Number: term.Number + 1}, dxf.ImportRef(id), "x"), dxf.ErrNotOwner)
}

func importFails(b *server) {
	term := b.elect()
	id := b.newImport("t")
	b.moveImport(term, id, dxf.TaskRunning, importinto.StepImport, 1, running(dxf.PhaseImporting))
	why := &dxf.Error{Code: 1062, State: "23000", Class: "kv", Message: "Duplicate entry '1' for key 'ü'"}
	b.moveImport(term, id, dxf.TaskReverting, importinto.StepImport, 0, nil)
	require.Equal(b.t, dxf.ImportRunning, b.importJob(id).Status)
	b.moveImport(term, id, dxf.TaskReverted, importinto.StepImport, 0, func(j *dxf.ImportJob) { j.Status, j.Error = dxf.ImportFailed, why })
	j := b.importJob(id)
	require.Equal(b.t, [...]any{dxf.ImportFailed, dxf.PhaseImporting, why, int64(0)}, [...]any{j.Status, j.Phase, j.Error, j.Rows})
	require.NotZero(b.t, j.EndTime)
}

func importCancel(b *server) {
	term := b.elect()
	b.refused(b.CancelImport(b.ctx, 77), "[executor:8170]Job ID 77 doesn't exist")

	id := b.newImport("t")
	b.moveImport(term, id, dxf.TaskRunning, importinto.StepImport, 1, running(dxf.PhaseImporting))
	require.NoError(b.t, b.CancelImport(b.ctx, id))
	require.Equal(b.t, dxf.TaskCancelling, b.importTask(id).State)
	require.Equal(b.t, dxf.ImportRunning, b.importJob(id).Status, "until all is undone")
	before := b.importTask(id)
	require.NoError(b.t, b.CancelImport(b.ctx, id), "again")
	require.Equal(b.t, before, b.importTask(id))
	b.moveImport(term, id, dxf.TaskReverting, importinto.StepImport, 0, nil)
	require.NoError(b.t, b.CancelImport(b.ctx, id), "while it is undone")
	b.moveImport(term, id, dxf.TaskReverted, importinto.StepImport, 0, func(j *dxf.ImportJob) { j.Status = dxf.ImportCancelled })
	for range 2 {
		j := b.importJob(id)
		require.Equal(b.t, [...]any{dxf.ImportCancelled, dxf.PhaseImporting, "cancelled by user"}, [...]any{j.Status, j.Phase, j.Error.Text()})
		require.NotZero(b.t, j.StartTime)
		require.Zero(b.t, j.EndTime, "as in TiDB")
		b.refused(b.CancelImport(b.ctx, id), "[executor:8171]The current job status cannot perform the operation. CANCEL")
		_, err := b.Archive(b.ctx, term, 10)
		require.NoError(b.t, err)
	}

	// The task has ended and the job has not: an older owner has ended it.
	for _, inHistory := range []bool{false, true} {
		orphan := b.newImport("t")
		task := b.importTask(orphan)
		require.NoError(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: task, State: dxf.TaskFailed, Step: task.Step}))
		if inHistory {
			_, err := b.Archive(b.ctx, term, 10)
			require.NoError(b.t, err)
		}
		require.Equal(b.t, dxf.ImportPending, b.importJob(orphan).Status)
		require.NoError(b.t, b.CancelImport(b.ctx, orphan))
		require.Equal(b.t, dxf.ImportCancelled, b.importJob(orphan).Status)
	}

	queued := b.newImport("t")
	require.NoError(b.t, b.CancelImport(b.ctx, queued))
	require.Equal(b.t, dxf.TaskCancelling, b.importTask(queued).State)

	late := b.newImport("u")
	subs := b.moveImport(term, late, dxf.TaskRunning, importinto.StepPublish, 1, running(dxf.PhaseValidating))
	require.NoError(b.t, b.Finish(b.ctx, b.lease(subs[0]).Lease(), dxf.SubtaskSucceed, dxf.Summary{}, nil))
	b.refused(b.CancelImport(b.ctx, late), "[executor:8171]The current job status cannot perform the operation. CANCEL")
	require.Equal(b.t, dxf.TaskRunning, b.importTask(late).State)
}

func importPause(b *server) {
	term := b.elect()
	const wrong = "[executor:8171]The current job status cannot perform the operation. "
	b.refused(b.PauseImport(b.ctx, 77), "[executor:8170]Job ID 77 doesn't exist")
	b.refused(b.ResumeImport(b.ctx, 77), "[executor:8170]Job ID 77 doesn't exist")

	id := b.newImport("t")
	b.moveImport(term, id, dxf.TaskRunning, importinto.StepImport, 1, running(dxf.PhaseImporting))
	was := b.importJob(id)
	b.refused(b.ResumeImport(b.ctx, id), text("[executor:8261]Job [%d] can't be resumed: job has not been paused", id))
	require.NoError(b.t, b.PauseImport(b.ctx, id))
	require.Equal(b.t, dxf.TaskPausing, b.importTask(id).State)
	b.refused(b.PauseImport(b.ctx, id), text("[executor:8262]Job [%d] has already been paused", id))
	b.refused(b.ResumeImport(b.ctx, id),
		text("[executor:8261]Job [%d] can't be resumed: its nodes are still stopping, try again in a moment", id))
	b.moveImport(term, id, dxf.TaskPaused, importinto.StepImport, 0, nil)
	b.refused(b.PauseImport(b.ctx, id), text("[executor:8262]Job [%d] has already been paused", id))
	j := b.importJob(id)
	require.Equal(b.t, [...]any{was.Status, was.Phase, dxf.TaskPaused}, [...]any{j.Status, j.Phase, j.Progress.State})
	active, err := b.ImportActive(b.ctx, "test", "t")
	require.NoError(b.t, err)
	require.True(b.t, active, "a paused import keeps its table")
	require.NoError(b.t, b.ResumeImport(b.ctx, id))
	require.Equal(b.t, dxf.TaskResuming, b.importTask(id).State)
	b.refused(b.PauseImport(b.ctx, id), wrong+"PAUSE")
	b.refused(b.ResumeImport(b.ctx, id), text("[executor:8261]Job [%d] can't be resumed: job has not been paused", id))
	b.moveImport(term, id, dxf.TaskRunning, importinto.StepImport, 0, nil)

	require.NoError(b.t, b.PauseImport(b.ctx, id))
	b.moveImport(term, id, dxf.TaskPaused, importinto.StepImport, 0, nil)
	require.NoError(b.t, b.CancelImport(b.ctx, id))
	require.Equal(b.t, dxf.TaskCancelling, b.importTask(id).State)
	b.refused(b.PauseImport(b.ctx, id), wrong+"PAUSE")
	b.refused(b.ResumeImport(b.ctx, id), wrong+"RESUME")
	b.moveImport(term, id, dxf.TaskReverting, importinto.StepImport, 0, nil)
	b.moveImport(term, id, dxf.TaskReverted, importinto.StepImport, 0, func(j *dxf.ImportJob) { j.Status = dxf.ImportCancelled })
	for range 2 {
		b.refused(b.PauseImport(b.ctx, id), wrong+"PAUSE")
		b.refused(b.ResumeImport(b.ctx, id), wrong+"RESUME")
		_, err := b.Archive(b.ctx, term, 10)
		require.NoError(b.t, err)
	}

	queued := b.newImport("t")
	require.NoError(b.t, b.PauseImport(b.ctx, queued))
	b.moveImport(term, queued, dxf.TaskPaused, dxf.StepInit, 0, nil)
	require.Equal(b.t, dxf.ImportPending, b.importJob(queued).Status)

	// Once the rows are in the table there is nothing left to be halted or undone,
	// also if the pause was asked for before.
	late := b.newImport("u")
	subs := b.moveImport(term, late, dxf.TaskRunning, importinto.StepPublish, 1, running(dxf.PhaseValidating))
	sub := b.lease(subs[0])
	require.NoError(b.t, b.PauseImport(b.ctx, late))
	require.NoError(b.t, b.Finish(b.ctx, sub.Lease(), dxf.SubtaskSucceed, dxf.Summary{}, nil))
	b.moveImport(term, late, dxf.TaskPaused, importinto.StepPublish, 0, nil)
	b.refused(b.CancelImport(b.ctx, late), wrong+"CANCEL")
	require.NoError(b.t, b.ResumeImport(b.ctx, late))
	b.moveImport(term, late, dxf.TaskRunning, importinto.StepPublish, 0, nil)
	b.refused(b.PauseImport(b.ctx, late), wrong+"PAUSE")
}
