package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

// A tenure is what a manager knows during one term. It is thrown away with
// the term, and touched by one goroutine.
type tenure struct {
	m     *Manager
	term  dxf.Term
	start func(job) // runs the job, now or beside; its result goes to finished

	hands   map[int64]*hand // by task
	nodes   []dxf.Node      // as of the last pass
	unknown map[int64]bool  // tasks of types nobody knows, said once

	expireAt, balanceAt, archiveAt time.Time // when to do it next
}

// A hand is a task's Dispatcher and whether it is at work.
type hand struct {
	*dispatcher
	busy  bool
	doing verb
	state dxf.TaskState           // busy: the state it was given the task in
	began time.Time               // when its last act began
	stop  context.CancelCauseFunc // busy: ends the act
}

// A job is one act of a Dispatcher.
type job struct {
	hand *hand
	view view
	todo todo
	ctx  context.Context // of this act alone
}

type result struct {
	job
	outcome
	err error
}

func newTenure(m *Manager, term dxf.Term, start func(job)) *tenure {
	return &tenure{m: m, term: term, start: start, hands: make(map[int64]*hand), unknown: make(map[int64]bool)}
}

func (j job) run() result {
	o, err := j.hand.act(j.ctx, j.view, j.todo)
	return result{job: j, outcome: o, err: err}
}

// pass looks at all tasks once and starts what there is to do.
func (t *tenure) pass(ctx context.Context) error {
	t.m.counts.passes.Add(1)
	now := time.Now()
	if err := t.housekeeping(ctx, now); err != nil {
		return err
	}
	w, err := t.read(ctx)
	if err != nil {
		return err
	}
	balance := !now.Before(t.balanceAt)
	if !slices.Equal(w.nodes, t.nodes) {
		balance = true
		t.nodes = w.nodes
	}
	if balance {
		t.balanceAt = now.Add(balanceInterval)
	}
	return t.work(ctx, w, balance, now)
}

// housekeeping removes registrations that ran out and archives ended tasks.
func (t *tenure) housekeeping(ctx context.Context, now time.Time) error {
	store := t.m.cfg.Store
	if !now.Before(t.expireAt) {
		t.expireAt = now.Add(expireInterval)
		gone, err := store.ExpireNodes(ctx, t.term)
		if err != nil {
			return fmt.Errorf("expire nodes: %w", err)
		}
		for _, id := range gone {
			t.m.counts.nodesExpired.Add(1)
			t.m.log.Warn("node expired", zap.String("node", id))
		}
	}
	if !now.Before(t.archiveAt) {
		t.archiveAt = now.Add(archiveInterval)
		n, err := store.Archive(ctx, t.term, archiveLimit)
		if err != nil {
			return fmt.Errorf("archive tasks: %w", err)
		}
		if n == archiveLimit {
			t.archiveAt = now
		}
	}
	return nil
}

// read reads the world.
func (t *tenure) read(ctx context.Context) (world, error) {
	w := world{types: t.m.cfg.Types, subs: make(map[int64][]dxf.Subtask)}
	var err error
	if w.nodes, err = t.m.cfg.Store.Nodes(ctx); err != nil {
		return w, fmt.Errorf("list nodes: %w", err)
	}
	if w.tasks, err = t.m.cfg.Store.Tasks(ctx); err != nil {
		return w, fmt.Errorf("list tasks: %w", err)
	}
	if slices.ContainsFunc(w.tasks, func(t dxf.Task) bool { return t.State == dxf.TaskPending && t.User != "" }) {
		vars, err := t.m.cfg.Store.GlobalVars(ctx)
		if err != nil {
			return w, fmt.Errorf("read how many jobs an account may run: %w", err)
		}
		w.maxUser = dxf.UserLimit(vars, dxf.MaxUserJobs)
	}
	for _, task := range w.tasks {
		if task.State == dxf.TaskPending || task.Step == dxf.StepInit {
			continue // nothing is planned
		}
		if w.subs[task.ID], err = t.m.cfg.Store.Subtasks(ctx, task.ID, task.Step); err != nil {
			return w, fmt.Errorf("list subtasks of task %d: %w", task.ID, err)
		}
	}
	return w, nil
}

// work lets every Dispatcher that is not busy do what there is to do.
func (t *tenure) work(ctx context.Context, w world, balance bool, now time.Time) error {
	starting := make(map[int64]bool)
	seen := make(map[int64]bool, len(w.tasks))
	for _, task := range w.tasks {
		seen[task.ID] = true
		if h := t.hands[task.ID]; h != nil && h.busy && h.doing == plan && task.State == dxf.TaskPending {
			starting[task.ID] = true
		}
	}
	for id, h := range t.hands {
		if !seen[id] && !h.busy {
			delete(t.hands, id)
		}
	}

	waits := w.admit(starting)
	used := make(map[string]int) // by better-ranked tasks
	var cleanUps []job
	for _, task := range w.tasks {
		h, err := t.hand(ctx, task)
		if err != nil {
			return err
		}
		if h == nil {
			continue
		}
		subs := w.subs[task.ID]
		v := view{
			task:    task,
			subs:    subs,
			live:    w.nodes,
			nodes:   atMost(roomy(h.kind.Planner.Eligible(task, inScope(w.nodes, task.TargetScope)), used), task.MaxNodeCount, subs, used),
			hold:    waits[task.ID],
			balance: balance,
		}
		if inHand(task.State) {
			use(used, task, subs)
		}
		if h.busy {
			// The user cancelled or paused what is being planned: do not make
			// them wait for it. (Other changes of state are the act's own.)
			if task.State != h.state && (task.State == dxf.TaskCancelling || task.State == dxf.TaskPausing) {
				h.stop(dxf.ErrTaskChanged)
			}
			continue
		}
		do, ok := h.decide(v, now)
		if !ok {
			continue
		}
		if j := (job{hand: h, view: v, todo: do}); do.move.do == cleanUp {
			cleanUps = append(cleanUps, j)
		} else {
			t.begin(ctx, j, now)
		}
	}
	slices.SortStableFunc(cleanUps, func(a, b job) int { return a.hand.began.Compare(b.hand.began) })
	for _, j := range cleanUps[:min(len(cleanUps), t.cleanUpsFree())] {
		t.begin(ctx, j, now)
	}
	return nil
}

// maxCleanUps is how many tasks are cleaned up at once. Each takes a connection, and
// may wait for a lock for some seconds; those that were not tried for longest are next.
const maxCleanUps = 8

func (t *tenure) cleanUpsFree() int {
	free := maxCleanUps
	for _, h := range t.hands {
		if h.busy && h.doing == cleanUp {
			free--
		}
	}
	return max(free, 0)
}

// begin starts what is to be done with a task.
func (t *tenure) begin(ctx context.Context, j job, now time.Time) {
	h := j.hand
	h.busy, h.doing, h.state, h.began = true, j.todo.move.do, j.view.task.State, now
	j.ctx, h.stop = context.WithCancelCause(ctx)
	t.start(j)
}

// hand returns the task's Dispatcher, a new one when it is new. A task of a
// type nobody knows has none and fails.
func (t *tenure) hand(ctx context.Context, task dxf.Task) (*hand, error) {
	if h := t.hands[task.ID]; h != nil {
		return h, nil
	}
	if kind := t.m.cfg.Types[task.Type]; kind.Planner != nil {
		h := &hand{dispatcher: newDispatcher(t.m.cfg.Store, kind, t.term, task, t.m.log, &t.m.counts)}
		t.hands[task.ID] = h
		return h, nil
	}
	if t.unknown[task.ID] {
		return nil, nil
	}
	t.unknown[task.ID] = true
	t.m.log.Error("unknown task type", zap.Int64("task", task.ID), zap.String("type", string(task.Type)))
	if task.State != dxf.TaskPending {
		return nil, nil
	}
	err := t.m.cfg.Store.Advance(ctx, t.term, dxf.Advance{
		Task: task, State: dxf.TaskFailed, Step: task.Step, Error: dxf.Errorf("unknown task type %s", task.Type),
	})
	if err != nil && !errors.Is(err, dxf.ErrTaskChanged) {
		return nil, fmt.Errorf("fail task %d: %w", task.ID, err)
	}
	return nil, nil
}

// finished takes a result in and says whether to look at the tasks again at once.
func (t *tenure) finished(r result) (again bool, err error) {
	h := r.hand
	h.busy = false
	defer h.stop(nil)
	if r.notify {
		t.m.cfg.Notify(t.nodes)
	}
	if r.ended && r.err == nil {
		t.archiveAt = time.Time{}
	}
	switch {
	case r.err == nil:
		return r.again, nil
	case errors.Is(r.err, dxf.ErrTaskChanged), errors.Is(context.Cause(r.ctx), dxf.ErrTaskChanged):
		return true, nil
	}
	return false, r.err
}
