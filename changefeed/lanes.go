package changefeed

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
)

// lanes are the sessions a feed is applied on: as a rule one, and all of them side
// by side when a window is full, which means that more is waiting. Whoever writes
// to the table on many sessions would else outrun it for good.
type lanes struct {
	all  []*writer
	more int // that may still be opened
	open func(ctx context.Context) (*writer, error)
}

func openLanes(ctx context.Context, limit int, open func(ctx context.Context) (*writer, error)) (*lanes, error) {
	first, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &lanes{all: []*writer{first}, more: limit - 1, open: open}, nil
}

func (l *lanes) close() {
	for _, w := range l.all {
		w.close()
	}
}

func (l *lanes) first() *writer { return l.all[0] }

// apply writes a window and moves the position.
func (l *lanes) apply(ctx context.Context, f dxf.Feed, win *window, c dxf.FeedCommit) error {
	e := win.effect(f)
	if !win.full || len(l.all)+l.more == 1 || f.WindowFile != "" {
		return l.first().transaction(ctx, func(tx *sql.Tx) error {
			if err := l.first().write(ctx, tx, f, e); err != nil {
				return err
			}
			return l.first().save(ctx, tx, f, c)
		})
	}
	return l.spread(ctx, f, e, win.last, c)
}

// spread applies a window in several transactions: the removals side by side, then
// the images side by side, then the position. Within each of the three no two
// statements mean the same row, nor the same value of a unique index, so their order
// does not matter. In merge mode all of it may be repeated; in strict mode whoever
// comes after a part of it is told where the window ended, and has to begin with all
// of it in one transaction.
func (l *lanes) spread(ctx context.Context, f dxf.Feed, e effect, end position, c dxf.FeedCommit) error {
	for ; l.more > 0; l.more-- {
		w, err := l.open(ctx)
		if err != nil {
			return err
		}
		l.all = append(l.all, w)
	}
	if f.Mode == dxf.FeedStrict {
		if err := l.first().store.OpenWindow(ctx, f, end.file, end.pos); err != nil {
			return fmt.Errorf("open a window of changefeed %d: %w", f.JobID, err)
		}
		f.WindowFile, f.WindowPos = end.file, end.pos
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
