package dispatcher

import (
	"context"

	"dxfproxy/dxf"
)

// Extension is what one task type adds to the dispatcher: how its steps are
// cut, and what is to be cleaned up. Plan and OnDone say by Waiting what they
// wait for.
type Extension interface {
	// Plan says which step follows t.Step and cuts it into subtasks (without
	// nodes: the dispatcher deals them out). nodes is how many nodes may run
	// them. It may do I/O, may run twice, and must leave nothing behind that
	// OnDone does not remove. A *dxf.Error that IsRetryableErr refuses fails the task.
	Plan(ctx context.Context, t dxf.Task, nodes int) (Plan, error)
	// OnDone removes what the task left in the store. It runs on success and
	// on every kind of failure, before the end state is written, and may run
	// twice. won tells that the task's effect is in place (in doubt after a
	// failure: the shadow had already taken the table's name); such a task
	// succeeds. It counts beside an error too: what could not be removed. An
	// error that left the question open is one to be retried.
	OnDone(ctx context.Context, t dxf.Task) (won bool, err error)
	// IsRetryableErr says whether planning or cleaning should be tried again.
	IsRetryableErr(err error) bool
	// Complete adds to a move of a task what is the type's own: which job's row
	// changes with it and how (JobID and Job, or ImportJobID and Import), given the
	// error e that the task has then, and what of its meta must not stay.
	Complete(a *dxf.Advance, e *dxf.Error)
	// Eligible returns those of the live nodes in the task's scope that may run
	// subtasks of its present step.
	Eligible(t dxf.Task, nodes []dxf.Node) []dxf.Node
}

// Plan is the next step of a task, cut into subtasks.
type Plan struct {
	Step     dxf.Step // dxf.StepDone: nothing is left to do
	Meta     []byte   // the task's meta from now on; nil: unchanged
	Subtasks []dxf.Subtask
	// Concurrency is how many slots the task may hold on each node from now
	// on; 0: as many as before.
	Concurrency int
}
