package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

const (
	// passInterval is how often tasks are looked at when nobody calls Wake.
	passInterval = 500 * time.Millisecond
	// passGap is the least time between two passes: many small subtasks that
	// end one after the other are not a reason to read everything each time.
	passGap = 10 * time.Millisecond
	// expireInterval is how often registrations that ran out are removed.
	expireInterval = time.Second
	// balanceInterval is how often subtasks are spread again while the nodes
	// stay the same (TiDB's number); when nodes change it happens at once.
	balanceInterval = 1500 * time.Millisecond
	// archiveInterval is how often ended tasks are looked for beside the
	// moments when one ends: a former owner may have left some.
	archiveInterval = time.Minute
	archiveLimit    = 64
)

// Config is what a Manager is made of.
type Config struct {
	Store TaskStore
	Node  dxf.Node    // this node, the candidate
	Types dxf.Types   // with their planners
	Log   *zap.Logger // nil: none
	// Notify is called with the live nodes whenever they have something new to
	// look at. It must not block. nil: nodes find out by polling.
	Notify func(nodes []dxf.Node)
}

// A Manager is the owner's half of the framework on one node: it takes part in
// the election and, while this node is owner, moves all tasks.
type Manager struct {
	cfg    Config
	log    *zap.Logger
	wake   chan struct{} // size 1: several calls of Wake are one
	counts counters
}

// NewManager returns a manager; nothing happens before Run.
func NewManager(cfg Config) *Manager {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Notify == nil {
		cfg.Notify = func([]dxf.Node) {}
	}
	return &Manager{cfg: cfg, log: cfg.Log, wake: make(chan struct{}, 1)}
}

// Run takes part in the election until ctx ends and returns nil when all work
// done as owner has stopped and the term was given up.
func (m *Manager) Run(ctx context.Context) error {
	return newElection(m.cfg.Store, m.cfg.Node, m.log).Run(ctx, m.lead)
}

// Wake makes the owner look at the tasks at once. It does not block; on other
// nodes it does nothing.
func (m *Manager) Wake() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Counts returns the counters.
func (m *Manager) Counts() Counts { return m.counts.snapshot() }

// lead is one term: it runs passes until ctx ends or the term is over.
func (m *Manager) lead(ctx context.Context, term dxf.Term) error {
	m.counts.terms.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	var acts sync.WaitGroup
	defer acts.Wait()
	defer cancel()

	// Acts run beside the loop, one at a time per task: planning may take long.
	// Everything they report comes back here, so the tenure is touched by one
	// goroutine only.
	results := make(chan result)
	t := newTenure(m, term, func(j job) {
		acts.Go(func() {
			r := j.run()
			select {
			case results <- r:
			case <-ctx.Done():
			}
		})
	})

	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time // when the last pass ended
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-results:
			again, rerr := t.finished(r)
			if err = rerr; again {
				m.Wake()
			}
		case <-m.wake:
			timer.Reset(time.Until(last.Add(passGap)))
		case <-timer.C:
			err = t.pass(ctx)
			last = time.Now()
			timer.Reset(passInterval)
		}
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, dxf.ErrNotOwner):
			return err
		default:
			m.log.Warn("look at tasks", zap.Error(err))
		}
	}
}
