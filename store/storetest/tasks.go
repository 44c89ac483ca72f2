package storetest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

func submit(b *bench) {
	id := b.submit()
	t := b.task(id)
	require.Equal(b.t, dxf.TaskPending, t.State)
	require.Equal(b.t, dxf.StepInit, t.Step)
	require.Equal(b.t, backfill.Name, t.Type)
	require.Equal(b.t, dxf.DefaultPriority, t.Priority)
	require.Equal(b.t, 4, t.Concurrency)
	require.NotZero(b.t, t.CreateTime)
	require.Zero(b.t, t.StartTime)
	require.Zero(b.t, t.EndTime)
	require.Nil(b.t, t.Error)
	require.Empty(b.t, t.ModifyParams)
	var meta backfill.Meta
	require.NoError(b.t, json.Unmarshal(t.Meta, &meta))
	require.Equal(b.t, backfill.Meta{MetaHead: dxf.MetaHead{JobID: id, Schema: "test", Table: "t", Rows: 100}}, meta)

	j := b.job(id)
	require.Equal(b.t, dxf.JobQueueing, j.State)
	require.Equal(b.t, "ALTER TABLE t ADD INDEX (a)", j.Query)
	require.Equal(b.t, "ingest, DXF", j.Comments())
	require.NotZero(b.t, j.CreateTime)
	require.Zero(b.t, j.StartTime)
	require.Greater(b.t, b.submit(), id)
	_, err := b.Job(b.ctx, 999)
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
}

func taskKeyIsUnique(b *server) {
	// As if the counter had been set back.
	again := func() error {
		require.NoError(b.t, b.InTx(b.ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(b.ctx, "UPDATE counter SET value = 0 WHERE name = 'job'")
			return err
		}))
		_, err := b.Submit(b.ctx, dxf.Job{}, indexTask(dxf.MetaHead{}))
		return err
	}
	require.NoError(b.t, again())
	require.ErrorIs(b.t, again(), dxf.ErrTaskExists)
	jobs, err := b.UnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.Len(b.t, jobs, 1, "a refused submission leaves no job behind")

	// Nor may a key of the history be used again.
	term := b.elect()
	tasks, err := b.Tasks(b.ctx)
	require.NoError(b.t, err)
	require.NoError(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: tasks[0], State: dxf.TaskFailed, Step: tasks[0].Step}))
	n, err := b.Archive(b.ctx, term, 10)
	require.NoError(b.t, err)
	require.Equal(b.t, 1, n)
	require.ErrorIs(b.t, again(), dxf.ErrTaskExists)
}

// unknownType: nobody could ever work on it, or find it by its job.
func unknownType(b *server) {
	for _, name := range []dxf.TaskType{"", "x", importinto.Name} {
		_, err := b.Submit(b.ctx, dxf.Job{}, dxf.NewTask{Type: name, Meta: &dxf.MetaHead{}})
		require.ErrorContains(b.t, err, fmt.Sprintf("no task type %q", name))
	}
	jobs, err := b.UnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, jobs)
}

func rank(b *bench) {
	var ids []int64
	for _, priority := range []int{512, 100, 512, 0, 1024} {
		t := indexTask(dxf.MetaHead{})
		t.Priority = priority
		id, err := b.Submit(b.ctx, dxf.Job{}, t)
		require.NoError(b.t, err)
		ids = append(ids, id)
	}
	tasks, err := b.Tasks(b.ctx)
	require.NoError(b.t, err)
	var keys []string
	for _, t := range tasks {
		keys = append(keys, t.Key)
	}
	var want []string
	for _, i := range []int{1, 0, 2, 3, 4} {
		want = append(want, backfill.Type.TaskKey(ids[i]))
	}
	require.Equal(b.t, want, keys)
}

func advance(b *bench) {
	term := b.elect()
	job := b.submit()
	const many = 450 // more than one statement's worth
	b.move(term, job, dxf.TaskRunning, backfill.StepCopy, many, dxf.JobRunning)

	t := b.task(job)
	require.Equal(b.t, dxf.TaskRunning, t.State)
	require.Equal(b.t, backfill.StepCopy, t.Step)
	require.NotZero(b.t, t.StartTime)
	subs := b.subtasks(job)
	require.Len(b.t, subs, many)
	for i, s := range subs {
		require.Equal(b.t, i+1, s.Ordinal)
		require.Equal(b.t, t.ID, s.TaskID)
		require.Equal(b.t, dxf.SubtaskPending, s.State)
		require.Equal(b.t, n1.ID, s.ExecID)
		require.JSONEq(b.t, `{"range":"AAA="}`, string(s.Meta))
		require.JSONEq(b.t, `{}`, string(s.Checkpoint))
		require.Zero(b.t, s.StartTime)
	}
	j := b.job(job)
	require.Equal(b.t, dxf.JobRunning, j.State)
	require.NotZero(b.t, j.StartTime)
	require.Zero(b.t, j.EndTime)

	// Meta, concurrency and error stay as they are when not named.
	require.NoError(b.t, b.Advance(b.ctx, term, dxf.Advance{
		Task: t, State: dxf.TaskRunning, Step: backfill.StepBuild, Concurrency: 2, Meta: []byte(`{"rows":7}`), Error: dxf.Errorf("oops"),
	}))
	t = b.task(job)
	require.NoError(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: t, State: dxf.TaskReverting, Step: backfill.StepBuild}))
	t = b.task(job)
	require.Equal(b.t, 2, t.Concurrency)
	require.JSONEq(b.t, `{"rows":7}`, string(t.Meta))
	require.Equal(b.t, dxf.Errorf("oops"), t.Error)

	// The end: the job is in the history, the task no longer listed.
	require.NoError(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: t, State: dxf.TaskSucceed, Step: dxf.StepDone, Job: dxf.DDLRef(job),
		Change: dxf.OnJob(func(j *dxf.Job) {
			j.State, j.SchemaState, j.Waiting = dxf.JobSynced, dxf.SchemaPublic, "still"
		})}))
	tasks, err := b.Tasks(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, tasks)
	unfinished, err := b.UnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, unfinished)
	j = b.job(job)
	require.Equal(b.t, dxf.JobSynced, j.State)
	require.NotZero(b.t, j.EndTime)
	require.Empty(b.t, j.Waiting)
	ended, err := b.History(b.ctx, 10)
	require.NoError(b.t, err)
	require.Equal(b.t, []dxf.Job{j}, ended)
}

// A step that cannot be written leaves the task where it was.
func advanceIsAllOrNothing(b *bench) {
	term := b.elect()
	job, subs := b.running(term, 3)
	before, jobBefore := b.task(job), b.job(job)
	err := b.Advance(b.ctx, term, dxf.Advance{
		Task: before, State: dxf.TaskReverting, Step: backfill.StepCopy, Error: dxf.Errorf("no"),
		Subtasks: []dxf.Subtask{{Ordinal: 4}, {Ordinal: 2}}, // the second is taken
		Job:      dxf.DDLRef(job), Change: dxf.OnJob(func(j *dxf.Job) { j.State = dxf.JobRollingback }),
	})
	require.Error(b.t, err)
	require.NotErrorIs(b.t, err, dxf.ErrTaskChanged)
	require.Equal(b.t, before, b.task(job))
	require.Equal(b.t, jobBefore, b.job(job))
	require.Equal(b.t, subs, b.subtasks(job))
}

// The user asks while the owner plans: the owner has to look again.
func advanceMeetsCancel(b *bench) {
	term := b.elect()
	job := b.submit()
	read := b.task(job)
	require.NoError(b.t, b.CancelJob(b.ctx, job))
	require.ErrorIs(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: read, State: dxf.TaskRunning, Step: backfill.StepCopy}), dxf.ErrTaskChanged)
	require.Equal(b.t, dxf.TaskCancelling, b.task(job).State)

	// A second try with what was read before the first succeeded, likewise.
	other := b.submit()
	read = b.task(other)
	a := dxf.Advance{Task: read, State: dxf.TaskRunning, Step: backfill.StepCopy, Subtasks: []dxf.Subtask{{Ordinal: 1}}}
	require.NoError(b.t, b.Advance(b.ctx, term, a))
	require.ErrorIs(b.t, b.Advance(b.ctx, term, a), dxf.ErrTaskChanged)
	require.Len(b.t, b.subtasks(other), 1)

	read.ID = 999
	require.ErrorIs(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: read, State: dxf.TaskRunning}), dxf.ErrTaskChanged)
}

func countError(b *bench) {
	job := b.submit()
	t := b.task(job)
	for want := 1; want <= 3; want++ {
		n, err := b.CountError(b.ctx, t.ID, dxf.Errorf("try %d", want))
		require.NoError(b.t, err)
		require.Equal(b.t, want, n)
	}
	t = b.task(job)
	require.Equal(b.t, 3, t.ErrorCount)
	require.Nil(b.t, t.Error)
	_, err := b.CountError(b.ctx, 999, dxf.Errorf("no"))
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
}

func archive(b *bench) {
	term := b.elect()
	var jobs []int64
	for range 5 {
		job, _ := b.running(term, 2)
		jobs = append(jobs, job)
	}
	for _, job := range jobs[:3] {
		b.move(term, job, dxf.TaskSucceed, dxf.StepDone, 0, dxf.JobSynced)
	}
	for _, want := range []int{2, 1, 0} {
		n, err := b.Archive(b.ctx, term, 2)
		require.NoError(b.t, err)
		require.Equal(b.t, want, n)
	}
	tasks, err := b.Tasks(b.ctx)
	require.NoError(b.t, err)
	require.Len(b.t, tasks, 2)
	for _, job := range jobs[3:] {
		require.Len(b.t, b.subtasks(job), 2)
	}
	for i := range 3 {
		subs, err := b.Subtasks(b.ctx, int64(i+1), backfill.StepCopy)
		require.NoError(b.t, err)
		require.Empty(b.t, subs, strconv.Itoa(i+1))
	}
	require.Equal(b.t, dxf.JobSynced, b.job(jobs[0]).State, "jobs stay known")
}
