package storetest

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

func cancel(b *bench) {
	term := b.elect()
	b.refused(b.CancelJob(b.ctx, 77), "[ddl:8224]DDL Job:77 not found")

	queued := b.submit()
	require.NoError(b.t, b.SetWaiting(b.ctx, term, dxf.DDLRef(queued), "for a node"))
	require.NoError(b.t, b.CancelJob(b.ctx, queued))
	require.Equal(b.t, dxf.TaskCancelling, b.task(queued).State)
	require.Equal(b.t, dxf.JobCancelling, b.job(queued).State)
	require.Empty(b.t, b.job(queued).Waiting)
	before := b.task(queued)
	require.NoError(b.t, b.CancelJob(b.ctx, queued), "again")
	require.Equal(b.t, before, b.task(queued))
	b.move(term, queued, dxf.TaskReverting, dxf.StepInit, 0, dxf.JobRollingback)
	require.NoError(b.t, b.CancelJob(b.ctx, queued), "while it rolls back")
	require.Equal(b.t, dxf.JobRollingback, b.job(queued).State)
	require.Equal(b.t, dxf.TaskReverting, b.task(queued).State)

	for _, step := range []dxf.Step{backfill.StepCopy, backfill.StepBuild, backfill.StepVerify, backfill.StepCutover, backfill.StepNative} {
		job := b.submit()
		b.move(term, job, dxf.TaskRunning, step, 1, dxf.JobRunning)
		require.NoError(b.t, b.CancelJob(b.ctx, job), step)
		require.Equal(b.t, dxf.TaskCancelling, b.task(job).State)
	}
	for _, step := range []dxf.Step{backfill.StepCutover, backfill.StepNative} {
		job := b.submit()
		b.move(term, job, dxf.TaskRunning, step, 1, dxf.JobRunning)
		b.succeed(job)
		b.refused(b.CancelJob(b.ctx, job), text("[ddl:8226]This job:%d is almost finished, can't be cancelled now", job))
		require.Equal(b.t, dxf.TaskRunning, b.task(job).State)
		require.Equal(b.t, dxf.JobRunning, b.job(job).State)
	}

	// The task has ended, the job's row is still there.
	ended := b.submit()
	task := b.task(ended)
	require.NoError(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: task, State: dxf.TaskFailed, Step: task.Step}))
	b.refused(b.CancelJob(b.ctx, ended), text("[ddl:8225]This job:%d is finished, so can't be cancelled", ended))
}

func pauseResume(b *bench) {
	term := b.elect()
	b.refused(b.PauseJob(b.ctx, 77), "[ddl:8224]DDL Job:77 not found")
	b.refused(b.ResumeJob(b.ctx, 77), "[ddl:8224]DDL Job:77 not found")

	job, _ := b.running(term, 1)
	b.refused(b.ResumeJob(b.ctx, job),
		text("[ddl:8261]Job [%d] can't be resumed: job has not been paused, job state:running, schema state:none", job))
	require.NoError(b.t, b.PauseJob(b.ctx, job))
	require.Equal(b.t, dxf.TaskPausing, b.task(job).State)
	require.Equal(b.t, dxf.JobPausing, b.job(job).State)
	b.refused(b.PauseJob(b.ctx, job), text("[ddl:8262]Job [%d] has already been paused", job))
	require.ErrorIs(b.t, b.ResumeJob(b.ctx, job), dxf.ErrTaskChanged, "until it is paused")
	b.move(term, job, dxf.TaskPaused, backfill.StepCopy, 0, dxf.JobPaused)
	b.refused(b.PauseJob(b.ctx, job), text("[ddl:8262]Job [%d] has already been paused", job))

	require.NoError(b.t, b.ResumeJob(b.ctx, job))
	require.Equal(b.t, dxf.TaskResuming, b.task(job).State)
	require.Equal(b.t, dxf.JobQueueing, b.job(job).State)
	b.refused(b.PauseJob(b.ctx, job), text("[ddl:8260]Job [%d] can't be paused: state [queueing] or schema state [none]", job))
	b.move(term, job, dxf.TaskRunning, backfill.StepCopy, 0, dxf.JobRunning)

	// A paused one can be cancelled; one that is cancelling cannot be paused.
	require.NoError(b.t, b.PauseJob(b.ctx, job))
	b.move(term, job, dxf.TaskPaused, backfill.StepCopy, 0, dxf.JobPaused)
	require.NoError(b.t, b.CancelJob(b.ctx, job))
	b.refused(b.PauseJob(b.ctx, job), text("[ddl:8260]Job [%d] can't be paused: state [cancelling] or schema state [none]", job))
	b.refused(b.ResumeJob(b.ctx, job),
		text("[ddl:8261]Job [%d] can't be resumed: job has not been paused, job state:cancelling, schema state:none", job))

	late := b.submit()
	b.move(term, late, dxf.TaskRunning, backfill.StepCutover, 1, dxf.JobRunning)
	b.succeed(late)
	b.refused(b.PauseJob(b.ctx, late), text("[ddl:8260]Job [%d] can't be paused: state [running] or schema state [none]", late))

	swapping := b.submit()
	b.move(term, swapping, dxf.TaskRunning, backfill.StepCutover, 1, dxf.JobRunning)
	require.NoError(b.t, b.PauseJob(b.ctx, swapping))
	require.Equal(b.t, dxf.TaskPausing, b.task(swapping).State)

	queued := b.submit()
	require.NoError(b.t, b.PauseJob(b.ctx, queued))
	require.Equal(b.t, dxf.TaskPausing, b.task(queued).State)
}

func alter(b *server) {
	term := b.elect()
	threads := []dxf.Modification{{Type: dxf.ModifyConcurrency, To: 8}}
	b.refused(b.AlterJob(b.ctx, 77, threads), "[ddl:8224]DDL Job:77 not found")

	job, _ := b.running(term, 1)
	require.NoError(b.t, b.AlterJob(b.ctx, job, threads))
	require.ErrorIs(b.t, b.AlterJob(b.ctx, job, threads), dxf.ErrTaskChanged, "until the owner has seen it")
	task := b.task(job)
	require.Equal(b.t, dxf.TaskModifying, task.State)
	require.JSONEq(b.t, `{"prev_state":"running","modifications":[{"type":"modify_concurrency","to":8}]}`, string(task.ModifyParams))
	b.move(term, job, dxf.TaskRunning, backfill.StepCopy, 0, dxf.JobRunning)
	require.NoError(b.t, b.AlterJob(b.ctx, job, []dxf.Modification{
		{Type: dxf.ModifyBatchSize, To: 64}, {Type: dxf.ModifyMaxWriteSpeed, To: 1024},
	}))
	require.Equal(b.t, "ingest, DXF, thread=8, batch_size=64, max_write_speed=1024", b.job(job).Comments())

	b.move(term, job, dxf.TaskRunning, backfill.StepCopy, 0, dxf.JobRunning)
	require.Empty(b.t, b.task(job).ModifyParams)
	require.NoError(b.t, b.CancelJob(b.ctx, job))
	require.EqualError(b.t, b.AlterJob(b.ctx, job, threads), dxf.Errorf("ddl job %d is not running", job).Error())

	primary, err := b.Submit(b.ctx, dxf.Job{Type: "add primary key", Schema: "test", Table: "t", Reorg: &dxf.Reorg{}},
		indexTask(dxf.MetaHead{Schema: "test", Table: "t"}))
	require.NoError(b.t, err)
	require.ErrorContains(b.t, b.AlterJob(b.ctx, primary, threads), "unsupported DDL operation: add primary key. Supported")

	pausing, _ := b.running(term, 1)
	require.NoError(b.t, b.PauseJob(b.ctx, pausing))
	require.ErrorIs(b.t, b.AlterJob(b.ctx, pausing, threads), dxf.ErrTaskChanged, "until it is paused")
}

// succeed ends the subtasks of a job's step.
func (b *bench) succeed(job int64) {
	for _, s := range b.subtasks(job) {
		require.NoError(b.t, b.Finish(b.ctx, b.lease(s).Lease(), dxf.SubtaskSucceed, dxf.Summary{}, nil))
	}
}

// A job in the history is not found, as in TiDB.
func askAfterTheEnd(b *bench) {
	term := b.elect()
	job, _ := b.running(term, 1)
	b.move(term, job, dxf.TaskSucceed, dxf.StepDone, 0, dxf.JobSynced)
	for range 2 {
		for _, ask := range []func() error{
			func() error { return b.CancelJob(b.ctx, job) },
			func() error { return b.PauseJob(b.ctx, job) },
			func() error { return b.ResumeJob(b.ctx, job) },
		} {
			b.refused(ask(), text("[ddl:8224]DDL Job:%d not found", job))
		}
		_, err := b.Archive(b.ctx, term, 10)
		require.NoError(b.t, err)
	}
	require.NoError(b.t, b.SetWaiting(b.ctx, term, dxf.DDLRef(job), "nothing"))
	require.Equal(b.t, dxf.JobSynced, b.job(job).State)
}

// ROW_COUNT counts the rows of the steps that read the table once.
func rowCount(b *bench) {
	term := b.elect()
	job, subs := b.running(term, 2)
	require.Zero(b.t, b.job(job).RowCount)
	for i, s := range subs {
		require.NoError(b.t, b.Finish(b.ctx, b.lease(s).Lease(), dxf.SubtaskSucceed, dxf.Summary{RowCount: int64(100 * (i + 1))}, nil))
	}
	b.move(term, job, dxf.TaskRunning, backfill.StepVerify, 1, dxf.JobRunning)
	verify := b.lease(b.subtasks(job)[0])
	require.NoError(b.t, b.Progress(b.ctx, verify.Lease(), dxf.Summary{RowCount: 5000}))
	require.EqualValues(b.t, 300, b.job(job).RowCount)
	unfinished, err := b.UnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.Len(b.t, unfinished, 1)
	require.EqualValues(b.t, 300, unfinished[0].RowCount)
	b.move(term, job, dxf.TaskSucceed, dxf.StepDone, 0, dxf.JobSynced)
	require.EqualValues(b.t, 300, b.job(job).RowCount, "it stays when the job is over")
	_, err = b.Archive(b.ctx, term, 10)
	require.NoError(b.t, err)
	require.EqualValues(b.t, 300, b.job(job).RowCount, "and when the subtasks are gone")

	native := b.submit()
	b.move(term, native, dxf.TaskRunning, backfill.StepNative, 1, dxf.JobRunning)
	require.NoError(b.t, b.Progress(b.ctx, b.lease(b.subtasks(native)[0]).Lease(), dxf.Summary{RowCount: 42}))
	require.EqualValues(b.t, 42, b.job(native).RowCount)
}

func progress(b *server) {
	term := b.elect()
	_, err := b.JobProgress(b.ctx, 77)
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
	job, subs := b.running(term, 2)
	require.NoError(b.t, b.Progress(b.ctx, b.lease(subs[1]).Lease(), dxf.Summary{RowCount: 30}))
	require.NoError(b.t, b.SetWaiting(b.ctx, term, dxf.DDLRef(job), "for 'slots' ⏳"))
	p, err := b.JobProgress(b.ctx, job)
	require.NoError(b.t, err)
	require.Equal(b.t, dxf.TaskRunning, p.State)
	require.Equal(b.t, backfill.StepCopy, p.Step)
	require.EqualValues(b.t, 30, p.Done)
	require.EqualValues(b.t, 100, p.Total)
	require.Len(b.t, p.Subtasks, 2)
	require.Equal(b.t, "for 'slots' ⏳", p.Waiting)

	b.move(term, job, dxf.TaskSucceed, dxf.StepDone, 0, dxf.JobSynced)
	_, err = b.Archive(b.ctx, term, 10)
	require.NoError(b.t, err)
	_, err = b.JobProgress(b.ctx, job)
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
}

func waiting(b *bench) {
	term := b.elect()
	job := b.submit()
	require.NoError(b.t, b.SetWaiting(b.ctx, term, dxf.DDLRef(job), "no node of scope gold"))
	require.Equal(b.t, "ingest, DXF, no node of scope gold", b.job(job).Comments())
	require.NoError(b.t, b.SetWaiting(b.ctx, term, dxf.DDLRef(job), ""))
	require.Equal(b.t, "ingest, DXF", b.job(job).Comments())
}

// jobsOfOneAccount: the unfinished ones are counted, of both kinds, also when many are
// submitted at once.
func jobsOfOneAccount(b *server) {
	submit := func(user string) error {
		_, err := b.Submit(b.ctx, dxf.Job{Type: "add index", User: user}, indexTask(dxf.MetaHead{}))
		return err
	}
	imports := func(user, table string) error {
		_, err := b.SubmitImport(b.ctx, dxf.ImportJob{Schema: "s", Table: table, CreatedBy: user},
			dxf.NewTask{Type: importinto.Name, Meta: &importinto.Meta{}})
		return err
	}
	tooMany := func(err error) {
		b.t.Helper()
		var e *dxf.Error
		require.ErrorAs(b.t, err, &e)
		require.Equal(b.t, &dxf.Error{
			Code: 1226, State: "42000", Class: "executor",
			Message: "User 'a@%' has exceeded the 'dxf_max_user_queued_jobs' resource (current value: 3)",
		}, e)
	}
	require.NoError(b.t, b.SetGlobalVar(b.ctx, dxf.MaxUserQueuedJobs, "3"))
	require.NoError(b.t, imports("a@%", "t"))
	results := make(chan error)
	for range 6 {
		go func() { results <- submit("a@%") }()
	}
	refused := 0
	for range 6 {
		if err := <-results; err != nil {
			tooMany(err)
			refused++
		}
	}
	require.Equal(b.t, 4, refused)
	tooMany(imports("a@%", "u"))
	require.NoError(b.t, submit("A@%"))
	require.NoError(b.t, submit("a@localhost"))
	tasks, err := b.Tasks(b.ctx)
	require.NoError(b.t, err)
	users := map[string]int{}
	for _, t := range tasks {
		users[t.User]++
	}
	require.Equal(b.t, map[string]int{"a@%": 3, "A@%": 1, "a@localhost": 1}, users)

	term := b.elect()
	require.NoError(b.t, b.Advance(b.ctx, term, dxf.Advance{Task: tasks[0], State: dxf.TaskFailed}))
	require.NoError(b.t, submit("a@%"), "one has ended")
	tooMany(submit("a@%"))
	require.NoError(b.t, b.SetGlobalVar(b.ctx, dxf.MaxUserQueuedJobs, "0"))
	require.NoError(b.t, submit("a@%"))
	for range 2 * dxf.DefaultMaxUserQueuedJobs {
		require.NoError(b.t, submit(""), "nobody's")
	}
}

func record(b *server) {
	var ids []int64
	for _, query := range []string{"CREATE TABLE a (b INT)", "DROP TABLE a", "TRUNCATE TABLE \"x\\y\""} {
		id, err := b.Record(b.ctx, dxf.Job{Type: "create table", Schema: "test", Table: "a", State: dxf.JobSynced, Query: query})
		require.NoError(b.t, err)
		ids = append(ids, id)
	}
	ended, err := b.History(b.ctx, 2)
	require.NoError(b.t, err)
	require.Len(b.t, ended, 2)
	require.Equal(b.t, ids[2], ended[0].ID)
	require.Equal(b.t, "TRUNCATE TABLE \"x\\y\"", ended[0].Query)
	require.Equal(b.t, ids[1], ended[1].ID)
	for _, j := range ended {
		require.NotZero(b.t, j.CreateTime)
		require.NotZero(b.t, j.EndTime)
	}
	for _, user := range []string{"a@%", "A@%", "a@%", "a@%"} {
		id, err := b.Record(b.ctx, dxf.Job{Type: "create table", State: dxf.JobSynced, User: user})
		require.NoError(b.t, err)
		ids = append(ids, id)
	}
	own, err := b.UserHistory(b.ctx, "a@%", 2)
	require.NoError(b.t, err)
	require.Len(b.t, own, 2)
	require.Equal(b.t, []int64{ids[6], ids[5]}, []int64{own[0].ID, own[1].ID})
	own, err = b.UserHistory(b.ctx, "b@%", 2)
	require.NoError(b.t, err)
	require.Empty(b.t, own)
	_, err = b.Record(b.ctx, dxf.Job{Type: "create table", State: dxf.JobSynced, User: "b@% "})
	require.NoError(b.t, err)
	own, err = b.UserHistory(b.ctx, "b@%", 2)
	require.NoError(b.t, err)
	require.Empty(b.t, own, "another's, but for a blank")
	has, err := b.HasUnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.False(b.t, has, "those of the history have ended")
	require.Greater(b.t, b.submit(), ids[6], "one sequence of ids")
	has, err = b.HasUnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.True(b.t, has)
	_, err = b.Record(b.ctx, dxf.Job{State: dxf.JobSynced}, dxf.Job{State: dxf.JobRunning})
	require.Error(b.t, err)
	many := make([]dxf.Job, 40)
	for i := range many {
		// Names are as the client spells them: here in latin1.
		many[i] = dxf.Job{Type: "create table", Schema: "caf\xe9", Table: "\xe9", State: dxf.JobSynced, RowCount: int64(i)}
		if i == 10 {
			many[i].Table = strings.Repeat("t,", 1<<19) // of a RENAME: a statement of its own
		}
	}
	last, err := b.Record(b.ctx, many...)
	require.NoError(b.t, err)
	ended, err = b.History(b.ctx, len(many))
	require.NoError(b.t, err)
	for i, j := range ended {
		require.EqualValues(b.t, last-int64(i), j.ID)
		require.EqualValues(b.t, len(many)-1-i, j.RowCount)
	}
}

func text(format string, jobID int64) string { return fmt.Sprintf(format, jobID) }
