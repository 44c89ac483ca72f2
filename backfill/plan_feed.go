package backfill

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

var (
	errInvisible = errors.New("transactions before the changefeed's start are not visible yet")
	errUndecided = errors.New("an XA transaction that has used the table is prepared and undecided (XA RECOVER)")
)

// startFeed begins the feed at the end of the binlog. A transaction is in the
// binlog before it can be read, so the copy may begin only when a snapshot has
// been seen that is as new: what a copier cannot see later comes by the feed.
// That of a prepared XA transaction may never come; it has to be decided first, unless
// it has not used the table. Until then the job waits, and the table for nobody.
// One that is just being prepared is in the binlog before XA RECOVER knows it,
// and one that is decided leaves XA RECOVER after it was written to the binlog:
// hence a snapshot before the look and another one after it.
//
// MySQL tells no position of a snapshot, but its transactions become visible in
// the order of the binlog (binlog_order_commits): when a commit of ours has come
// back, so has all that was in the binlog before. It is the feed's own row that we
// commit, as often as there is something to wait for.
func (p *Planner) startFeed(ctx context.Context, s *server.Session, m Meta) error {
	start, err := server.BinlogEnd(ctx, s)
	if err != nil {
		return err
	}
	visible := func(to server.Position) error { return p.visible(ctx, s, to) }
	if s.Family == server.MySQL {
		visible = func(server.Position) error { return p.writeFeed(ctx, s, m, start) }
	}
	if err := visible(start); err != nil {
		return err
	}
	if err := p.decided(ctx, s, m); err != nil {
		return err
	}
	end, err := server.BinlogEnd(ctx, s)
	if err != nil {
		return err
	}
	if err := visible(end); err != nil {
		return err
	}
	return p.writeFeed(ctx, s, m, start)
}

const (
	// lookPause is the time between two looks of planning at the server.
	lookPause = 20 * time.Millisecond
	// visibleLimit is how long one turn of planning waits for transactions that
	// are in the binlog and not yet visible: for a replica's receipt, as a rule.
	visibleLimit = 30 * time.Second
	// undecidedLimit is how long planning waits for prepared XA transactions.
	undecidedLimit = 5 * time.Second
	// noteAfter: shorter waits are not worth a note.
	noteAfter = 500 * time.Millisecond
)

// look looks until there is nothing to wait for; ok is false when limit has passed.
func (p *Planner) look(ctx context.Context, limit time.Duration, waiting string, done func() (bool, error)) (ok bool, err error) {
	noted := false
	for start := time.Now(); ; {
		if ok, err = done(); ok || err != nil {
			break
		}
		if time.Since(start) > limit {
			break
		}
		if !noted && time.Since(start) > noteAfter {
			noted = true
			if err := p.Waiting(waiting); err != nil {
				return false, err
			}
		}
		if dxf.Sleep(ctx, lookPause) != nil {
			return false, context.Cause(ctx)
		}
	}
	if noted && err == nil {
		err = p.Waiting("")
	}
	return ok, err
}

// visible waits until all that is in front of a position can be read.
func (p *Planner) visible(ctx context.Context, s *server.Session, to server.Position) error {
	const waiting = "planning waits for transactions that are written to the binlog and not yet visible"
	ok, err := p.look(ctx, visibleLimit, waiting, func() (bool, error) {
		seen, err := server.SnapshotPosition(ctx, s)
		return err == nil && !seen.Before(to), err
	})
	if err == nil && !ok {
		err = errInvisible
	}
	return err
}

// decided waits until the XA transactions that are prepared now are not any more, or
// none of them has used the table; those that come later are in the feed with all that
// they did.
func (p *Planner) decided(ctx context.Context, s *server.Session, m Meta) error {
	undecided, err := server.Prepared(ctx, s)
	if err != nil || len(undecided) == 0 {
		return err
	}
	probe, err := table.OpenProbe(ctx, p.DB)
	if err != nil {
		return err
	}
	defer probe.Close()
	ok, err := p.look(ctx, undecidedLimit, "planning waits for a prepared XA transaction (XA RECOVER)", func() (bool, error) {
		if free, _, err := probe.Free(ctx, m.Schema, m.Table); err != nil || free {
			return free, err
		}
		now, err := server.Prepared(ctx, s)
		if err != nil {
			return false, err
		}
		undecided = slices.DeleteFunc(undecided, func(x string) bool { return !slices.Contains(now, x) })
		return len(undecided) == 0, nil
	})
	if err == nil && !ok {
		err = errUndecided
	}
	return err
}

func (p *Planner) writeFeed(ctx context.Context, s *server.Session, m Meta, from server.Position) error {
	identity, err := server.Identify(ctx, s) // the server of this position: a session is with one
	if err != nil {
		return err
	}
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	err = p.store.StartFeed(ctx, tx, dxf.Feed{
		JobID: m.JobID, Schema: m.Schema, Table: m.Table, Shadow: m.Shadow, Mode: dxf.FeedMerge,
		Server: identity.String(), File: from.File, Pos: from.Pos,
	})
	if err != nil {
		return fmt.Errorf("start the changefeed: %w", err)
	}
	return tx.Commit()
}
