package dxf

import "context"

// A Planner is the owner's half of a task type: what the steps are and how they are split into
// subtasks, and what is to be cleaned up. The dispatcher calls it.
type Planner interface {
	// Plan says which step follows t.Step and splits it into subtasks (without
	// nodes: the dispatcher deals them out). nodes is how many nodes may run
	// them. It may do I/O, may run twice, and must leave nothing behind that
	// OnDone does not remove. A *Error that IsRetryableErr refuses fails the task.
	Plan(ctx context.Context, t Task, nodes int, tell Tell) (Plan, error)
	// OnDone removes what the task left in the store. It runs on success and
	// on every kind of failure, before the end state is written, and may run
	// twice. won tells that the task's effect is in place (in doubt after a
	// failure: the shadow had already taken the table's name); such a task
	// succeeds. It counts beside an error too: what could not be removed. An
	// error that left the question open is InDoubt, one that may be mended Mendable.
	OnDone(ctx context.Context, t Task, tell Tell) (won bool, err error)
	// IsRetryableErr says whether planning or cleaning should be tried again.
	IsRetryableErr(err error) bool
	// Complete adds to a move of a task what is the type's own: how its job's row
	// changes (Change), given the error e that the task has then, and what of its
	// meta must not stay (Meta).
	Complete(a *Advance, e *Error)
	// Eligible returns those of the live nodes in the task's scope that may run
	// subtasks of its present step.
	Eligible(t Task, nodes []Node) []Node
}

// Plan is the next step of a task, split into subtasks.
type Plan struct {
	Step     Step   // StepDone: nothing is left to do
	Meta     []byte // the task's meta from now on; nil: unchanged
	Subtasks []Subtask
	// Concurrency is how many slots the task may hold on each node from now
	// on; 0: as many as before.
	Concurrency int
}

// Add adds a subtask with this meta to the step.
func (p *Plan) Add(meta []byte) {
	p.Subtasks = append(p.Subtasks, Subtask{Step: p.Step, Ordinal: len(p.Subtasks) + 1, Meta: meta})
}

// Tell notes on the job of the task in hand what planning or clean-up waits for; "" for
// nothing any more. The note is written under the owner's term: an error means that it
// was not, and is ErrNotOwner when the term is over. nil tells nobody.
type Tell func(waiting string) error

// Waiting is t, or nothing where that is nil.
func (t Tell) Waiting(text string) error {
	if t == nil {
		return nil
	}
	return t(text)
}

// InDoubt is an error that left open whether the task's effect is in place.
// To guess could tell the user that a change was not made which was.
type InDoubt struct{ Err error }

func (d InDoubt) Error() string { return d.Err.Error() }
func (d InDoubt) Unwrap() error { return d.Err }

// Mendable is an error of clean-up that does not pass by itself, but whose cause somebody may
// mend soon: who has taken a privilege from the node's account may give it back.
type Mendable struct{ Err error }

func (m Mendable) Error() string { return m.Err.Error() }
func (m Mendable) Unwrap() error { return m.Err }

// A Worker is a node's half of a task type: it does the work of its subtasks. The
// scheduler calls it.
type Worker interface {
	// RunSubtask works on s until it is done. Everything it writes is fenced
	// by s.Lease() in the transaction that writes it. ctx ends with the cause
	// ErrCancelled, ErrPaused, ErrLeaseLost or plain context.Canceled (the
	// node stops). It may be called again for the same subtask, with the
	// checkpoint the last run saved. report may be called at any time with the
	// progress so far.
	RunSubtask(ctx context.Context, t Task, s Subtask, report func(Summary)) (Summary, error)
	// IsRetryableErr says whether the subtask should be tried again in place.
	IsRetryableErr(err error) bool
}
