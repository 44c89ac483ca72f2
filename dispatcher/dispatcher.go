package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// The error of a task that was reverted because the user asked for it, which is
// an import job's too, and how the client of a DDL job is told.
var (
	errCancelled    = dxf.Error{Code: 8214, State: "HY000", Message: "cancelled by user"}
	errJobCancelled = dxf.Error{Code: 8214, State: "HY000", Message: "Cancelled DDL job", Class: "ddl"}
)

// A Dispatcher moves one task, during one term. It is called by one goroutine
// at a time.
type Dispatcher struct {
	store  TaskStore
	ext    Extension
	term   dxf.Term
	log    *zap.Logger
	counts *counters

	job, importJob int64 // 0: none

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

func newDispatcher(store TaskStore, ext Extension, term dxf.Term, t dxf.Task, log *zap.Logger, counts *counters) *Dispatcher {
	d := &Dispatcher{store: store, ext: ext, term: term, counts: counts}
	a := dxf.Advance{Task: t, State: t.State, Step: t.Step}
	ext.Complete(&a, t.Error)
	d.job, d.importJob = a.JobID, a.ImportJobID
	d.log = log.With(zap.Int64("task", t.ID))
	if d.job != 0 {
		d.log = d.log.With(zap.Int64("job", d.job))
	}
	if d.importJob != 0 {
		d.log = d.log.With(zap.Int64("import", d.importJob))
	}
	return d
}

// decide says what there is to do; ok is false for nothing. It does no I/O.
func (d *Dispatcher) decide(v view, now time.Time) (do todo, ok bool) {
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
				do.waiting = "no node that can read the files is there"
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
func (d *Dispatcher) act(ctx context.Context, v view, do todo) (outcome, error) {
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
		return d.revert(ctx, t, whyRevert(t, v.subs))
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
		a, err := modified(t, slots)
		if err != nil {
			d.log.Error("modify", zap.Error(err))
		}
		return outcome{again: true, notify: true}, d.advance(ctx, t, a)
	}
	return outcome{}, d.note(ctx, do.waiting)
}

// plan cuts the next step and deals it out, or ends the task when there is none.
func (d *Dispatcher) plan(ctx context.Context, v view) (outcome, error) {
	t := v.task
	p, err := d.ext.Plan(d.waiting(ctx), t, len(v.nodes))
	if err != nil {
		if ctx.Err() != nil {
			return outcome{}, context.Cause(ctx)
		}
		d.counts.planErrors.Add(1)
		if d.ext.IsRetryableErr(err) {
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
	deal(p.Subtasks, d.ext.Eligible(then, v.nodes))
	a := dxf.Advance{State: dxf.TaskRunning, Step: p.Step, Meta: p.Meta, Subtasks: p.Subtasks, Concurrency: p.Concurrency}
	if err := d.advance(ctx, t, a); err != nil {
		return outcome{}, err
	}
	d.counts.stepsPlanned.Add(1)
	d.counts.dealt.Add(int64(len(p.Subtasks)))
	d.log.Info("step planned", zap.String("step", t.Type.StepName(p.Step)), zap.Int("subtasks", len(p.Subtasks)),
		zap.Any("nodes", heldBy(p.Subtasks)))
	return outcome{again: true, notify: true}, nil
}

// revert gives the task up because of e.
func (d *Dispatcher) revert(ctx context.Context, t dxf.Task, e *dxf.Error) (outcome, error) {
	return outcome{again: true, notify: true}, d.advance(ctx, t, dxf.Advance{State: dxf.TaskReverting, Step: t.Step, Error: e})
}

// whyRevert returns the error of the first subtask that failed, or of the
// user's request.
func whyRevert(t dxf.Task, subs []dxf.Subtask) *dxf.Error {
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
		e := errCancelled
		return &e
	}
	return dxf.Errorf("a subtask of step %s was stopped", t.Type.StepName(t.Step))
}

// doubtTries is how often clean-up asks again whether the task's effect is in place
// when the answer fails for a reason that does not pass: about half a minute.
const doubtTries = 8

// deniedTries is the same while the node's own account lacks a privilege: more than a
// minute, in which who has taken it may give it back.
const deniedTries = 13

// end cleans up and writes the end state: after the last step, or after all
// subtasks of a failing task have stopped. What passes is waited for. What cannot be
// cleaned up is left behind, and said in the log and to the client; to keep the
// client waiting would not help it, nor would it help those behind it.
func (d *Dispatcher) end(ctx context.Context, t dxf.Task, meta []byte) (outcome, error) {
	won, err := d.ext.OnDone(d.waiting(ctx), t)
	if err != nil {
		if ctx.Err() != nil {
			return outcome{}, context.Cause(ctx)
		}
		if d.again(err) {
			return outcome{}, d.retry(ctx, "clean up", err)
		}
		d.log.Error("clean up: giving up", zap.Error(err))
	}
	a := dxf.Advance{State: dxf.TaskReverted, Step: t.Step, Meta: meta}
	if won || t.State == dxf.TaskRunning {
		a.State, a.Step = dxf.TaskSucceed, dxf.StepDone
	}
	if err != nil {
		a.Error, d.left = d.leftBehind(t, a.State, err)
	}
	if err := d.advance(ctx, t, a); err != nil {
		return outcome{}, err
	}
	if a.State == dxf.TaskSucceed {
		d.counts.succeeded.Add(1)
	} else {
		d.counts.reverted.Add(1)
	}
	return outcome{again: true, notify: true, ended: true}, nil
}

// again says whether a failed clean-up is worth another try.
func (d *Dispatcher) again(err error) bool {
	if open := (undecided{}); errors.As(err, &open) {
		return d.ext.IsRetryableErr(open.error) || d.failures+1 < doubtTries
	}
	return d.ext.IsRetryableErr(err) || server.Denied(err) && d.failures+1 < deniedTries
}

// leftBehind tells of what clean-up could not do: an error, with the one that the task
// has already, or, of a task that ends well, a note.
func (d *Dispatcher) leftBehind(t dxf.Task, end dxf.TaskState, why error) (e, note *dxf.Error) {
	text := "clean up: " + dxf.ErrorOf(why).Message
	if open := (undecided{}); errors.As(why, &open) {
		text = "it is not known whether the change was made: " + text
	}
	if end == dxf.TaskSucceed {
		return nil, dxf.Errorf("%s", text)
	}
	if t.Error == nil {
		return dxf.Errorf("%s", text), nil
	}
	told := *d.told(t.Error)
	told.Message += "; " + text
	return &told, nil
}

// told is a task's error as the client of its job is told.
func (d *Dispatcher) told(e *dxf.Error) *dxf.Error {
	if e != nil && *e == errCancelled && d.importJob == 0 {
		told := errJobCancelled
		return &told
	}
	return e
}

// advance writes a move of the task and of its job.
func (d *Dispatcher) advance(ctx context.Context, t dxf.Task, a dxf.Advance) error {
	if a.State != t.State && !t.State.CanMove(a.State) {
		return fmt.Errorf("task %d cannot go from %s to %s", t.ID, t.State, a.State)
	}
	e := a.Error
	if e == nil && a.State != dxf.TaskSucceed {
		e = t.Error
	}
	a.Task = t
	d.ext.Complete(&a, d.told(e))
	if change := a.Job; change != nil {
		a.Job = func(j *dxf.Job) {
			j.Waiting = ""
			change(j)
			if j.Note == nil {
				j.Note = d.left
			}
		}
	}
	if change := a.Import; change != nil {
		a.Import = func(j *dxf.ImportJob) {
			j.Waiting = ""
			change(j)
		}
	}
	if err := d.store.Advance(ctx, d.term, a); err != nil {
		return fmt.Errorf("move task %d from %s to %s: %w", t.ID, t.State, a.State, err)
	}
	d.noted, d.known = "", true
	d.failures, d.notBefore = 0, time.Time{}
	if a.State != t.State {
		fields := []zap.Field{zap.String("from", string(t.State)), zap.String("to", string(a.State)), zap.String("step", t.Type.StepName(a.Step))}
		if a.Error != nil {
			fields = append(fields, zap.Error(a.Error))
		}
		d.log.Info("task moved", fields...)
	}
	return nil
}

// moveAll moves all subtasks of the step from one state to another.
func (d *Dispatcher) moveAll(ctx context.Context, v view, from, to dxf.SubtaskState) error {
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
func (d *Dispatcher) retry(ctx context.Context, doing string, err error) error {
	wait := 500 * time.Millisecond << min(d.failures, 4)
	d.failures++
	d.notBefore = time.Now().Add(wait)
	d.log.Warn(doing, zap.Error(err), zap.Duration("again in", wait))
	return d.note(ctx, fmt.Sprintf("%s: %s", doing, dxf.ErrorOf(err).Message))
}

func (d *Dispatcher) mustNote(waiting string) bool {
	return d.job+d.importJob != 0 && (!d.known || d.noted != waiting)
}

// note writes what the job waits for, once.
func (d *Dispatcher) note(ctx context.Context, waiting string) error {
	if !d.mustNote(waiting) {
		return nil
	}
	set, id := d.store.SetWaiting, d.job
	if d.importJob != 0 {
		set, id = d.store.SetImportWaiting, d.importJob
	}
	if err := set(ctx, d.term, id, waiting); err != nil {
		return fmt.Errorf("note what job %d waits for: %w", id, err)
	}
	if waiting != "" || d.known {
		d.log.Info("task waits", zap.String("waiting", waiting))
	}
	d.noted, d.known = waiting, true
	return nil
}

// waiting lets the extension note what it waits for.
func (d *Dispatcher) waiting(ctx context.Context) context.Context {
	return WithWaiting(ctx, func(text string) error { return d.note(ctx, text) })
}

// place makes the moves, those of pending subtasks first and in a transaction
// of their own: the row of a running one may be locked for a while yet by the
// transaction of the node that is gone.
func (d *Dispatcher) place(ctx context.Context, v view, places []dxf.Placement) (int, error) {
	by := make(map[int64]dxf.Subtask, len(v.subs))
	for _, s := range v.subs {
		by[s.ID] = s
	}
	var waiting, gone []dxf.Placement
	for _, p := range places {
		if by[p.SubtaskID].State == dxf.SubtaskPending {
			waiting = append(waiting, p)
		} else {
			gone = append(gone, p)
		}
	}
	total := 0
	for _, moves := range [][]dxf.Placement{waiting, gone} {
		if len(moves) == 0 {
			continue
		}
		n, err := d.store.Place(ctx, d.term, moves)
		if err != nil {
			return total, fmt.Errorf("place subtasks of task %d: %w", v.task.ID, err)
		}
		total += n
		d.counts.moved.Add(int64(n))
		d.logPlaces(by, moves, n)
	}
	return total, nil
}

func (d *Dispatcher) logPlaces(by map[int64]dxf.Subtask, places []dxf.Placement, made int) {
	if made == 0 {
		return
	}
	type way struct {
		from, to string
		was      dxf.SubtaskState
	}
	ways := make(map[way][]int)
	for _, p := range places {
		s := by[p.SubtaskID]
		w := way{s.ExecID, p.ExecID, s.State}
		ways[w] = append(ways[w], s.Ordinal)
	}
	sorted := slices.SortedFunc(maps.Keys(ways), func(a, b way) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	for _, w := range sorted {
		d.log.Info("subtasks placed", zap.String("from", w.from), zap.String("to", w.to),
			zap.String("state", string(w.was)), zap.Ints("ordinals", ways[w]))
	}
	if made < len(places) {
		d.log.Info("subtasks had moved on", zap.Int("skipped", len(places)-made))
	}
}
