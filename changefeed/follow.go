package changefeed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// idleCommit is how often the position moves on when other tables fill the
// binlog. Our own commits of it are in the binlog too, and do not count.
const idleCommit = 5 * time.Second

// windowBytes ends a window by its size.
const windowBytes = 8 << 20

// A follower applies the stream of one feed in one mode, from the position in the
// feed's row, until that mode ends.
type follower struct {
	a      *applier
	feed   dxf.Feed // File and Pos: what is committed
	reader *reader
	lanes  *lanes

	rest      <-chan time.Time // every sessionIdle, whatever is read: not all of it is applied
	back      *group           // read, but for the next window
	committed time.Time
}

// follow returns nil when the mode has changed. The position in the row is the
// truth after every error.
func (a *applier) follow(ctx context.Context, f dxf.Feed) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Before all that a replica may not have yet.
	if _, err := sameServer(ctx, a.db, f); err != nil {
		return err
	}
	source, err := table.Load(ctx, a.db, f.Schema, f.Table)
	if errors.Is(err, table.ErrNoTable) {
		return dxf.SchemaChanged(err.Error())
	}
	if err != nil {
		return err
	}
	shadow, err := table.Load(ctx, a.db, f.Schema, f.Shadow)
	if err != nil {
		return err
	}
	l, err := newLayout(source, shadow)
	if changed := (*dxf.Error)(nil); errors.As(err, &changed) {
		return changed
	}
	if err != nil {
		return dxf.Errorf("changefeed of job %d: %v", f.JobID, err)
	}
	var lower int
	if err := a.db.QueryRowContext(ctx, "SELECT @@lower_case_table_names").Scan(&lower); err != nil {
		return fmt.Errorf("read lower_case_table_names: %w", err)
	}
	cfg := a.m.cfg
	limit := cfg.Lanes
	if slices.ContainsFunc(shadow.Keys, func(k table.Key) bool { return k.Checked }) {
		limit = 1
	}
	w, err := openLanes(ctx, limit, a.log, func(ctx context.Context) (*writer, error) { return openWriter(ctx, a.db, f, l, a.m.store, a.log) })
	if err != nil {
		return err
	}
	defer w.close(ctx)
	g := &grouper{
		job: f.JobID, layout: l, meta: cfg.MetaSchema, server: w.first().server.ID,
		names: names{schema: f.Schema, table: f.Table, fold: lower != 0},
		own:   func(schema, table string) bool { return schema == cfg.MetaSchema && table == "changefeed" },
		piece: cfg.MaxBytes / 4, limit: cfg.MaxBytes,
	}
	g.reach.ask = a.askStore(ctx, g.names)
	r, err := openReader(ctx, a.m.dsn, w.first().session.Family, serverID(cfg.MetaSchema, f.JobID), g,
		position{server.Position{File: f.File, Pos: f.Pos}, f.FileMark}, cfg.MaxBytes)
	if err != nil {
		return err
	}
	defer r.close()
	return (&follower{a: a, feed: f, reader: r, lanes: w, rest: time.Tick(sessionIdle), committed: time.Now()}).run(ctx)
}

func (fo *follower) run(ctx context.Context) error {
	for {
		g, err := fo.next(ctx)
		if err != nil {
			return err
		}
		switch {
		case g.partial:
			err = fo.large(ctx, g)
		case len(g.changes) == 0 && len(g.markers) == 0 && fo.feed.WindowFile == "":
			err = fo.idle(ctx, g)
		default:
			var win *window
			if win, err = fo.collect(ctx, g); err == nil {
				err = fo.apply(ctx, win)
			}
		}
		if err != nil {
			return err
		}
		if fo.feed.Mode == dxf.FeedPaused || fo.feed.Mode == dxf.FeedSealed {
			return nil
		}
	}
}

// next waits for a group.
func (fo *follower) next(ctx context.Context) (group, error) {
	if g := fo.back; g != nil {
		fo.back = nil
		return *g, g.err
	}
	for {
		select {
		case g := <-fo.reader.groups:
			return g, g.err
		case <-fo.rest:
			if err := fo.lanes.rest(ctx); err != nil {
				return group{}, err
			}
		case <-ctx.Done():
			return group{}, ctx.Err()
		}
	}
}

// collect fills a window, beginning with g.
func (fo *follower) collect(ctx context.Context, g group) (*window, error) {
	cfg := fo.a.m.cfg
	win := newWindow()
	win.add(g)
	for {
		_, stops := win.stops()
		if win.undecided && (stops || fo.feed.Mode == dxf.FeedStrict) {
			// The position cannot move to the window's end, and nothing may be
			// applied that would be read again: wait for the decision. The
			// reader's budget is for what it reads ahead; this is on top.
			fo.release(win)
			if win.size > cfg.MaxBytes {
				return nil, dxf.Errorf("an XA transaction on table %s.%s is prepared and undecided, and more than %d MiB of changes wait for it: "+
					"commit it or roll it back (XA RECOVER), then run the statement again",
					fo.feed.Schema, fo.feed.Table, cfg.MaxBytes>>20)
			}
			g, err := fo.next(ctx)
			if err != nil {
				return nil, err
			}
			if g.partial {
				return nil, dxf.Errorf("a transaction with more than %d MiB of changes of table %s.%s "+
					"came while an XA transaction on it was prepared and undecided; run the statement again",
					cfg.MaxBytes/4>>20, fo.feed.Schema, fo.feed.Table)
			}
			win.add(g)
			continue
		}
		if win.end.Before(server.Position{File: fo.feed.WindowFile, Pos: fo.feed.WindowPos}) {
			g, err := fo.next(ctx)
			if err != nil {
				return nil, err
			}
			if g.partial {
				return nil, fo.unfinished()
			}
			win.add(g)
			continue
		}
		win.full = win.changes >= int64(cfg.WindowChanges) || win.size >= windowBytes
		if win.full || len(win.markers) > 0 || time.Since(win.began) > cfg.WindowTime {
			return win, nil
		}
		select {
		case g := <-fo.reader.groups:
			if g.err != nil || g.partial || g.broken {
				fo.back = &g // after this window
				return win, nil
			}
			win.add(g)
		default:
			return win, nil
		}
	}
}

// apply writes a window and moves the position.
func (fo *follower) apply(ctx context.Context, win *window) error {
	mode, stops := win.stops()
	if !stops {
		mode = fo.feed.Mode
	}
	c := dxf.FeedCommit{File: win.safe.File, Pos: win.safe.Pos, Mark: win.safe.mark, Applied: win.changes, Mode: mode,
		Markers: win.markerIDs()}
	if err := fo.lanes.apply(ctx, fo.feed, win, c); err != nil {
		return err
	}
	fo.release(win)
	fo.moved(c)
	return nil
}

// idle moves the position over transactions that are nothing to the feed, now
// and then.
func (fo *follower) idle(ctx context.Context, g group) error {
	fo.reader.release(g)
	if time.Since(fo.committed) < idleCommit || g.safe.Position == (server.Position{File: fo.feed.File, Pos: fo.feed.Pos}) {
		return nil
	}
	win := newWindow()
	win.add(group{end: g.end, safe: g.safe, undecided: g.undecided})
	return fo.apply(ctx, win)
}

// large applies a transaction that comes in pieces. In merge mode each piece is
// a transaction of its own, with the position in front of all of them: a repeated
// piece does no harm. In strict mode all pieces are written in one transaction.
func (fo *follower) large(ctx context.Context, g group) error {
	if fo.feed.WindowFile != "" {
		return fo.unfinished()
	}
	strict, writer := fo.feed.Mode == dxf.FeedStrict, fo.lanes.first()
	stay := dxf.FeedCommit{File: fo.feed.File, Pos: fo.feed.Pos, Mark: fo.feed.FileMark, Mode: fo.feed.Mode}
	tx, err := writer.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { tx.Rollback() }()
	var applied int64
	for {
		win := newWindow()
		win.add(g)
		if g.broken {
			if !strict {
				return dxf.Errorf("a transaction with more than %d MiB of changes of table %s.%s was rolled back in the binlog, "+
					"which cannot be followed; run the statement again",
					fo.a.m.cfg.MaxBytes/4>>20, fo.feed.Schema, fo.feed.Table)
			}
			_ = tx.Rollback()
			if tx, err = writer.begin(ctx); err != nil {
				return err
			}
			applied = 0
		}
		if err := writer.write(ctx, tx, fo.feed, win.effect(fo.feed)); err != nil {
			return err
		}
		applied += win.changes
		fo.release(win)
		if !g.partial {
			if win.undecided && strict {
				return dxf.Errorf("a transaction with more than %d MiB of changes of table %s.%s "+
					"came while an XA transaction on it was prepared and undecided; run the statement again",
					fo.a.m.cfg.MaxBytes/4>>20, fo.feed.Schema, fo.feed.Table)
			}
			c := dxf.FeedCommit{File: win.safe.File, Pos: win.safe.Pos, Mark: win.safe.mark, Applied: applied, Mode: fo.feed.Mode,
				Markers: win.markerIDs()}
			if err := writer.save(ctx, tx, fo.feed, c); err != nil {
				return err
			}
			if err := commit(tx); err != nil {
				return err
			}
			fo.moved(c)
			return nil
		}
		if !strict {
			stay.Applied, applied = applied, 0
			if err := writer.save(ctx, tx, fo.feed, stay); err != nil {
				return err
			}
			if err := commit(tx); err != nil {
				return err
			}
			fo.moved(stay)
			if tx, err = writer.begin(ctx); err != nil {
				return err
			}
		}
		if g, err = fo.next(ctx); err != nil {
			return err
		}
	}
}

// unfinished is for what cannot be: a window has no transactions that come in
// pieces.
func (fo *follower) unfinished() error {
	return dxf.Errorf("the changefeed of table %s.%s (job %d) stopped in a window up to %s:%d and does not find it again; "+
		"run the statement again",
		fo.feed.Schema, fo.feed.Table, fo.feed.JobID, fo.feed.WindowFile, fo.feed.WindowPos)
}

// release gives the memory of a window's groups back to the reader.
func (fo *follower) release(win *window) {
	for _, g := range win.groups {
		fo.reader.release(g)
	}
	win.groups = nil
}

// moved takes note of what was committed.
func (fo *follower) moved(c dxf.FeedCommit) {
	fo.feed.File, fo.feed.Pos, fo.feed.FileMark, fo.feed.Mode = c.File, c.Pos, c.Mark, c.Mode
	fo.feed.WindowFile, fo.feed.WindowPos = "", 0
	fo.committed = time.Now()
	fo.a.backoff, fo.a.restarts = 0, 0
	fo.a.counters.update(func(s *Status) {
		s.File, s.Pos, s.Mode = c.File, c.Pos, c.Mode
		s.Applied += c.Applied
		s.Windows++
	})
}
