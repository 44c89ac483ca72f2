package changefeed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
)

const (
	// sessionIdle is how long a session may stand still. On MySQL the server closes
	// it after 10 s (see settings).
	sessionIdle = 5 * time.Second
	// openAgain is how long a feed makes do with the sessions it has when the store
	// gave it no more.
	openAgain = 10 * time.Second
)

// lanes are the sessions a feed is applied on: as a rule one, and all of them side
// by side when a window is full, which means that more is waiting. Whoever writes
// to the table on many sessions would else outrun it for good.
type lanes struct {
	all     []*writer // one at least
	limit   int
	open    func(ctx context.Context) (*writer, error)
	used    time.Time // when all of them were, last
	refused time.Time // when one could not be opened, last
	log     *zap.Logger
}

func openLanes(ctx context.Context, limit int, log *zap.Logger, open func(ctx context.Context) (*writer, error)) (*lanes, error) {
	first, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &lanes{all: []*writer{first}, limit: limit, open: open, log: log}, nil
}

func (l *lanes) close(ctx context.Context) {
	for _, w := range l.all {
		w.session.End(ctx)
	}
}

func (l *lanes) first() *writer { return l.all[0] }

// grow opens what is missing. A store that is crowded may refuse it, and is no
// better off when the feed stops for that.
func (l *lanes) grow(ctx context.Context) {
	for len(l.all) < l.limit && time.Since(l.refused) > openAgain {
		w, err := l.open(ctx)
		if err != nil {
			l.refused = time.Now()
			l.log.Warn("open one more session of a changefeed that is behind", zap.Int("sessions", len(l.all)), zap.Error(err))
			return
		}
		l.all = append(l.all, w)
	}
	l.used = time.Now()
}

// shrink closes what was not needed for a while.
func (l *lanes) shrink() {
	if len(l.all) == 1 || time.Since(l.used) < sessionIdle {
		return
	}
	for _, w := range l.all[1:] {
		w.close()
	}
	l.all = l.all[:1]
}

// rest is called every sessionIdle between windows. Small windows do not use every
// session.
func (l *lanes) rest(ctx context.Context) error {
	l.shrink()
	for _, w := range l.all {
		if err := w.session.PingContext(ctx); err != nil {
			return fmt.Errorf("keep the session of a changefeed: %w", err)
		}
	}
	return nil
}

// apply writes a window and moves the position.
func (l *lanes) apply(ctx context.Context, f dxf.Feed, win *window, c dxf.FeedCommit) error {
	e := win.effect(f)
	if win.full && f.WindowFile == "" {
		if l.grow(ctx); len(l.all) > 1 {
			return l.spread(ctx, f, e, win.last, c)
		}
	}
	l.shrink()
	w := l.first()
	if done, err := w.atOnce(ctx, f, e, c); done || err != nil {
		return err
	}
	return w.transaction(ctx, func(tx *sql.Tx) error {
		if err := w.write(ctx, tx, f, e); err != nil {
			return err
		}
		return w.save(ctx, tx, f, c)
	})
}

// spread applies a window in several transactions: the removals side by side, then
// the images side by side, then the position. Within each of the three no two
// statements mean the same row, nor the same value of a unique index, so their order
// does not matter. In merge mode all of it may be repeated; in strict mode whoever
// comes after a part of it is told where the window ended, and has to begin with all
// of it in one transaction.
func (l *lanes) spread(ctx context.Context, f dxf.Feed, e effect, end position, c dxf.FeedCommit) error {
	if f.Mode == dxf.FeedStrict {
		if err := l.first().store.OpenWindow(ctx, f, end.File, end.Pos); err != nil {
			return fmt.Errorf("open a window of changefeed %d: %w", f.JobID, err)
		}
		f.WindowFile, f.WindowPos = end.File, end.Pos
	}
	err := l.each(ctx, f, e.gone, func(w *writer, tx *sql.Tx, part []*fate) error {
		return w.remove(ctx, tx, f, part, e.counted)
	})
	if err != nil {
		return err
	}
	err = l.each(ctx, f, e.images, func(w *writer, tx *sql.Tx, part []*fate) error {
		return w.insert(ctx, tx, f, part)
	})
	if err != nil {
		return err
	}
	return l.first().transaction(ctx, func(tx *sql.Tx) error { return l.first().save(ctx, tx, f, c) })
}

// each deals out fates in runs, because neighbours are often on one page.
func (l *lanes) each(ctx context.Context, f dxf.Feed, fates []*fate, do func(w *writer, tx *sql.Tx, part []*fate) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, w := range l.all {
		part := fates[len(fates)*i/len(l.all) : len(fates)*(i+1)/len(l.all)]
		if len(part) == 0 {
			continue
		}
		g.Go(func() error {
			return w.transaction(ctx, func(tx *sql.Tx) error {
				if err := do(w, tx, part); err != nil {
					return err
				}
				if err := w.store.FenceFeed(ctx, tx, f); err != nil {
					return fmt.Errorf("fence a window of changefeed %d: %w", f.JobID, err)
				}
				return nil
			})
		})
	}
	return g.Wait()
}
