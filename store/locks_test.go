package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
)

// oneRunning makes a store with one job, its one subtask running on n1.
func oneRunning(t *testing.T) (bench, dxf.Term, dxf.Subtask) {
	t.Helper()
	db := open(t)
	ctx := t.Context()
	require.NoError(t, db.Register(ctx, dxf.Node{ID: "n1"}))
	term, err := db.Campaign(ctx, dxf.Node{ID: "n1"})
	require.NoError(t, err)
	_, err = db.Submit(ctx, dxf.Job{}, dxf.NewTask{Type: backfill.Name, Meta: &backfill.Meta{}})
	require.NoError(t, err)
	tasks, err := db.Tasks(ctx)
	require.NoError(t, err)
	require.NoError(t, db.Advance(ctx, term, dxf.Advance{
		Task: tasks[0], State: dxf.TaskRunning, Step: backfill.StepCopy, Subtasks: []dxf.Subtask{{Ordinal: 1, ExecID: "n1"}},
	}))
	work, err := db.Assigned(ctx, "n1")
	require.NoError(t, err)
	s, err := db.Lease(ctx, work[0].Subtask)
	require.NoError(t, err)
	return bench{db, t}, term, s
}

// An executor holds its subtask's row as long as its transaction lasts. The
// node's heartbeat and progress do not wait for it, the owner's Place does, and
// then finds the lease renewed.
func TestExecutorsTransaction(t *testing.T) {
	b, term, s := oneRunning(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // less than a lock wait
	defer cancel()
	b.ExpireSubtask(s.ID)
	tx, err := b.SQL().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	require.NoError(t, b.SaveCheckpoint(ctx, tx, s.Lease(), []byte(`{"at":1}`), dxf.Summary{RowCount: 1}))

	require.NoError(t, b.Heartbeat(ctx, "n1"))
	require.NoError(t, b.Progress(ctx, s.Lease(), dxf.Summary{RowCount: 2}))
	require.NoError(t, b.CheckLease(ctx, s.Lease()))
	placed := make(chan int)
	go func() {
		n, err := b.Place(ctx, term, []dxf.Placement{{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: "n2"}})
		if err != nil {
			t.Error(err)
		}
		placed <- n
	}()
	select {
	case <-placed:
		t.Error("a subtask was moved in the middle of its executor's transaction")
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, tx.Commit())
	require.Zero(t, <-placed)
	require.NoError(t, b.CheckLease(ctx, s.Lease()))
}

// A connection is lost while its COMMIT is on the way: whoever goes on with the subtask
// waits for what becomes of that, and does not load the rows a second time.
func TestHeldWaitsForACommit(t *testing.T) {
	b, _, s := oneRunning(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	tx, err := b.SQL().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	require.NoError(t, b.SaveCheckpoint(ctx, tx, s.Lease(), []byte(`{"at":1}`), dxf.Summary{RowCount: 1}))
	held := make(chan string)
	go func() {
		now, err := b.Held(ctx, s.Lease())
		if err != nil {
			t.Error(err)
		}
		held <- string(now.Checkpoint)
	}()
	select {
	case at := <-held:
		t.Errorf("read %q beside a transaction that can still be committed", at)
	case <-time.After(100 * time.Millisecond):
		require.NoError(t, tx.Commit())
		require.Equal(t, `{"at":1}`, <-held)
	}
	require.NoError(t, b.Release(ctx, s.Lease()))
	_, err = b.Held(ctx, s.Lease())
	require.ErrorIs(t, err, dxf.ErrLeaseLost)
}

// The other way round: the subtask moves first, and the executor's whole
// transaction is worth nothing.
func TestZombiesTransaction(t *testing.T) {
	b, term, s := oneRunning(t)
	ctx := t.Context()
	b.exec(`CREATE TABLE shadow (id INT PRIMARY KEY)`)
	tx, err := b.SQL().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, `INSERT INTO shadow VALUES (1)`)
	require.NoError(t, err)
	b.ExpireSubtask(s.ID)
	n, err := b.Place(ctx, term, []dxf.Placement{{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: "n2"}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.ErrorIs(t, b.SaveCheckpoint(ctx, tx, s.Lease(), []byte(`{}`), dxf.Summary{}), dxf.ErrLeaseLost)
	require.NoError(t, tx.Rollback())
	var rows int
	require.NoError(t, b.SQL().QueryRowContext(ctx, `SELECT COUNT(*) FROM shadow`).Scan(&rows))
	require.Zero(t, rows)
}

// Nobody is elected while an owner is in the middle of a write, even when the
// owner's lease ran out during it.
func TestNoElectionDuringAWrite(t *testing.T) {
	b, term, _ := oneRunning(t)
	ctx := t.Context()
	b.ExpireOwner()
	tasks, err := b.Tasks(ctx)
	require.NoError(t, err)
	during := make(chan error, 1)
	require.NoError(t, b.Advance(ctx, term, dxf.Advance{
		Task: tasks[0], State: dxf.TaskReverting, Step: backfill.StepCopy, Job: dxf.DDLRef(1),
		Change: func(dxf.JobRow) {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			_, err := b.Campaign(short, dxf.Node{ID: "n2"})
			during <- err
		},
	}))
	require.ErrorIs(t, <-during, context.DeadlineExceeded)
	_, err = b.Campaign(ctx, dxf.Node{ID: "n2"})
	require.NoError(t, err)
	tasks, err = b.Tasks(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, b.Advance(ctx, term, dxf.Advance{Task: tasks[0], State: dxf.TaskReverted, Step: backfill.StepCopy}), dxf.ErrNotOwner)
}

// Everybody at once: no method answers with anything but what it promises.
// Deadlocks above all would show here.
func TestEverybodyAtOnce(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deadlocks := func() (n int) {
		require.NoError(t, db.SQL().QueryRowContext(t.Context(),
			`SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'`).Scan(&n))
		return n
	}
	before := deadlocks()
	nodes := []string{"n1", "n2", "n3"}
	for _, n := range nodes {
		require.NoError(t, db.Register(ctx, dxf.Node{ID: n}))
	}
	var jobs []int64
	for range 6 {
		id, err := db.Submit(ctx, dxf.Job{}, dxf.NewTask{Type: backfill.Name, Concurrency: 1, Meta: &backfill.Meta{}})
		require.NoError(t, err)
		jobs = append(jobs, id)
	}
	term, err := db.Campaign(ctx, dxf.Node{ID: "n1"})
	require.NoError(t, err)

	var all sync.WaitGroup
	loop := func(what string, f func() error) {
		all.Go(func() {
			for ctx.Err() == nil {
				err := f()
				var refused *dxf.Error
				switch {
				case err == nil, ctx.Err() != nil, errors.As(err, &refused):
				case errors.Is(err, dxf.ErrLeaseLost), errors.Is(err, dxf.ErrTaskChanged), errors.Is(err, dxf.ErrNotFound):
				default:
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	loop("renew", func() error { return db.Renew(ctx, term) })
	loop("dispatch", func() error {
		tasks, err := db.Tasks(ctx)
		if err != nil {
			return err
		}
		for _, task := range tasks {
			subs, err := db.Subtasks(ctx, task.ID, task.Step)
			if err != nil {
				return err
			}
			var moves []dxf.Placement
			for _, s := range subs {
				moves = append(moves, dxf.Placement{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: nodes[rand.IntN(3)]})
			}
			rand.Shuffle(len(moves), func(i, j int) { moves[i], moves[j] = moves[j], moves[i] })
			if _, err := db.Place(ctx, term, moves); err != nil {
				return err
			}
			a := dxf.Advance{Task: task, State: dxf.TaskRunning, Step: backfill.StepCopy, Change: dxf.OnJob(func(j *dxf.Job) { j.State = dxf.JobRunning })}
			switch task.State {
			case dxf.TaskPending:
				for i := range 8 {
					a.Subtasks = append(a.Subtasks, dxf.Subtask{Ordinal: i + 1, ExecID: nodes[i%3]})
				}
			case dxf.TaskPausing:
				a.State = dxf.TaskPaused
			case dxf.TaskResuming:
			case dxf.TaskCancelling:
				a.State = dxf.TaskReverting
			case dxf.TaskReverting:
				a.State, a.Change = dxf.TaskReverted, dxf.OnJob(func(j *dxf.Job) { j.State = dxf.JobCancelled })
			default:
				continue
			}
			a.Job = backfill.Type.JobOf(task)
			if err := db.Advance(ctx, term, a); err != nil {
				return err
			}
			for _, from := range []dxf.SubtaskState{dxf.SubtaskPending, dxf.SubtaskPaused} {
				to := map[dxf.SubtaskState]dxf.SubtaskState{dxf.SubtaskPending: dxf.SubtaskPaused, dxf.SubtaskPaused: dxf.SubtaskPending}[from]
				if err := db.MoveSubtasks(ctx, term, task.ID, backfill.StepCopy, from, to); err != nil {
					return err
				}
			}
			if err := db.SetWaiting(ctx, term, a.Job, "for more"); err != nil {
				return err
			}
		}
		_, err = db.Archive(ctx, term, 2)
		return err
	})
	leases := 0
	var mu sync.Mutex
	for _, n := range nodes {
		loop("heartbeat", func() error { return db.Heartbeat(ctx, n) })
		loop("work", func() error {
			work, err := db.Assigned(ctx, n)
			if err != nil || len(work) == 0 {
				return err
			}
			w := work[rand.IntN(len(work))]
			s, err := db.Lease(ctx, w.Subtask)
			if err != nil {
				return err
			}
			mu.Lock()
			leases++
			mu.Unlock()
			if _, err := db.CountError(ctx, s.TaskID, dxf.Errorf("x")); err != nil {
				return err
			}
			tx, err := db.SQL().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if err := db.SaveCheckpoint(ctx, tx, s.Lease(), []byte(`{}`), dxf.Summary{RowCount: 1}); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			if err := tx.Commit(); err != nil {
				return err
			}
			if rand.IntN(2) == 0 {
				return db.Release(ctx, s.Lease())
			}
			return db.Finish(ctx, s.Lease(), dxf.SubtaskPaused, dxf.Summary{RowCount: 2}, nil)
		})
	}
	loop("readers", func() error {
		if _, err := db.UnfinishedJobs(ctx); err != nil {
			return err
		}
		_, err := db.JobProgress(ctx, jobs[rand.IntN(len(jobs))])
		return err
	})
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return leases > 0 // before users, who may have all jobs paused for long
	}, 30*time.Second, 10*time.Millisecond)
	loop("users", func() error {
		id := jobs[rand.IntN(len(jobs))]
		ask := []func(context.Context, int64) error{db.PauseJob, db.ResumeJob, db.PauseJob, db.ResumeJob}[rand.IntN(4)]
		if rand.IntN(200) == 0 {
			id, ask = jobs[rand.IntN(3)], db.CancelJob // the others go on to the end
		}
		return ask(ctx, id)
	})
	<-time.After(2 * time.Second) // of all that at once
	cancel()
	all.Wait()
	require.Positive(t, leases)
	t.Logf("%d leases", leases)
	// They would be tried again; that there are none is what the order of locks
	// is for.
	require.Equal(t, before, deadlocks())
}
