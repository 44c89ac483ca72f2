package dispatcher

import (
	"context"

	"dxfproxy/dxf"
)

// TaskStore is what the owner needs of the store. Every method that takes a
// Term checks it in the transaction that writes, and answers dxf.ErrNotOwner,
// having written nothing, when the term is over.
type TaskStore interface {
	// Campaign takes the owner lease when it is free, has run out by the
	// store's clock, or is that of a former life of this node that is known to
	// be over, under a new term. dxf.ErrNotOwner: somebody else holds it.
	Campaign(ctx context.Context, n dxf.Node) (dxf.Term, error)
	Renew(ctx context.Context, t dxf.Term) error
	Resign(ctx context.Context, t dxf.Term) error

	// Nodes lists the registered nodes whose heartbeat has not run out, by ID.
	Nodes(ctx context.Context) ([]dxf.Node, error)
	// ExpireNodes deletes the registrations whose heartbeat ran out and
	// returns their IDs.
	ExpireNodes(ctx context.Context, t dxf.Term) ([]string, error)

	// Tasks lists the tasks that have not ended, best rank first.
	Tasks(ctx context.Context) ([]dxf.Task, error)
	// GlobalVars returns the global variables that were set.
	GlobalVars(ctx context.Context) (map[string]string, error)
	// Subtasks lists the subtasks of one step, by ordinal.
	Subtasks(ctx context.Context, taskID int64, step dxf.Step) ([]dxf.Subtask, error)

	// Advance moves a task; see the type. dxf.ErrTaskChanged: somebody asked
	// something of the task meanwhile (cancel, pause); read it again.
	Advance(ctx context.Context, t dxf.Term, a dxf.Advance) error
	// Place binds subtasks to nodes: pending ones, and running ones whose
	// lease has run out or whose node is gone. Each move names the epoch the
	// subtask was read with and raises it, so that the node that had it can
	// write nothing more; a moved subtask is pending. Moves that no longer fit
	// are skipped; the number made is returned.
	Place(ctx context.Context, t dxf.Term, moves []dxf.Placement) (int, error)
	// MoveSubtasks puts all subtasks of a step that are in state from into
	// state to (pending to canceled or paused, paused to pending), raising
	// their epochs.
	MoveSubtasks(ctx context.Context, t dxf.Term, taskID int64, step dxf.Step, from, to dxf.SubtaskState) error
	// SetWaiting notes on the task's job what it waits for ("" for nothing).
	SetWaiting(ctx context.Context, t dxf.Term, job dxf.JobRef, waiting string) error
	// Archive moves ended tasks and their subtasks to the history tables, at
	// most limit at a time, and deletes history older than 14 days.
	Archive(ctx context.Context, t dxf.Term, limit int) (int, error)
}
