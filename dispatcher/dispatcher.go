package dispatcher

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

// A dispatcher moves one task, during one term. It is called by one goroutine
// at a time.
type dispatcher struct {
	store  TaskStore
	kind   dxf.Type
	term   dxf.Term
	log    *zap.Logger
	counts *counters

	job dxf.JobRef // zero: none

	// noted is what the job's row says it waits for; unknown at first, so that
	// a new owner clears what the old one wrote.
	noted string
	known bool

	left *dxf.Error // what a task that ended well has left behind; nil: nothing

	// Retryable errors in a row, and when to try again.
	failures  int
	notBefore time.Time
}

// A view is a task and what surrounds it, as one pass saw it.
type view struct {
	task    dxf.Task
	subs    []dxf.Subtask // of its step
	live    []dxf.Node    // all nodes
	nodes   []dxf.Node    // those its subtasks may go to, best first
	hold    string        // a pending task: why it may not start
	balance bool          // it is time to spread subtasks again
}

// A todo is what a Dispatcher found to do in a view.
type todo struct {
	move    move
	places  []dxf.Placement
	waiting string
}

// outcome tells the manager what an act led to.
type outcome struct {
	again  bool // the task has changed: look at it again at once
	notify bool // nodes, or clients that wait at them, have something new to look at
	ended  bool
}

func newDispatcher(store TaskStore, kind dxf.Type, term dxf.Term, t dxf.Task, log *zap.Logger, counts *counters) *dispatcher {
	d := &dispatcher{store: store, kind: kind, term: term, counts: counts, job: kind.JobOf(t)}
	d.log = log.With(zap.Int64("task", t.ID))
	if d.job.ID != 0 {
		d.log = d.log.With(zap.Int64(string(d.job.Kind), d.job.ID))
	}
	return d
}

// decide says what there is to do; ok is false for nothing. It does no I/O.
func (d *dispatcher) decide(v view, now time.Time) (do todo, ok bool) {
	counts := make(dxf.Counts)
	for _, s := range v.subs {
		counts[s.State]++
	}
	if v.hold == "" {
		do.move = next(v.task, counts, len(goneRunning(v.subs, v.live)))
	}
	do.waiting = v.hold
	switch {
	case (do.move.do == plan || do.move.do == cleanUp) && now.Before(d.notBefore):
		return todo{}, false // and what it waits for stays noted
	case do.move.do == takeBack:
		for _, s := range goneRunning(v.subs, v.live) {
			do.places = append(do.places, dxf.Placement{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: s.ExecID})
		}
	case do.move.do == stay && v.task.State == dxf.TaskRunning:
		if len(v.nodes) == 0 && counts[dxf.SubtaskPending] > 0 {
			do.waiting = noNode(v.task.TargetScope)
			if len(inScope(v.live, v.task.TargetScope)) > 0 {
				do.waiting = d.kind.Unplaced
			}
		} else {
			do.waiting = firstWaiting(v.subs)
		}
		if v.balance || idle(v.subs, v.nodes) {
			do.places = rebalance(v.subs, v.nodes, v.live)
		}
	}
	return do, do.move.do != stay || len(do.places) > 0 || d.mustNote(do.waiting)
}

// firstWaiting returns what the first running subtask says it waits for.
func firstWaiting(subs []dxf.Subtask) string {
	for _, s := range subs {
		if s.State == dxf.SubtaskRunning && s.Summary.Waiting != "" {
			return s.Summary.Waiting
		}
	}
	return ""
}

// idle says whether one of nodes holds nothing while a subtask waits elsewhere:
// not to be looked at only when balancing is due.
func idle(subs []dxf.Subtask, nodes []dxf.Node) bool {
	held, pending := heldBy(subs), false
	for _, s := range subs {
		pending = pending || s.State == dxf.SubtaskPending
	}
	return pending && slices.ContainsFunc(nodes, func(n dxf.Node) bool { return held[n.ID] == 0 })
}

// act does what decide found.
func (d *dispatcher) act(ctx context.Context, v view, do todo) (outcome, error) {
	t := v.task
	if len(do.places) > 0 {
		n, err := d.place(ctx, v, do.places)
		switch {
		case err != nil:
			return outcome{notify: n > 0}, err
		case do.move.do == takeBack:
			return outcome{again: n > 0}, nil
		}
		return outcome{notify: n > 0}, d.note(ctx, do.waiting)
	}
	switch do.move.do {
	case plan:
		return d.plan(ctx, v)
	case revert:
		return d.revert(ctx, t, d.whyRevert(t, v.subs))
	case cleanUp:
		return d.end(ctx, t, nil)
	case cancelRest:
		for _, from := range []dxf.SubtaskState{dxf.SubtaskPending, dxf.SubtaskPaused} {
			if err := d.moveAll(ctx, v, from, dxf.SubtaskCanceled); err != nil {
				return outcome{}, err
			}
		}
		return outcome{again: true}, nil
	case pauseRest:
		return outcome{again: true}, d.moveAll(ctx, v, dxf.SubtaskPending, dxf.SubtaskPaused)
	case settle:
		return outcome{again: true}, d.advance(ctx, t, dxf.Advance{State: do.move.to, Step: t.Step})
	case unpause:
		if err := d.moveAll(ctx, v, dxf.SubtaskPaused, dxf.SubtaskPending); err != nil {
			return outcome{}, err
		}
		if t.State == do.move.to {
			return outcome{again: true, notify: true}, nil
		}
		return outcome{again: true, notify: true}, d.advance(ctx, t, dxf.Advance{State: do.move.to, Step: t.Step})
	case modify:
		slots := 0
		for _, n := range v.live {
			slots = max(slots, n.CPUCount)
		}
		a, err := modified(d.kind, t, slots)
		if err != nil {
			d.log.Error("modify", zap.Error(err))
		}
		return outcome{again: true, notify: true}, d.advance(ctx, t, a)
	}
	return outcome{}, d.note(ctx, do.waiting)
}

// plan has the next step planned and deals out its subtasks, or ends the task when there is no
// next step.
func (d *dispatcher) plan(ctx context.Context, v view) (outcome, error) {
	t := v.task
	p, err := d.kind.Planner.Plan(ctx, t, len(v.nodes), d.tell(ctx))
	if err != nil {
		if ctx.Err() != nil {
			return outcome{}, context.Cause(ctx)
		}
		d.counts.planErrors.Add(1)
		if d.kind.Planner.IsRetryableErr(err) {
			return outcome{}, d.retry(ctx, "planning", err)
		}
		return d.revert(ctx, t, dxf.ErrorOf(err))
	}
	if p.Step == dxf.StepDone {
		if t.State == dxf.TaskPending {
			// It has to have run before it can succeed.
			return outcome{again: true}, d.advance(ctx, t, dxf.Advance{State: dxf.TaskRunning, Step: t.Step, Meta: p.Meta})
		}
		return d.end(ctx, t, p.Meta)
	}
	for i := range p.Subtasks {
		p.Subtasks[i].Ordinal = i + 1
	}
	then := t
	if then.Step = p.Step; p.Meta != nil {
		then.Meta = p.Meta
	}
	deal(p.Subtasks, d.kind.Planner.Eligible(then, v.nodes))
	a := dxf.Advance{State: dxf.TaskRunning, Step: p.Step, Meta: p.Meta, Subtasks: p.Subtasks, Concurrency: p.Concurrency}
	if err := d.advance(ctx, t, a); err != nil {
		return outcome{}, err
	}
	d.counts.stepsPlanned.Add(1)
	d.counts.dealt.Add(int64(len(p.Subtasks)))
	d.log.Info("step planned", zap.String("step", d.kind.StepName(p.Step)), zap.Int("subtasks", len(p.Subtasks)),
		zap.Any("nodes", heldBy(p.Subtasks)))
	return outcome{again: true, notify: true}, nil
}

// revert gives the task up because of e.
func (d *dispatcher) revert(ctx context.Context, t dxf.Task, e *dxf.Error) (outcome, error) {
	return outcome{again: true, notify: true}, d.advance(ctx, t, dxf.Advance{State: dxf.TaskReverting, Step: t.Step, Error: e})
}

// whyRevert returns the error of the first subtask that failed, or of the
// user's request.
func (d *dispatcher) whyRevert(t dxf.Task, subs []dxf.Subtask) *dxf.Error {
	var failed []dxf.Subtask
	for _, s := range subs {
		if s.State == dxf.SubtaskFailed && s.Error != nil {
			failed = append(failed, s)
		}
	}
	if len(failed) > 0 {
		return slices.MinFunc(failed, func(a, b dxf.Subtask) int {
			return cmp.Or(a.UpdateTime.Compare(b.UpdateTime), cmp.Compare(a.Ordinal, b.Ordinal))
		}).Error
	}
	if t.State == dxf.TaskCancelling {
		return dxf.CancelledByUser()
	}
	return dxf.Errorf("a subtask of step %s was stopped", d.kind.StepName(t.Step))
}

// advance writes a move of the task and of its job.
func (d *dispatcher) advance(ctx context.Context, t dxf.Task, a dxf.Advance) error {
	if a.State != t.State && !t.State.CanMove(a.State) {
		return fmt.Errorf("task %d cannot go from %s to %s", t.ID, t.State, a.State)
	}
	e := a.Error
	if e == nil && a.State != dxf.TaskSucceed {
		e = t.Error
	}
	a.Task, a.Job = t, d.job
	if err := d.keepPauses(&a); err != nil { // no reason not to move it
		d.log.Warn("note how long the task stands still", zap.Error(err))
	}
	d.kind.Planner.Complete(&a, d.told(e))
	if change := a.Change; change != nil {
		a.Change = func(r dxf.JobRow) {
			r.Wait("")
			change(r)
			r.LeaveNote(d.left)
		}
	}
	if err := d.store.Advance(ctx, d.term, a); err != nil {
		return fmt.Errorf("move task %d from %s to %s: %w", t.ID, t.State, a.State, err)
	}
	d.noted, d.known = "", true
	d.failures, d.notBefore = 0, time.Time{}
	if a.State != t.State {
		fields := []zap.Field{zap.String("from", string(t.State)), zap.String("to", string(a.State)), zap.String("step", d.kind.StepName(a.Step))}
		if a.Error != nil {
			fields = append(fields, zap.Error(a.Error))
		}
		d.log.Info("task moved", fields...)
	}
	return nil
}

// keepPauses notes in the head of the meta how long a step that counts rows is paused, by
// the store's clock, which stamped the requests: who tells how fast it is leaves that out.
func (d *dispatcher) keepPauses(a *dxf.Advance) error {
	pauses, resumes := a.State == dxf.TaskPaused, a.Task.State == dxf.TaskResuming
	if !d.kind.Steps[a.Step].Counts || !pauses && !resumes {
		return nil
	}
	head, err := dxf.HeadOf(a.NewMeta())
	if err != nil {
		return err
	}
	switch p := &head.Pauses; {
	case pauses:
		p.PausedAt = a.Task.UpdateTime
	case p.PausedAt.IsZero():
		return nil
	default:
		p.Paused, p.PausedAt = p.Paused+max(a.Task.UpdateTime.Sub(p.PausedAt), 0), time.Time{}
	}
	meta, err := dxf.WithPauses(a.NewMeta(), head.Pauses)
	if err == nil {
		a.Meta = meta
	}
	return err
}

// moveAll moves all subtasks of the step from one state to another.
func (d *dispatcher) moveAll(ctx context.Context, v view, from, to dxf.SubtaskState) error {
	n := 0
	for _, s := range v.subs {
		if s.State == from {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	t := v.task
	if err := d.store.MoveSubtasks(ctx, d.term, t.ID, t.Step, from, to); err != nil {
		return fmt.Errorf("move %s subtasks of task %d to %s: %w", from, t.ID, to, err)
	}
	d.log.Info("subtasks moved", zap.String("from", string(from)), zap.String("to", string(to)), zap.Int("subtasks", n))
	return nil
}

// retry notes what went wrong and when to try again: after 0.5 s, growing to 8 s.
func (d *dispatcher) retry(ctx context.Context, doing string, err error) error {
	wait := 500 * time.Millisecond << min(d.failures, 4)
	d.failures++
	d.notBefore = time.Now().Add(wait)
	d.log.Warn(doing, zap.Error(err), zap.Duration("again in", wait))
	return d.note(ctx, fmt.Sprintf("%s: %s", doing, dxf.ErrorOf(err).Message))
}

func (d *dispatcher) mustNote(waiting string) bool {
	return d.job.ID != 0 && (!d.known || d.noted != waiting)
}

// note writes what the job waits for, once.
func (d *dispatcher) note(ctx context.Context, waiting string) error {
	if !d.mustNote(waiting) {
		return nil
	}
	if err := d.store.SetWaiting(ctx, d.term, d.job, waiting); err != nil {
		return fmt.Errorf("note what %s waits for: %w", d.job, err)
	}
	if waiting != "" || d.known {
		d.log.Info("task waits", zap.String("waiting", waiting))
	}
	d.noted, d.known = waiting, true
	return nil
}

// tell lets the planner note what it waits for.
func (d *dispatcher) tell(ctx context.Context) dxf.Tell {
	return func(waiting string) error { return d.note(ctx, waiting) }
}
