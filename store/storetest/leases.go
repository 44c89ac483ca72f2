package storetest

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
)

func lease(b *bench) {
	term := b.elect()
	job, subs := b.running(term, 3)
	mine, err := b.Assigned(b.ctx, n1.ID)
	require.NoError(b.t, err)
	require.Len(b.t, mine, 3)
	require.Equal(b.t, b.task(job), mine[0].Task)
	require.Equal(b.t, subs[0], mine[0].Subtask)
	other, err := b.Assigned(b.ctx, "n2:4000")
	require.NoError(b.t, err)
	require.Empty(b.t, other)

	// Pending, running, pending again, running again: each with its own epoch.
	s := b.lease(subs[0])
	require.Equal(b.t, dxf.SubtaskRunning, s.State)
	require.Greater(b.t, s.Epoch, subs[0].Epoch)
	require.NotZero(b.t, s.StartTime)
	require.NotZero(b.t, s.Expires)
	_, err = b.Lease(b.ctx, subs[0])
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost)
	_, err = b.Lease(b.ctx, s)
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost, "it is running")
	held, err := b.Held(b.ctx, s.Lease())
	require.NoError(b.t, err)
	require.Equal(b.t, s, held)
	require.NoError(b.t, b.Release(b.ctx, s.Lease()))
	_, err = b.Held(b.ctx, s.Lease())
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost)
	require.ErrorIs(b.t, b.Release(b.ctx, s.Lease()), dxf.ErrLeaseLost)
	back := b.subtasks(job)[0]
	require.Equal(b.t, dxf.SubtaskPending, back.State)
	require.Zero(b.t, back.Expires)
	s = b.lease(back)

	sum := dxf.Summary{RowCount: 12, Bytes: 99}
	require.NoError(b.t, b.Progress(b.ctx, s.Lease(), dxf.Summary{RowCount: 5, Waiting: "a row lock"}))
	require.Equal(b.t, dxf.Summary{RowCount: 5, Waiting: "a row lock"}, b.subtasks(job)[0].Summary)
	require.NoError(b.t, b.Finish(b.ctx, s.Lease(), dxf.SubtaskSucceed, sum, nil))
	done := b.subtasks(job)[0]
	require.Equal(b.t, dxf.SubtaskSucceed, done.State)
	require.Equal(b.t, sum, done.Summary)
	require.Nil(b.t, done.Error)

	failed := b.lease(subs[1])
	e := &dxf.Error{Code: 1062, State: "23000", Message: "Duplicate entry 'ä\\'' for key 'u'", Class: "kv"}
	require.NoError(b.t, b.Finish(b.ctx, failed.Lease(), dxf.SubtaskFailed, sum, e))
	require.Equal(b.t, e, b.subtasks(job)[1].Error)

	mine, err = b.Assigned(b.ctx, n1.ID)
	require.NoError(b.t, err)
	require.Len(b.t, mine, 1, "the ended ones are nobody's work")

	wrong := subs[2]
	wrong.ExecID = "n2:4000"
	_, err = b.Lease(b.ctx, wrong)
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost)
}

func leaseRace(b *bench) {
	_, subs := b.running(b.elect(), 1)
	var won atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			_, err := b.Lease(b.ctx, subs[0])
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, dxf.ErrLeaseLost):
				b.t.Errorf("lease: %v", err)
			}
		})
	}
	all.Wait()
	require.EqualValues(b.t, 1, won.Load())
}

// A node stood still, its lease ran out, the subtask moved on, and the node
// wakes up and writes everything it can write.
func zombieWritesNothing(b *bench) {
	zombiesWrite(b, func(l dxf.Lease) {
		sum := dxf.Summary{RowCount: 666}
		require.ErrorIs(b.t, b.Finish(b.ctx, l, dxf.SubtaskFailed, sum, dxf.Errorf("boo")), dxf.ErrLeaseLost)
		require.ErrorIs(b.t, b.Release(b.ctx, l), dxf.ErrLeaseLost)
		require.ErrorIs(b.t, b.Progress(b.ctx, l, sum), dxf.ErrLeaseLost)
		require.ErrorIs(b.t, b.Save(b.ctx, l, []byte(`{"at":"the end"}`), sum), dxf.ErrLeaseLost)
		require.ErrorIs(b.t, b.holds(l), dxf.ErrLeaseLost)
	})
}

// zombieExecutor is the same for what workers write beside, and for how they ask.
func zombieExecutor(b *server) {
	const job = 1
	require.NoError(b.t, b.startFeed(dxf.Feed{JobID: job, Mode: dxf.FeedPaused}))
	feed := b.feed(job)
	zombiesWrite(b.bench, func(l dxf.Lease) {
		require.ErrorIs(b.t, b.CheckLease(b.ctx, l), dxf.ErrLeaseLost)
		require.ErrorIs(b.t, b.SetFeedMode(b.ctx, l, job, dxf.FeedMerge, dxf.FeedStrict), dxf.ErrLeaseLost)
		require.Equal(b.t, feed, b.feed(job))
	})
}

// zombiesWrite calls write with a lease that is over: while the subtask is pending, while the
// same node, alive again, has it under another epoch, and when it has ended.
func zombiesWrite(b *bench, write func(dxf.Lease)) {
	term := b.elect()
	require.NoError(b.t, b.Register(b.ctx, n1))
	require.NoError(b.t, b.Register(b.ctx, dxf.Node{ID: "n2:4000"}))
	job, subs := b.running(term, 1)
	zombie := b.lease(subs[0]).Lease()
	b.ExpireSubtask(zombie.SubtaskID)
	n, err := b.Place(b.ctx, term, []dxf.Placement{{SubtaskID: zombie.SubtaskID, Epoch: zombie.Epoch, ExecID: n1.ID}})
	require.NoError(b.t, err)
	require.Equal(b.t, 1, n)

	writes := func() {
		before := b.subtasks(job)[0]
		write(zombie)
		require.Equal(b.t, before, b.subtasks(job)[0])
	}
	writes()
	leased := b.lease(b.subtasks(job)[0])
	writes()
	require.NoError(b.t, b.Finish(b.ctx, leased.Lease(), dxf.SubtaskSucceed, dxf.Summary{}, nil))
	writes()
}

// holds says whether a lease holds.
func (b *bench) holds(l dxf.Lease) error {
	_, err := b.Held(b.ctx, l)
	return err
}

func heartbeat(b *bench) {
	term := b.elect()
	require.NoError(b.t, b.Register(b.ctx, n1))
	job, subs := b.running(term, 2)
	s := b.lease(subs[0])
	b.ExpireSubtask(s.ID)
	expired := b.subtasks(job)[0].Expires
	require.True(b.t, expired.Before(s.Expires))
	require.NoError(b.t, b.Heartbeat(b.ctx, n1.ID))
	now := b.subtasks(job)
	require.True(b.t, now[0].Expires.After(expired))
	require.Zero(b.t, now[1].Expires, "pending ones have no lease")
	n, err := b.Place(b.ctx, term, []dxf.Placement{{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: "n2"}})
	require.NoError(b.t, err)
	require.Zero(b.t, n)
}

func checkpoint(b *bench) {
	term := b.elect()
	require.NoError(b.t, b.Register(b.ctx, n1))
	job, subs := b.running(term, 1)
	s := b.lease(subs[0])
	save := func(checkpoint []byte, sum dxf.Summary) {
		require.NoError(b.t, b.Save(b.ctx, s.Lease(), checkpoint, sum))
	}
	save([]byte(`{"done":"ÿ'\\"}`), dxf.Summary{RowCount: 10})
	save(nil, dxf.Summary{RowCount: 11})
	is := b.subtasks(job)[0]
	require.Equal(b.t, `{"done":"ÿ'\\"}`, string(is.Checkpoint))
	require.EqualValues(b.t, 11, is.Summary.RowCount)

	// It survives the move to another node, and saving renews the lease.
	b.ExpireSubtask(s.ID)
	save([]byte(`{"done":2}`), dxf.Summary{RowCount: 12})
	n, err := b.Place(b.ctx, term, []dxf.Placement{{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: "n2"}})
	require.NoError(b.t, err)
	require.Zero(b.t, n, "the lease was renewed")
	b.ExpireSubtask(s.ID)
	n, err = b.Place(b.ctx, term, []dxf.Placement{{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: "n2"}})
	require.NoError(b.t, err)
	require.Equal(b.t, 1, n)
	is = b.subtasks(job)[0]
	require.Equal(b.t, "n2", is.ExecID)
	require.JSONEq(b.t, `{"done":2}`, string(is.Checkpoint))
	require.EqualValues(b.t, 12, is.Summary.RowCount)
}

func place(b *bench) {
	term := b.elect()
	require.NoError(b.t, b.Register(b.ctx, n1))
	job, subs := b.running(term, 6)
	running, expired, finished, moved := b.lease(subs[0]), b.lease(subs[1]), b.lease(subs[2]), subs[3]
	b.ExpireSubtask(expired.ID)
	require.NoError(b.t, b.Finish(b.ctx, finished.Lease(), dxf.SubtaskSucceed, dxf.Summary{}, nil))
	to := func(s dxf.Subtask) dxf.Placement {
		return dxf.Placement{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: "n2:4000"}
	}
	n, err := b.Place(b.ctx, term, []dxf.Placement{to(moved)})
	require.NoError(b.t, err)
	require.Equal(b.t, 1, n)
	raced := b.lease(subs[5]) // the owner read it pending

	n, err = b.Place(b.ctx, term, []dxf.Placement{
		to(subs[5]), to(running), to(expired), to(finished), to(moved), to(subs[4]), {SubtaskID: 999, ExecID: "n2:4000"},
	})
	require.NoError(b.t, err)
	require.Equal(b.t, 2, n, "the expired and the pending one; the others have changed since")
	now := b.subtasks(job)
	for i, want := range []string{n1.ID, "n2:4000", n1.ID, "n2:4000", "n2:4000", n1.ID} {
		require.Equal(b.t, want, now[i].ExecID, "ordinal %d", i+1)
	}
	require.Equal(b.t, dxf.SubtaskPending, now[1].State)
	require.Greater(b.t, now[1].Epoch, expired.Epoch)
	require.NoError(b.t, b.holds(running.Lease()))
	require.NoError(b.t, b.holds(raced.Lease()))

	// The node is gone: what it runs may be taken, lease or not.
	require.NoError(b.t, b.Unregister(b.ctx, n1.ID))
	n, err = b.Place(b.ctx, term, []dxf.Placement{to(running), to(raced)})
	require.NoError(b.t, err)
	require.Equal(b.t, 2, n)
	require.ErrorIs(b.t, b.holds(running.Lease()), dxf.ErrLeaseLost)
	n, err = b.Place(b.ctx, term, nil)
	require.NoError(b.t, err)
	require.Zero(b.t, n)
}

func moveSubtasks(b *bench) {
	term := b.elect()
	job, subs := b.running(term, 3)
	task := b.task(job)
	running := b.lease(subs[0])
	require.NoError(b.t, b.MoveSubtasks(b.ctx, term, task.ID, backfill.StepCopy, dxf.SubtaskPending, dxf.SubtaskPaused))
	states := func() (all []dxf.SubtaskState) {
		for _, s := range b.subtasks(job) {
			all = append(all, s.State)
		}
		return all
	}
	require.Equal(b.t, []dxf.SubtaskState{dxf.SubtaskRunning, dxf.SubtaskPaused, dxf.SubtaskPaused}, states())
	require.Greater(b.t, b.subtasks(job)[1].Epoch, subs[1].Epoch)
	require.NoError(b.t, b.Finish(b.ctx, running.Lease(), dxf.SubtaskPaused, dxf.Summary{RowCount: 3}, nil))
	require.NoError(b.t, b.MoveSubtasks(b.ctx, term, task.ID, backfill.StepBuild, dxf.SubtaskPaused, dxf.SubtaskPending))
	require.Equal(b.t, []dxf.SubtaskState{dxf.SubtaskPaused, dxf.SubtaskPaused, dxf.SubtaskPaused}, states(), "another step's")
	require.NoError(b.t, b.MoveSubtasks(b.ctx, term, task.ID, backfill.StepCopy, dxf.SubtaskPaused, dxf.SubtaskPending))
	require.Equal(b.t, []dxf.SubtaskState{dxf.SubtaskPending, dxf.SubtaskPending, dxf.SubtaskPending}, states())
	require.NoError(b.t, b.MoveSubtasks(b.ctx, term, task.ID, backfill.StepCopy, dxf.SubtaskPending, dxf.SubtaskCanceled))
	require.Equal(b.t, []dxf.SubtaskState{dxf.SubtaskCanceled, dxf.SubtaskCanceled, dxf.SubtaskCanceled}, states())
	require.Error(b.t, b.MoveSubtasks(b.ctx, term, task.ID, backfill.StepCopy, dxf.SubtaskCanceled, dxf.SubtaskPending))
}
