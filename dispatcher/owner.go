package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

const (
	// campaignInterval and half a second of jitter: a dead owner is replaced
	// within dxf.OwnerLease + 2.5 s, and a clean resignation is used in 2.5 s.
	campaignInterval = 2 * time.Second
	campaignJitter   = 500 * time.Millisecond
	// renewRetry is short, because a renewal that failed has used up part of
	// the time this node may trust itself.
	renewRetry = 500 * time.Millisecond
	// trustMargin is how much earlier than its lease an owner steps down: time
	// for the work under its term to notice.
	trustMargin   = 2 * time.Second
	resignTimeout = 2 * time.Second
)

// An election makes this node owner whenever nobody else is.
type election struct {
	store TaskStore
	node  dxf.Node
	log   *zap.Logger
}

// newElection returns an election in which node is the candidate.
func newElection(store TaskStore, node dxf.Node, log *zap.Logger) *election {
	return &election{store: store, node: node, log: log.With(zap.String("node", node.ID))}
}

// Run campaigns and, each time this node is elected, calls lead with a context
// that ends as soon as the node stops being the owner; context.Cause tells
// why. The term is given up only when lead has returned. Run returns nil when
// ctx ends.
func (e *election) Run(ctx context.Context, lead func(ctx context.Context, t dxf.Term) error) error {
	for ctx.Err() == nil {
		term, trusted, ok := e.follow(ctx)
		if !ok {
			return nil
		}
		e.lead(ctx, term, trusted, lead)
	}
	return nil
}

// trust is until when an owner believes in a renewal that it began at start.
func trust(start time.Time) time.Time { return start.Add(dxf.OwnerLease - trustMargin) }

// follow campaigns until this node is elected. ok is false when ctx has ended.
func (e *election) follow(ctx context.Context) (term dxf.Term, trusted time.Time, ok bool) {
	var said string
	for {
		start := time.Now()
		attempt, cancel := context.WithDeadline(ctx, trust(start))
		term, err := e.store.Campaign(attempt, e.node)
		cancel()
		switch {
		case err == nil:
			return term, trust(start), true
		case ctx.Err() != nil:
			return dxf.Term{}, time.Time{}, false
		case !errors.Is(err, dxf.ErrNotOwner) && err.Error() != said:
			said = err.Error()
			e.log.Warn("campaign", zap.Error(err))
		}
		if dxf.Sleep(ctx, campaignInterval+rand.N(campaignJitter)) != nil {
			return dxf.Term{}, time.Time{}, false
		}
	}
}

// lead runs work under the term and renews the term until ctx ends, work
// returns, or the term is lost.
func (e *election) lead(ctx context.Context, term dxf.Term, trusted time.Time,
	work func(context.Context, dxf.Term) error,
) {
	log := e.log.With(zap.Int64("term", term.Number))
	log.Info("owner elected")

	owner, depose := context.WithCancelCause(ctx)
	defer depose(nil)
	// The deadline does not depend on a renewal returning: it may hang.
	deadline := time.AfterFunc(time.Until(trusted), func() {
		depose(fmt.Errorf("%w: the lease could not be renewed in time", dxf.ErrNotOwner))
	})
	defer deadline.Stop()

	done := make(chan error, 1)
	go func() { done <- work(owner, term) }()

	err, returned := e.renew(owner, term, deadline, done)
	depose(err)
	if !returned {
		<-done
	}
	if errors.Is(err, dxf.ErrNotOwner) {
		log.Warn("owner deposed", zap.Error(err))
		return
	}
	resign, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignTimeout)
	defer cancel()
	if rerr := e.store.Resign(resign, term); rerr != nil {
		log.Warn("resign", zap.Error(rerr))
		return
	}
	log.Info("owner resigned", zap.NamedError("reason", err))
}

// renew keeps the term until it is over and says why it is. returned tells
// that the work came to its end by itself.
func (e *election) renew(owner context.Context, term dxf.Term, deadline *time.Timer,
	done <-chan error,
) (err error, returned bool) {
	wait := time.NewTimer(dxf.RenewInterval)
	defer wait.Stop()
	for {
		select {
		case <-owner.Done():
			return context.Cause(owner), false
		case err := <-done:
			if err == nil {
				err = errors.New("nothing left to do as owner")
			}
			return err, true
		case <-wait.C:
		}
		start := time.Now()
		// A renewal that hangs leaves time for another one, over another connection.
		attempt, cancel := context.WithTimeout(owner, dxf.RenewInterval)
		err := e.store.Renew(attempt, term)
		cancel()
		switch {
		case owner.Err() != nil:
			return context.Cause(owner), false
		case err == nil:
			deadline.Reset(time.Until(trust(start)))
			wait.Reset(dxf.RenewInterval)
		case errors.Is(err, dxf.ErrNotOwner):
			return err, false
		default:
			e.log.Warn("renew owner lease", zap.Error(err))
			wait.Reset(renewRetry)
		}
	}
}
