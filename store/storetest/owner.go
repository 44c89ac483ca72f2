package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
)

func campaign(b *bench) {
	none, err := b.Owner(b.ctx)
	require.NoError(b.t, err)
	require.Zero(b.t, none)

	first := b.elect()
	require.Equal(b.t, n1.ID, first.OwnerID)
	require.Equal(b.t, n1.UUID, first.UUID)
	is, err := b.Owner(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, first, is)

	n2 := dxf.Node{ID: "n2:4000", UUID: "uuid-2"}
	_, err = b.Campaign(b.ctx, n2)
	require.ErrorIs(b.t, err, dxf.ErrNotOwner)
	_, err = b.Campaign(b.ctx, n1) // not even itself: a node restarted on the same address has another uuid
	require.ErrorIs(b.t, err, dxf.ErrNotOwner)
	require.NoError(b.t, b.Renew(b.ctx, first))

	// It runs out, and somebody else is elected: the old term is worth nothing.
	b.ExpireOwner()
	is, err = b.Owner(b.ctx)
	require.NoError(b.t, err)
	require.Zero(b.t, is)
	second, err := b.Campaign(b.ctx, n2)
	require.NoError(b.t, err)
	require.Greater(b.t, second.Number, first.Number)
	require.ErrorIs(b.t, b.Renew(b.ctx, first), dxf.ErrNotOwner)
	require.ErrorIs(b.t, b.Resign(b.ctx, first), dxf.ErrNotOwner)
	is, err = b.Owner(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, second, is)

	// After a resignation the next is elected at once, and nothing renews it.
	require.NoError(b.t, b.Resign(b.ctx, second))
	require.ErrorIs(b.t, b.Renew(b.ctx, second), dxf.ErrNotOwner)
	third := b.elect()
	require.Greater(b.t, third.Number, second.Number)

	// A late renewal of a term nobody has taken keeps it.
	b.ExpireOwner()
	require.NoError(b.t, b.Renew(b.ctx, third))
	is, err = b.Owner(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, third, is)
}

// Many candidates, several rounds: one winner in each, under a new term.
func campaignRace(b *bench) {
	last := int64(0)
	for range 5 {
		var won atomic.Int64
		var term atomic.Pointer[dxf.Term]
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				t, err := b.Campaign(b.ctx, dxf.Node{ID: "n" + string(rune('a'+i)), UUID: "u"})
				if err == nil {
					won.Add(1)
					term.Store(&t)
					return
				}
				if !errors.Is(err, dxf.ErrNotOwner) {
					b.t.Errorf("campaign: %v", err)
				}
			})
		}
		all.Wait()
		require.EqualValues(b.t, 1, won.Load())
		require.Greater(b.t, term.Load().Number, last)
		last = term.Load().Number
		b.ExpireOwner()
	}
}

func nodes(b *bench) {
	n2 := dxf.Node{ID: "n2:4000", UUID: "uuid-2", Role: "background", CPUCount: 8}
	require.NoError(b.t, b.Register(b.ctx, n2))
	require.NoError(b.t, b.Register(b.ctx, n1))
	live, err := b.Nodes(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, []dxf.Node{n1, n2}, live)

	require.NoError(b.t, b.SetRole(b.ctx, n1.ID, "gold"))
	require.ErrorIs(b.t, b.SetRole(b.ctx, "nobody", "gold"), dxf.ErrNotFound)
	live, err = b.Nodes(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, "gold", live[0].Role)
	require.NoError(b.t, b.Register(b.ctx, n1))
	live, err = b.Nodes(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, n1, live[0], "registered anew")

	term := b.elect()
	gone, err := b.ExpireNodes(b.ctx, term)
	require.NoError(b.t, err)
	require.Empty(b.t, gone)
	b.ExpireNode(n2.ID)
	live, err = b.Nodes(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, []dxf.Node{n1}, live)
	require.NoError(b.t, b.Heartbeat(b.ctx, n2.ID), "nobody has removed it yet")
	b.ExpireNode(n2.ID)
	gone, err = b.ExpireNodes(b.ctx, term)
	require.NoError(b.t, err)
	require.Equal(b.t, []string{n2.ID}, gone)
	require.ErrorIs(b.t, b.Heartbeat(b.ctx, n2.ID), dxf.ErrNotFound)

	require.NoError(b.t, b.Unregister(b.ctx, n1.ID))
	require.NoError(b.t, b.Unregister(b.ctx, n1.ID))
	live, err = b.Nodes(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, live)
}

// Nothing an old owner writes is written.
func ownerFence(b *bench) {
	old := b.elect()
	job, subs := b.running(old, 2)
	b.ExpireNode(n1.ID)
	b.ExpireOwner()
	_, err := b.Campaign(b.ctx, dxf.Node{ID: "n2:4000", UUID: "uuid-2"})
	require.NoError(b.t, err)
	before, jobBefore := b.task(job), b.job(job)

	task := before
	for what, write := range map[string]func() error{
		"Advance": func() error {
			return b.Advance(b.ctx, old, dxf.Advance{Task: task, State: dxf.TaskSucceed, Step: dxf.StepDone, Job: dxf.DDLRef(job),
				Change: dxf.OnJob(func(j *dxf.Job) { j.State = dxf.JobSynced })})
		},
		"Place": func() error {
			_, err := b.Place(b.ctx, old, []dxf.Placement{{SubtaskID: subs[0].ID, Epoch: subs[0].Epoch, ExecID: "n3"}})
			return err
		},
		"MoveSubtasks": func() error {
			return b.MoveSubtasks(b.ctx, old, task.ID, backfill.StepCopy, dxf.SubtaskPending, dxf.SubtaskCanceled)
		},
		"SetWaiting":  func() error { return b.SetWaiting(b.ctx, old, dxf.DDLRef(job), "for Godot") },
		"ExpireNodes": func() error { _, err := b.ExpireNodes(b.ctx, old); return err },
		"Archive":     func() error { _, err := b.Archive(b.ctx, old, 10); return err },
	} {
		require.ErrorIs(b.t, write(), dxf.ErrNotOwner, what)
	}
	require.Equal(b.t, before, b.task(job))
	require.Equal(b.t, jobBefore, b.job(job))
	require.Equal(b.t, subs, b.subtasks(job))
}

func cancelledContext(b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	_, err := b.Campaign(ctx, n1)
	require.ErrorIs(b.t, err, context.Canceled)
	_, err = b.Submit(ctx, dxf.Job{}, indexTask(dxf.MetaHead{}))
	require.ErrorIs(b.t, err, context.Canceled)
	jobs, err := b.UnfinishedJobs(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, jobs)
}

func globalVars(b *server) {
	vars, err := b.GlobalVars(b.ctx)
	require.NoError(b.t, err)
	require.Empty(b.t, vars)
	require.NoError(b.t, b.SetGlobalVar(b.ctx, "tidb_enable_dist_task", "OFF"))
	require.NoError(b.t, b.SetGlobalVar(b.ctx, "tidb_enable_dist_task", "ON"))
	require.NoError(b.t, b.SetGlobalVar(b.ctx, "tidb_service_scope", ""))
	vars, err = b.GlobalVars(b.ctx)
	require.NoError(b.t, err)
	require.Equal(b.t, map[string]string{"tidb_enable_dist_task": "ON", "tidb_service_scope": ""}, vars)
}
