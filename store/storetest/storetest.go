// Package storetest is the suite every store passes: what the packages above
// rely on, said once and run against SQL and memory alike.
package storetest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/changefeed"
	"dxfproxy/dispatcher"
	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/scheduler"
	"dxfproxy/sqlhandler"
)

// Store is all that is asked of a store.
type Store interface {
	dispatcher.TaskStore
	dispatcher.FeedStore
	scheduler.SubtaskStore
	changefeed.Store
	executor.Leases
	executor.Feeds
	sqlhandler.Jobs
}

// A Bench is a store, empty, and the ways to it that only tests have. No test
// waits for a lease to run out: it is set back instead.
type Bench interface {
	Store
	ExpireOwner()
	ExpireNode(nodeID string)
	ExpireSubtask(id int64)
	ExpireFeed(jobID int64)
	// InTx runs do in a transaction as executors and appliers have them, and
	// commits it unless do fails. Stores without transactions pass nil.
	InTx(ctx context.Context, do func(tx *sql.Tx) error) error
}

// Exercise runs the suite. open is called once for each test.
func Exercise(t *testing.T, open func(t *testing.T) Bench) {
	for _, test := range []struct {
		name string
		run  func(b *bench)
	}{
		{"Campaign", campaign},
		{"CampaignRace", campaignRace},
		{"Nodes", nodes},
		{"OwnerFence", ownerFence},
		{"Submit", submit},
		{"TaskKeyIsUnique", taskKeyIsUnique},
		{"S21JobsOfOneAccount", jobsOfOneAccount},
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
		{"Alter", alter},
		{"AskAfterTheEnd", askAfterTheEnd},
		{"RowCount", rowCount},
		{"Progress", progress},
		{"Waiting", waiting},
		{"Record", record},
		{"ImportSubmit", importSubmit},
		{"ImportActive", importActive},
		{"ImportLife", importLife},
		{"ImportFails", importFails},
		{"ImportCancel", importCancel},
		{"ImportPause", importPause},
		{"Archive", archive},
		{"FeedLife", feedLife},
		{"FeedFence", feedFence},
		{"FeedModes", feedModes},
		{"FeedWindow", feedWindow},
		{"Markers", markers},
		{"GlobalVars", globalVars},
		{"Cancelled context", cancelledContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&bench{Bench: open(t), t: t, ctx: t.Context()})
		})
	}
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
	}, dxf.Task{Type: dxf.Backfill, Concurrency: 4}, dxf.BackfillMeta{Schema: "test", Table: "t", Rows: 100})
	require.NoError(b.t, err)
	return id
}

// task returns the unfinished task of a job.
func (b *bench) task(jobID int64) dxf.Task {
	b.t.Helper()
	return b.taskOf(dxf.BackfillKey(jobID))
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
	a := dxf.Advance{Task: b.task(jobID), State: state, Step: step, JobID: jobID, Job: func(j *dxf.Job) { j.State = job }}
	for i := range n {
		a.Subtasks = append(a.Subtasks, dxf.Subtask{Ordinal: i + 1, ExecID: n1.ID, Meta: []byte(`{"range":"AAA="}`)})
	}
	require.NoError(b.t, b.Advance(b.ctx, term, a))
}

// running submits a job whose copy step has n subtasks on n1.
func (b *bench) running(term dxf.Term, n int) (jobID int64, subs []dxf.Subtask) {
	b.t.Helper()
	jobID = b.submit()
	b.move(term, jobID, dxf.TaskRunning, dxf.StepCopy, n, dxf.JobRunning)
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
