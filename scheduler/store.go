package scheduler

import (
	"context"

	"dxfproxy/dxf"
)

// SubtaskStore is what every node needs of the store.
type SubtaskStore interface {
	// Register writes this node's row with its role and slots, and replaces an older one.
	Register(ctx context.Context, n dxf.Node) error
	// Heartbeat renews the node's row and, in the same transaction, the leases
	// of the subtasks it is running. dxf.ErrNotFound: the row is gone (it had
	// run out and the owner removed it); register again.
	Heartbeat(ctx context.Context, nodeID string) error
	// Unregister removes the node's row.
	Unregister(ctx context.Context, nodeID string) error

	// Assigned lists the pending and running subtasks bound to the node, with
	// their tasks, best task rank first, then by ordinal.
	Assigned(ctx context.Context, nodeID string) ([]dxf.Assignment, error)
	// Lease takes a pending subtask bound to this node: running, epoch one
	// higher, lease starting now. dxf.ErrLeaseLost: it is no longer so.
	Lease(ctx context.Context, s dxf.Subtask) (dxf.Subtask, error)
	// Held reads a running subtask as it is once no transaction is under way that
	// could still change it: a commit whose answer was lost may not have happened yet.
	// dxf.ErrLeaseLost: it belongs to another epoch by now.
	Held(ctx context.Context, l dxf.Lease) (dxf.Subtask, error)
	// Release gives a running subtask back: pending, epoch one higher.
	Release(ctx context.Context, l dxf.Lease) error
	// Finish ends a running subtask: succeed, failed, canceled or paused.
	// dxf.ErrLeaseLost: it belongs to another epoch by now.
	Finish(ctx context.Context, l dxf.Lease, state dxf.SubtaskState, sum dxf.Summary, e *dxf.Error) error
	// Progress writes the summary of a running subtask.
	Progress(ctx context.Context, l dxf.Lease, sum dxf.Summary) error
	// CountError adds one to the task's count of retryable errors and returns it.
	CountError(ctx context.Context, taskID int64, e *dxf.Error) (int, error)
}
