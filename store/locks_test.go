package store_test

import (
	"context"
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
