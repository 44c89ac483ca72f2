// Package storetest is the suite that stores pass: what the packages above rely on, said
// once. Tasks is run against SQL and memory alike; what needs transactions, or the rows
// that only clients and changefeeds ask for, against SQL alone (Server).
package storetest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/changefeed"
	"dxfproxy/dispatcher"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/scheduler"
	"dxfproxy/sqlhandler"
)

// Types are those of the tasks that the suite submits. Open the store for them.
var Types = []dxf.Type{backfill.Type, importinto.Type}

// Store is what dispatchers and schedulers ask, and what moves their tasks from outside.
type Store interface {
	dispatcher.TaskStore
	scheduler.SubtaskStore
	Submit(ctx context.Context, j dxf.Job, t dxf.NewTask) (int64, error)
	Job(ctx context.Context, id int64) (dxf.Job, error)
	UnfinishedJobs(ctx context.Context) ([]dxf.Job, error)
	History(ctx context.Context, n int) ([]dxf.Job, error)
	CancelJob(ctx context.Context, id int64) error
	PauseJob(ctx context.Context, id int64) error
	ResumeJob(ctx context.Context, id int64) error
	Owner(ctx context.Context) (dxf.Term, error)
	SetRole(ctx context.Context, nodeID, role string) error
}

// A Bench is a store, empty, and the ways to it that only tests have. No test
// waits for a lease to run out: it is set back instead.
type Bench interface {
	Store
	ExpireOwner()
	ExpireNode(nodeID string)
	ExpireSubtask(id int64)
	// Save saves a checkpoint as workers do.
	Save(ctx context.Context, l dxf.Lease, checkpoint []byte, sum dxf.Summary) error
}

// A ServerBench is one whose rows are in a server.
type ServerBench interface {
	Bench
	backfill.PlannerStore
	changefeed.Store
	backfill.WorkerStore
	sqlhandler.Store
	ExpireFeed(jobID int64)
	// InTx runs do in a transaction as workers and appliers have them, and
	// commits it unless do fails.
	InTx(ctx context.Context, do func(tx *sql.Tx) error) error
}

// Tasks runs the part of the suite that every store passes. open is called once for each
// test.
func Tasks(t *testing.T, open func(t *testing.T) Bench) {
	for _, test := range []struct {
		name string
		run  func(b *bench)
	}{
		{"Campaign", campaign},
		{"CampaignRace", campaignRace},
		{"Nodes", nodes},
		{"OwnerFence", ownerFence},
		{"Submit", submit},
		{"Rank", rank},
		{"Advance", advance},
		{"AdvanceIsAllOrNothing", advanceIsAllOrNothing},
		{"AdvanceMeetsCancel", advanceMeetsCancel},
		{"Lease", lease},
		{"LeaseRace", leaseRace},
		{"ZombieWritesNothing", zombieWritesNothing},
		{"Heartbeat", heartbeat},
		{"Checkpoint", checkpoint},
		{"Place", place},
		{"MoveSubtasks", moveSubtasks},
		{"CountError", countError},
		{"Cancel", cancel},
		{"PauseResume", pauseResume},
		{"AskAfterTheEnd", askAfterTheEnd},
		{"RowCount", rowCount},
		{"Waiting", waiting},
		{"Archive", archive},
		{"Cancelled context", cancelledContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&bench{Bench: open(t), t: t, ctx: t.Context()})
		})
	}
}

// Server runs the rest.
func Server(t *testing.T, open func(t *testing.T) ServerBench) {
	for _, test := range []struct {
		name string
		run  func(b *server)
	}{
		{"TaskKeyIsUnique", taskKeyIsUnique},
		{"UnknownType", unknownType},
		{"S21JobsOfOneAccount", jobsOfOneAccount},
		{"ZombieExecutor", zombieExecutor},
		{"Alter", alter},
		{"Progress", progress},
		{"Record", record},
		{"ImportSubmit", importSubmit},
		{"ImportActive", importActive},
		{"ImportLife", importLife},
		{"ImportFails", importFails},
		{"ImportCancel", importCancel},
		{"ImportPause", importPause},
		{"FeedLife", feedLife},
		{"FeedFence", feedFence},
		{"FeedModes", feedModes},
		{"FeedWindow", feedWindow},
		{"Markers", markers},
		{"GlobalVars", globalVars},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t)
			test.run(&server{ServerBench: b, bench: &bench{Bench: b, t: t, ctx: t.Context()}})
		})
	}
}

// A server is a bench with the rows that only a server has.
type server struct {
	ServerBench
	*bench
}

// A bench is a Bench with the ordinary things done.
type bench struct {
	Bench
	t   *testing.T
	ctx context.Context
}

var n1 = dxf.Node{ID: "n1:4000", UUID: "uuid-1", CPUCount: 4}

// elect makes n1 the owner.
func (b *bench) elect() dxf.Term {
	b.t.Helper()
	term, err := b.Campaign(b.ctx, n1)
	require.NoError(b.t, err)
	return term
}

// submit makes a job of the table t.
func (b *bench) submit() int64 {
	b.t.Helper()
	id, err := b.Submit(b.ctx, dxf.Job{
		Type: "add index", Action: 7, Schema: "test", Table: "t", SchemaState: dxf.SchemaNone,
		Query: "ALTER TABLE t ADD INDEX (a)", Reorg: &dxf.Reorg{Ingest: true, Dist: true, Thread: 4, BatchSize: 256},
	}, indexTask(dxf.MetaHead{Schema: "test", Table: "t", Rows: 100}))
	require.NoError(b.t, err)
	return id
}

// backfill is a task to submit.
func indexTask(head dxf.MetaHead) dxf.NewTask {
	return dxf.NewTask{Type: backfill.Name, Concurrency: 4, Meta: &backfill.Meta{MetaHead: head}}
}

// task returns the unfinished task of a job.
func (b *bench) task(jobID int64) dxf.Task {
	b.t.Helper()
	return b.taskOf(backfill.Type.TaskKey(jobID))
}

func (b *bench) taskOf(key string) dxf.Task {
	b.t.Helper()
	tasks, err := b.Tasks(b.ctx)
	require.NoError(b.t, err)
	for _, t := range tasks {
		if t.Key == key {
			return t
		}
	}
	require.Fail(b.t, "no such task", key)
	return dxf.Task{}
}

// move advances the job's task to a state and step with n subtasks on n1.
func (b *bench) move(term dxf.Term, jobID int64, state dxf.TaskState, step dxf.Step, n int, job dxf.JobState) {
	b.t.Helper()
	a := dxf.Advance{Task: b.task(jobID), State: state, Step: step, Job: dxf.DDLRef(jobID),
		Change: dxf.OnJob(func(j *dxf.Job) { j.State = job })}
	for i := range n {
		a.Subtasks = append(a.Subtasks, dxf.Subtask{Ordinal: i + 1, ExecID: n1.ID, Meta: []byte(`{"range":"AAA="}`)})
	}
	require.NoError(b.t, b.Advance(b.ctx, term, a))
}

// running submits a job whose copy step has n subtasks on n1.
func (b *bench) running(term dxf.Term, n int) (jobID int64, subs []dxf.Subtask) {
	b.t.Helper()
	jobID = b.submit()
	b.move(term, jobID, dxf.TaskRunning, backfill.StepCopy, n, dxf.JobRunning)
	return jobID, b.subtasks(jobID)
}

// subtasks returns those of the job's present step.
func (b *bench) subtasks(jobID int64) []dxf.Subtask {
	b.t.Helper()
	t := b.task(jobID)
	subs, err := b.Subtasks(b.ctx, t.ID, t.Step)
	require.NoError(b.t, err)
	return subs
}

// lease leases a subtask.
func (b *bench) lease(s dxf.Subtask) dxf.Subtask {
	b.t.Helper()
	leased, err := b.Lease(b.ctx, s)
	require.NoError(b.t, err)
	return leased
}

func (b *bench) job(id int64) dxf.Job {
	b.t.Helper()
	j, err := b.Job(b.ctx, id)
	require.NoError(b.t, err)
	return j
}

// refused requires an error for clients with TiDB's number and text.
func (b *bench) refused(err error, text string) {
	b.t.Helper()
	var e *dxf.Error
	require.ErrorAs(b.t, err, &e)
	require.Equal(b.t, text, e.Text())
	require.Equal(b.t, "HY000", e.State)
}
