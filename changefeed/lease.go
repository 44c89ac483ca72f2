package changefeed

import (
	"context"
	"errors"
	"sync"
	"time"

	"dxfproxy/dxf"
)

// trustMargin is how long before the end of its lease an applier stops believing
// in it.
const trustMargin = time.Second

// A lease is an applier's claim, kept alive in the background.
type lease struct {
	store Store

	turn    sync.Mutex // of renewals, so that row is the last one's
	mu      sync.Mutex
	row     dxf.Feed  // as of the last renewal
	trusted time.Time // by our clock: begin of the last renewal + lease - margin
}

func newLease(store Store, row dxf.Feed, begun time.Time) *lease {
	return &lease{store: store, row: row, trusted: begun.Add(dxf.FeedLease - trustMargin)}
}

func (l *lease) feed() dxf.Feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.row
}

func (l *lease) deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trusted
}

// renew renews and returns the row as it is now.
func (l *lease) renew(ctx context.Context) (dxf.Feed, error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	ctx, cancel := context.WithDeadline(ctx, l.deadline())
	defer cancel()
	begun := time.Now()
	row, err := l.store.RenewFeed(ctx, l.feed())
	if err != nil {
		return dxf.Feed{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row = row
	if t := begun.Add(dxf.FeedLease - trustMargin); t.After(l.trusted) {
		l.trusted = t
	}
	return row, nil
}

// keep renews until ctx is done, and cancels it when the lease is over.
func (l *lease) keep(ctx context.Context, lost context.CancelCauseFunc) {
	pause := dxf.RenewInterval
	for dxf.Sleep(ctx, pause) == nil {
		pause = dxf.RenewInterval
		_, err := l.renew(ctx)
		switch {
		case err == nil:
		case errors.Is(err, dxf.ErrLeaseLost), errors.Is(err, dxf.ErrNotFound):
			lost(err)
			return
		case !time.Now().Before(l.deadline()):
			lost(dxf.ErrLeaseLost)
			return
		default:
			// The store did not answer. Ask again soon, but never sleep past the
			// end of the trust.
			pause = min(500*time.Millisecond, max(time.Until(l.deadline()), time.Millisecond))
		}
	}
}
