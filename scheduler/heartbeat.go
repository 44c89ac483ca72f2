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
	// trustMargin is how much earlier than its leases a node stops its work:
	// time for the workers to notice.
	trustMargin = 2 * time.Second
	// heartbeatRetry is short, because every failed try uses up trust.
	heartbeatRetry   = 500 * time.Millisecond
	heartbeatTimeout = dxf.RenewInterval
	leaveTimeout     = 2 * time.Second
)

// A heart keeps this node's registration, and with it the leases of what it
// runs, alive. Whether they surely are is a context.
type heart struct {
	store  SubtaskStore
	log    *zap.Logger
	counts *counters
	parent context.Context // of the trust contexts

	mu      sync.Mutex
	node    dxf.Node // Role is what Register writes
	trusted time.Time
	trust   context.Context
	doubt   context.CancelCauseFunc
	// deadline ends the trust even while a heartbeat hangs.
	deadline *time.Timer
}

// newHeart returns a heart that does not trust its leases yet. Its trust
// contexts are children of parent.
func newHeart(parent context.Context, cfg Config, log *zap.Logger, counts *counters) *heart {
	h := &heart{store: cfg.Store, log: log, counts: counts, parent: parent, node: cfg.Node}
	h.trust, h.doubt = context.WithCancelCause(parent)
	h.doubt(dxf.ErrLeaseLost)
	return h
}

// lease returns a context that lives as long as this node may believe in the
// leases it takes now. It has ended already when the node has not reached the
// store lately.
func (h *heart) lease() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trust
}

func (h *heart) self() dxf.Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.node
}

// setRole changes the role the node registers with if it has to do so again.
func (h *heart) setRole(role string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.node.Role = role
}

// believe notes a heartbeat that began at start and succeeded. The leases are
// then good for dxf.NodeLease from some moment after start.
func (h *heart) believe(start time.Time) (again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trusted = start.Add(dxf.NodeLease - trustMargin)
	left := time.Until(h.trusted)
	if left <= 0 { // the process stood still while the store answered
		h.doubt(dxf.ErrLeaseLost)
		return false
	}
	if h.trust.Err() != nil && h.parent.Err() == nil {
		h.trust, h.doubt = context.WithCancelCause(h.parent)
		again = true
	}
	if h.deadline == nil {
		h.deadline = time.AfterFunc(left, h.judge)
	} else {
		h.deadline.Reset(left)
	}
	return again
}

// judge ends the trust if its time has passed.
func (h *heart) judge() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trust.Err() == nil && !time.Now().Before(h.trusted) {
		h.log.Warn("node could not renew its leases: stopping its subtasks")
		h.doubt(dxf.ErrLeaseLost)
	}
}

// beat registers the node and renews the registration until ctx ends; then it
// removes it. ready is called whenever the node begins to trust its leases.
func (h *heart) beat(ctx context.Context, ready func()) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	registered, known := false, true // known: the state of the row, as far as we heard
	for {
		select {
		case <-ctx.Done():
			h.mu.Lock()
			if h.deadline != nil {
				h.deadline.Stop()
			}
			h.doubt(context.Canceled)
			h.mu.Unlock()
			if registered || !known {
				h.leave(ctx)
			}
			return
		case <-wait.C:
		}
		// After a pause of the whole process the first thing is to doubt: a
		// heartbeat that succeeds now says nothing about the time between.
		h.judge()
		start := time.Now()
		err := h.once(ctx, registered)
		switch {
		case ctx.Err() != nil:
			known = false
			wait.Reset(0)
		case err == nil && !registered:
			registered, known = true, true
			h.counts.registered.Add(1)
			n := h.self()
			h.log.Info("node registered", zap.String("role", n.Role), zap.Int("slots", n.CPUCount))
			// Registering does not renew leases; a heartbeat does.
			wait.Reset(0)
		case err == nil:
			h.counts.heartbeats.Add(1)
			if h.believe(start) {
				ready()
			}
			wait.Reset(dxf.RenewInterval)
		case errors.Is(err, dxf.ErrNotFound):
			h.log.Warn("node registration is gone")
			registered = false
			wait.Reset(0)
		default:
			h.counts.heartFailed.Add(1)
			h.log.Warn("heartbeat", zap.Error(err))
			wait.Reset(heartbeatRetry)
		}
	}
}

// once writes the registration or one heartbeat.
func (h *heart) once(ctx context.Context, registered bool) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	n := h.self()
	if !registered {
		return h.store.Register(ctx, n)
	}
	return h.store.Heartbeat(ctx, n.ID)
}

func (h *heart) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := h.store.Unregister(ctx, h.self().ID); err != nil {
		h.log.Warn("unregister node", zap.Error(err))
		return
	}
	h.log.Info("node unregistered")
}
