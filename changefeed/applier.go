package changefeed

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

const (
	// pausedPoll is how often a paused applier looks whether it may go on, when nobody
	// wakes it.
	pausedPoll = 100 * time.Millisecond
	// serverPoll is how often it asks whether the store is still the same server.
	serverPoll = 3 * time.Second
	// firstBackoff and maxBackoff bound the wait after errors that may pass.
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 3 * time.Second
	// releaseLimit is how long a node that stops may take to give a lease up.
	releaseLimit = 2 * time.Second
)

// An applier is this node's work on one feed, from claim to the end of the lease.
type applier struct {
	m        *Manager
	db       *sql.DB
	lease    *lease
	log      *zap.Logger
	counters *counters

	backoff  time.Duration
	restarts int       // since the last committed window
	asked    time.Time // who the store is, while paused
}

func newApplier(m *Manager, db *sql.DB, f dxf.Feed, begun time.Time) *applier {
	a := &applier{
		m: m, db: db, lease: newLease(m.store, f, begun), counters: &counters{},
		log: m.cfg.Logger.With(zap.Int64("job", f.JobID), zap.Int64("epoch", f.Epoch)),
	}
	a.counters.s = Status{JobID: f.JobID, Schema: f.Schema, Table: f.Table, Mode: f.Mode, File: f.File, Pos: f.Pos}
	return a
}

// run works until the feed is sealed, failed or gone, the lease is lost, or the
// node stops.
func (a *applier) run(node context.Context) {
	f := a.lease.feed()
	a.log.Info("changefeed claimed", zap.String("table", f.Schema+"."+f.Table), zap.String("mode", string(f.Mode)),
		zap.String("file", f.File), zap.Uint32("pos", f.Pos))
	ctx, lost := context.WithCancelCause(node)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		a.lease.keep(ctx, lost)
	}()
	err := a.loop(ctx)
	lost(nil)
	<-kept
	if errors.Is(err, dxf.ErrLeaseLost) || errors.Is(err, dxf.ErrNotFound) {
		a.log.Info("changefeed left", zap.Error(err))
		return
	}
	// Sealed, or the node stops: another applier may follow at once.
	out, cancel := context.WithTimeout(context.WithoutCancel(node), releaseLimit)
	defer cancel()
	if err := a.m.store.ReleaseFeed(out, a.lease.feed()); err != nil && !errors.Is(err, dxf.ErrLeaseLost) && !errors.Is(err, dxf.ErrNotFound) {
		a.log.Warn("give a changefeed up", zap.Error(err))
	}
	a.log.Info("changefeed left", zap.String("mode", string(a.lease.feed().Mode)))
}

// loop runs the feed in the mode its row says. It returns nil when there is
// nothing more to do, else why the lease is over.
func (a *applier) loop(ctx context.Context) error {
	for news := a.m.woken(); ; {
		f := a.lease.feed()
		a.counters.update(func(s *Status) { s.Mode, s.LagAt = f.Mode, f.LagAt })
		var err error
		switch f.Mode {
		case dxf.FeedSealed, dxf.FeedFailed:
			return nil
		case dxf.FeedPaused:
			if time.Since(a.asked) > serverPoll {
				_, err = sameServer(ctx, a.db, f)
				a.asked = time.Now()
			}
			select {
			case <-news:
			case <-time.After(pausedPoll):
			case <-ctx.Done():
			}
		default:
			err = a.follow(ctx, f)
		}
		if ctx.Err() != nil {
			return over(ctx)
		}
		if err != nil && !errors.Is(err, dxf.ErrLeaseLost) {
			if e := fatal(f.JobID, err); e != nil {
				return a.fail(ctx, e)
			}
			if a.restarts++; givesUp(err, a.restarts) {
				return a.fail(ctx, dxf.Errorf("changefeed of job %d: %v", f.JobID, err))
			}
			a.log.Warn("changefeed interrupted", zap.Error(err))
			a.counters.update(func(s *Status) { s.Restarts++; s.LastError = err.Error() })
			a.backoff = min(max(2*a.backoff, firstBackoff), maxBackoff)
			_ = dxf.Sleep(ctx, a.backoff)
		}
		// The row decides how to go on: the position it has is the one from
		// which nothing is applied twice, and the mode may be another one.
		for {
			news = a.m.woken() // whoever calls from now on may have changed the row after we read it
			_, err := a.lease.renew(ctx)
			if err == nil {
				break
			}
			if errors.Is(err, dxf.ErrLeaseLost) || errors.Is(err, dxf.ErrNotFound) {
				return err
			}
			if dxf.Sleep(ctx, firstBackoff) != nil {
				return over(ctx)
			}
		}
	}
}

// over tells a stopping node (nil) from a lease that is lost.
func over(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, dxf.ErrLeaseLost) || errors.Is(cause, dxf.ErrNotFound) {
		return cause
	}
	return nil
}

// fail writes down why the feed cannot go on, however often it takes: nobody
// would learn of it otherwise.
func (a *applier) fail(ctx context.Context, e *dxf.Error) error {
	a.log.Error("changefeed failed", zap.String("error", e.Error()))
	a.counters.update(func(s *Status) { s.LastError = e.Error() })
	for {
		err := a.m.store.FailFeed(ctx, a.lease.feed(), e)
		if err == nil {
			a.counters.update(func(s *Status) { s.Mode = dxf.FeedFailed })
			return nil
		}
		if errors.Is(err, dxf.ErrLeaseLost) || errors.Is(err, dxf.ErrNotFound) {
			return err
		}
		if dxf.Sleep(ctx, firstBackoff) != nil {
			return over(ctx)
		}
	}
}
