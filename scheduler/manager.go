package scheduler

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

const (
	// pollInterval is how often a node looks for work when nobody wakes it
	// (TiDB's number).
	pollInterval = 300 * time.Millisecond
	pollTimeout  = 5 * time.Second
	defaultGrace = 3 * time.Second
)

// Config is what a Manager is made of.
type Config struct {
	Store SubtaskStore
	Node  dxf.Node    // this node; CPUCount is its number of slots
	Types dxf.Types   // with their workers
	Log   *zap.Logger // nil: none
	// Grace is how long running subtasks may go on when the node stops.
	// 0: 3 s; negative: none.
	Grace time.Duration
	// Finished is called after the end of a subtask was written, to wake the
	// owner. It must not block. nil: the owner finds out by polling.
	Finished func()
}

// A Manager runs the subtasks bound to this node.
type Manager struct {
	cfg    Config
	log    *zap.Logger
	wake   chan struct{} // size 1: several calls of Wake are one
	counts counters

	heart *heart
	stop  context.CancelFunc // ends the work of all subtasks

	// Touched by the loop only.
	slots *slots
	held  map[int64]*held // by subtask
	ended chan *held
	said  string // the last complaint about polling
	odd   map[dxf.TaskType]bool
}

// NewManager returns a manager; nothing happens before Run, which may be
// called once.
func NewManager(cfg Config) *Manager {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	if cfg.Finished == nil {
		cfg.Finished = func() {}
	}
	m := &Manager{
		cfg:   cfg,
		log:   cfg.Log.With(zap.String("node", cfg.Node.ID)),
		wake:  make(chan struct{}, 1),
		slots: newSlots(cfg.Node.CPUCount),
		held:  make(map[int64]*held),
		ended: make(chan *held),
		odd:   make(map[dxf.TaskType]bool),
	}
	work, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.heart = newHeart(work, cfg, m.log, &m.counts)
	return m
}

// Wake makes the node look for work at once. It does not block.
func (m *Manager) Wake() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// SetRole tells the node that its role was changed in the store, so that it
// keeps the role if it has to register again.
func (m *Manager) SetRole(role string) { m.heart.setRole(role) }

// Counts returns the counters.
func (m *Manager) Counts() Counts { return m.counts.snapshot() }

// Run registers the node and runs its subtasks until ctx ends. Then it takes
// no more, gives the running ones their grace, hands back what is left,
// removes the registration and returns nil.
func (m *Manager) Run(ctx context.Context) error {
	defer m.stop()
	// The heart beats on through the grace.
	beating, stopBeating := context.WithCancel(context.WithoutCancel(ctx))
	var heart sync.WaitGroup
	heart.Go(func() { m.heart.beat(beating, m.Wake) })
	defer heart.Wait()
	defer stopBeating()

	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case h := <-m.ended:
			m.drop(h)
			m.poll(ctx)
		case <-m.wake:
			m.poll(ctx)
		case <-timer.C:
			m.poll(ctx)
			timer.Reset(pollInterval)
		}
	}
	m.drain()
	return nil
}

// drain waits for the running subtasks: first for them to end, then, their
// grace over, for them to stop.
func (m *Manager) drain() {
	grace := time.NewTimer(max(m.cfg.Grace, 0))
	defer grace.Stop()
	for len(m.held) > 0 {
		select {
		case h := <-m.ended:
			m.drop(h)
		case <-grace.C:
			m.stop()
		}
	}
}

func (m *Manager) drop(h *held) {
	delete(m.held, h.sub.ID)
	m.slots.release(h.task.ID, h.task.User)
}

// poll reads what is bound to this node, stops what is not wanted any more and
// starts what there are slots for.
func (m *Manager) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	bound, err := m.cfg.Store.Assigned(ctx, m.cfg.Node.ID)
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			m.complain(err)
		}
		return
	}
	m.said = ""
	m.stopUnwanted(bound)
	lease := m.heart.lease()
	for _, a := range bound {
		if lease.Err() != nil || ctx.Err() != nil {
			return // what is leased now could run out unnoticed
		}
		if m.held[a.Subtask.ID] != nil {
			continue
		}
		switch {
		case a.Subtask.State == dxf.SubtaskRunning:
			m.giveBack(ctx, a.Subtask)
		case a.Subtask.State == dxf.SubtaskPending && wanted(a.Task.State) == nil:
			m.begin(ctx, lease, a)
		}
	}
}

func (m *Manager) complain(err error) {
	if m.said != err.Error() {
		m.said = err.Error()
		m.log.Warn("look for subtasks", zap.Error(err))
	}
}

// wanted says why subtasks of a task in this state are not to run; nil: they are.
func wanted(s dxf.TaskState) error {
	switch s {
	case dxf.TaskRunning, dxf.TaskModifying:
		return nil
	case dxf.TaskPausing, dxf.TaskPaused, dxf.TaskResuming:
		return dxf.ErrPaused
	}
	return dxf.ErrCancelled
}

// stopUnwanted ends the contexts of running subtasks whose task is given up or
// paused, and of those that are bound to another node or epoch by now.
func (m *Manager) stopUnwanted(bound []dxf.Assignment) {
	now := make(map[int64]dxf.Assignment, len(bound))
	for _, a := range bound {
		now[a.Subtask.ID] = a
	}
	for id, h := range m.held {
		a, ok := now[id]
		switch {
		case !ok, a.Subtask.Epoch != h.sub.Epoch, a.Subtask.State != dxf.SubtaskRunning:
			h.stop(dxf.ErrLeaseLost) // or has just ended, and then nobody listens
		default:
			if why := wanted(a.Task.State); why != nil {
				h.stop(why)
			}
		}
	}
}

// giveBack releases a subtask that the store believes to be running here.
func (m *Manager) giveBack(ctx context.Context, s dxf.Subtask) {
	err := m.cfg.Store.Release(ctx, s.Lease())
	switch {
	case err == nil:
		m.counts.released.Add(1)
		m.log.Warn("subtask was running without anybody working on it",
			zap.Int64("task", s.TaskID), zap.Int64("subtask", s.ID), zap.Int64("epoch", s.Epoch))
		m.Wake()
	case !errors.Is(err, dxf.ErrLeaseLost): // it had just ended
		m.complain(err)
	}
}

// begin leases a pending subtask into a slot and runs it.
func (m *Manager) begin(ctx, lease context.Context, a dxf.Assignment) {
	kind := m.cfg.Types[a.Task.Type]
	if kind.Worker == nil {
		if !m.odd[a.Task.Type] {
			m.odd[a.Task.Type] = true
			m.log.Error("unknown task type", zap.String("type", string(a.Task.Type)))
		}
		return
	}
	if !m.slots.reserve(a.Task.ID, a.Task.User, a.Task.Concurrency) {
		return
	}
	s, err := m.cfg.Store.Lease(ctx, a.Subtask)
	if err != nil {
		m.slots.release(a.Task.ID, a.Task.User)
		if !errors.Is(err, dxf.ErrLeaseLost) { // moved meanwhile
			m.complain(err)
		}
		return
	}
	m.counts.leased.Add(1)
	h := m.hold(lease, a.Task, s, kind)
	m.held[s.ID] = h
	go func() {
		h.run()
		m.ended <- h // the loop listens until all that is held has ended
	}()
}
