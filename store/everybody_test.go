package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/store"
)

// everybody is an owner, three nodes, users and readers who use one store at once.
type everybody struct {
	*store.DB
	t      *testing.T
	term   dxf.Term
	nodes  []string
	jobs   []int64
	leases atomic.Int64 // that were taken
}

// Everybody at once: no method answers with anything but what it promises.
// Deadlocks above all would show here.
func TestEverybodyAtOnce(t *testing.T) {
	e := &everybody{DB: open(t), t: t, nodes: []string{"n1", "n2", "n3"}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := e.deadlocks()
	for _, n := range e.nodes {
		require.NoError(t, e.Register(ctx, dxf.Node{ID: n}))
	}
	for range 6 {
		id, err := e.Submit(ctx, dxf.Job{}, dxf.NewTask{Type: backfill.Name, Concurrency: 1, Meta: &backfill.Meta{}})
		require.NoError(t, err)
		e.jobs = append(e.jobs, id)
	}
	var err error
	e.term, err = e.Campaign(ctx, dxf.Node{ID: "n1"})
	require.NoError(t, err)

	var all sync.WaitGroup
	loop := func(what string, f func(context.Context) error) {
		all.Go(func() { e.loop(ctx, what, f) })
	}
	loop("renew", func(ctx context.Context) error { return e.Renew(ctx, e.term) })
	loop("dispatch", e.dispatch)
	for _, n := range e.nodes {
		loop("heartbeat", func(ctx context.Context) error { return e.Heartbeat(ctx, n) })
		loop("work", func(ctx context.Context) error { return e.work(ctx, n) })
	}
	loop("readers", e.read)
	require.Eventually(t, func() bool {
		return e.leases.Load() > 0 // before users, who may have all jobs paused for long
	}, 30*time.Second, 10*time.Millisecond)
	loop("users", e.ask)
	<-time.After(2 * time.Second) // of all that at once
	cancel()
	all.Wait()
	require.Positive(t, e.leases.Load())
	t.Logf("%d leases", e.leases.Load())
	// They would be tried again; that there are none is what the order of locks
	// is for.
	require.Equal(t, before, e.deadlocks())
}

func (e *everybody) deadlocks() (n int) {
	require.NoError(e.t, e.SQL().QueryRowContext(e.t.Context(),
		`SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'`).Scan(&n))
	return n
}

// loop does f until ctx ends; it may be refused, as the store promises.
func (e *everybody) loop(ctx context.Context, what string, f func(context.Context) error) {
	for ctx.Err() == nil {
		err := f(ctx)
		var refused *dxf.Error
		switch {
		case err == nil, ctx.Err() != nil, errors.As(err, &refused):
		case errors.Is(err, dxf.ErrLeaseLost), errors.Is(err, dxf.ErrTaskChanged), errors.Is(err, dxf.ErrNotFound):
		default:
			e.t.Errorf("%s: %v", what, err)
			return
		}
	}
}

// dispatch places the subtasks of all tasks anew, and moves the tasks on.
func (e *everybody) dispatch(ctx context.Context) error {
	tasks, err := e.Tasks(ctx)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		subs, err := e.Subtasks(ctx, task.ID, task.Step)
		if err != nil {
			return err
		}
		var moves []dxf.Placement
		for _, s := range subs {
			moves = append(moves, dxf.Placement{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: e.nodes[rand.IntN(3)]})
		}
		rand.Shuffle(len(moves), func(i, j int) { moves[i], moves[j] = moves[j], moves[i] })
		if _, err := e.Place(ctx, e.term, moves); err != nil {
			return err
		}
		if err := e.moveOn(ctx, task); err != nil {
			return err
		}
	}
	_, err = e.Archive(ctx, e.term, 2)
	return err
}

func (e *everybody) moveOn(ctx context.Context, task dxf.Task) error {
	a := dxf.Advance{
		Task: task, State: dxf.TaskRunning, Step: backfill.StepCopy,
		Change: dxf.OnJob(func(j *dxf.Job) { j.State = dxf.JobRunning }),
	}
	switch task.State {
	case dxf.TaskPending:
		for i := range 8 {
			a.Subtasks = append(a.Subtasks, dxf.Subtask{Ordinal: i + 1, ExecID: e.nodes[i%3]})
		}
	case dxf.TaskPausing:
		a.State = dxf.TaskPaused
	case dxf.TaskResuming:
	case dxf.TaskCancelling:
		a.State = dxf.TaskReverting
	case dxf.TaskReverting:
		a.State, a.Change = dxf.TaskReverted, dxf.OnJob(func(j *dxf.Job) { j.State = dxf.JobCancelled })
	default:
		return nil
	}
	a.Job = backfill.Type.JobOf(task)
	if err := e.Advance(ctx, e.term, a); err != nil {
		return err
	}
	for _, move := range [][2]dxf.SubtaskState{{dxf.SubtaskPending, dxf.SubtaskPaused}, {dxf.SubtaskPaused, dxf.SubtaskPending}} {
		if err := e.MoveSubtasks(ctx, e.term, task.ID, backfill.StepCopy, move[0], move[1]); err != nil {
			return err
		}
	}
	return e.SetWaiting(ctx, e.term, a.Job, "for more")
}

// work leases one of the node's subtasks, does a little, and lets it go.
func (e *everybody) work(ctx context.Context, node string) error {
	work, err := e.Assigned(ctx, node)
	if err != nil || len(work) == 0 {
		return err
	}
	w := work[rand.IntN(len(work))]
	s, err := e.Lease(ctx, w.Subtask)
	if err != nil {
		return err
	}
	e.leases.Add(1)
	if _, err := e.CountError(ctx, s.TaskID, dxf.Errorf("x")); err != nil {
		return err
	}
	tx, err := e.SQL().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := e.SaveCheckpoint(ctx, tx, s.Lease(), []byte(`{}`), dxf.Summary{RowCount: 1}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if rand.IntN(2) == 0 {
		return e.Release(ctx, s.Lease())
	}
	return e.Finish(ctx, s.Lease(), dxf.SubtaskPaused, dxf.Summary{RowCount: 2}, nil)
}

// ask is a user's request about one of the jobs.
func (e *everybody) ask(ctx context.Context) error {
	id := e.jobs[rand.IntN(len(e.jobs))]
	ask := []func(context.Context, int64) error{e.PauseJob, e.ResumeJob, e.PauseJob, e.ResumeJob}[rand.IntN(4)]
	if rand.IntN(200) == 0 {
		id, ask = e.jobs[rand.IntN(3)], e.CancelJob // the others go on to the end
	}
	return ask(ctx, id)
}

func (e *everybody) read(ctx context.Context) error {
	if _, err := e.UnfinishedJobs(ctx); err != nil {
		return err
	}
	_, err := e.JobProgress(ctx, e.jobs[rand.IntN(len(e.jobs))])
	return err
}
