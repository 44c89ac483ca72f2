package scheduler_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"dxfproxy/dxf"
)

// A link is a node's way to the store, which can be cut.
type link struct {
	rows
	cut atomic.Bool
	// still makes heartbeats take so long, whatever their context says: as
	// when the whole process is stopped while the store answers.
	still atomic.Int64
	held  atomic.Int64 // how often a running subtask was read
}

var errCut = errors.New("connection refused")

func (k *link) err() error {
	if k.cut.Load() {
		return errCut
	}
	return nil
}

func (k *link) Campaign(ctx context.Context, n dxf.Node) (v dxf.Term, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Campaign(ctx, n)
}

func (k *link) Renew(ctx context.Context, t dxf.Term) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Renew(ctx, t)
}

func (k *link) Resign(ctx context.Context, t dxf.Term) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Resign(ctx, t)
}

func (k *link) Nodes(ctx context.Context) (v []dxf.Node, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Nodes(ctx)
}

func (k *link) ExpireNodes(ctx context.Context, t dxf.Term) (v []string, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.ExpireNodes(ctx, t)
}

func (k *link) Tasks(ctx context.Context) (v []dxf.Task, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Tasks(ctx)
}

func (k *link) Subtasks(ctx context.Context, taskID int64, step dxf.Step) (v []dxf.Subtask, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Subtasks(ctx, taskID, step)
}

func (k *link) Advance(ctx context.Context, t dxf.Term, a dxf.Advance) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Advance(ctx, t, a)
}

func (k *link) Place(ctx context.Context, t dxf.Term, moves []dxf.Placement) (v int, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Place(ctx, t, moves)
}

func (k *link) MoveSubtasks(ctx context.Context, t dxf.Term, taskID int64, step dxf.Step, from, to dxf.SubtaskState) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.MoveSubtasks(ctx, t, taskID, step, from, to)
}

func (k *link) SetWaiting(ctx context.Context, t dxf.Term, job dxf.JobRef, waiting string) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.SetWaiting(ctx, t, job, waiting)
}

func (k *link) Archive(ctx context.Context, t dxf.Term, limit int) (v int, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Archive(ctx, t, limit)
}

func (k *link) Register(ctx context.Context, n dxf.Node) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Register(ctx, n)
}

func (k *link) Heartbeat(ctx context.Context, nodeID string) error {
	if err := k.err(); err != nil {
		return err
	}
	if d := time.Duration(k.still.Load()); d > 0 {
		time.Sleep(d)
		return k.rows.Heartbeat(context.WithoutCancel(ctx), nodeID)
	}
	return k.rows.Heartbeat(ctx, nodeID)
}

func (k *link) Unregister(ctx context.Context, nodeID string) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Unregister(ctx, nodeID)
}

func (k *link) Assigned(ctx context.Context, nodeID string) (v []dxf.Assignment, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Assigned(ctx, nodeID)
}

func (k *link) Lease(ctx context.Context, s dxf.Subtask) (v dxf.Subtask, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Lease(ctx, s)
}

func (k *link) Held(ctx context.Context, l dxf.Lease) (v dxf.Subtask, err error) {
	k.held.Add(1)
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.Held(ctx, l)
}

func (k *link) Release(ctx context.Context, l dxf.Lease) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Release(ctx, l)
}

func (k *link) Finish(ctx context.Context, l dxf.Lease, state dxf.SubtaskState, sum dxf.Summary, e *dxf.Error) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Finish(ctx, l, state, sum, e)
}

func (k *link) Progress(ctx context.Context, l dxf.Lease, sum dxf.Summary) error {
	if err := k.err(); err != nil {
		return err
	}
	return k.rows.Progress(ctx, l, sum)
}

func (k *link) CountError(ctx context.Context, taskID int64, e *dxf.Error) (v int, err error) {
	if err := k.err(); err != nil {
		return v, err
	}
	return k.rows.CountError(ctx, taskID, e)
}
