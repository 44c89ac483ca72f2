package backfill

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

const (
	sealLimit = 2 * time.Second // for the last changes to reach the shadow
	lagLimit  = 500 * time.Millisecond
	// lagTrips is how many ways to the store and back a marker takes through a feed that
	// is not behind at all: there, to the applier, into the store with all statements of a
	// window one by one, and to who has asked.
	lagTrips = 10
)

// cutover gives the shadow the table's name when the changefeed has applied the
// last change, which it has only while the table is locked.
func (r *run) cutover(ctx context.Context) error {
	err := r.ExchangeNames(ctx, executor.Exchange{
		New: r.meta.Shadow, Old: r.meta.Old, Fingerprint: r.meta.Fingerprint, TableID: r.meta.TableID,
		Lock: table.JobLock(r.meta.JobID), Mark: table.JobMark(r.meta.JobID), Name: "cut-over", SetsCounter: table.SetsCounter(r.meta.Changes),
		Batches: r.store.Batches(), Gates: r.gates, Seal: r.seal, Unseal: r.sendOn,
	})
	if err == nil {
		r.Summary.RowCount = r.meta.Rows
	}
	return err
}

// gates are the conditions under which an attempt is worth the clients' while.
func (r *run) gates(ctx context.Context, s *executor.Attempt) (why string, err error) {
	if err := r.sendOn(ctx); err != nil { // an earlier attempt sealed it
		return "", err
	}
	f, err := r.feed(ctx)
	if err != nil {
		return "", err
	}
	var all errgroup.Group
	all.Go(func() error {
		if err := r.sameServer(ctx, s.Locker, f); err != nil {
			return err
		}
		return s.Exchangeable(ctx)
	})
	all.Go(func() error { return r.sameServer(ctx, s.Renamer, f) })
	all.Go(func() error {
		start := time.Now()
		ok, err := r.sync(ctx, 5*time.Second)
		if took := time.Since(start); err == nil && (!ok || took > lagLimit+lagTrips*s.Trip) {
			why = fmt.Sprintf("waits for the changefeed, which is %s behind", took.Round(100*time.Millisecond))
		}
		return err
	})
	if err := all.Wait(); err != nil || why != "" {
		return why, err
	}
	return s.Settled(ctx)
}

// sameServer refuses a session with another server than that whose binlog the
// changefeed reads: after a failover the rows that were copied and those that are
// here may be of different moments.
func (r *run) sameServer(ctx context.Context, s *server.Session, f dxf.Feed) error {
	if f.Server == "" {
		return nil
	}
	is, err := server.Identify(ctx, s)
	if err == nil && is.String() != f.Server {
		err = dxf.ServerChanged(r.meta.JobID, f.Server, is.String())
	}
	return err
}

// seal stops the changefeed after the last change. Only the acknowledgement of
// this very marker counts: an earlier attempt's may have stopped the feed
// before the table was locked.
func (r *run) seal(ctx context.Context, s *executor.Attempt) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sealLimit+time.Second) // answers included
	defer cancel()
	id, err := r.store.Mark(ctx, r.meta.JobID, dxf.MarkSeal)
	if err != nil {
		return "", fmt.Errorf("mark the changefeed: %w", err)
	}
	for start := time.Now(); ; {
		// A look that comes a moment too early costs one way more.
		if err := dxf.Sleep(ctx, max(time.Millisecond, s.Trip/10)); err != nil {
			return "", err
		}
		ok, err := r.store.Marked(ctx, r.meta.JobID, id)
		if err != nil {
			return "", err
		}
		if ok {
			break
		}
		if err := s.Alive(ctx); err != nil {
			return "", fmt.Errorf("keep the lock: %w", err)
		}
		if time.Since(start) > sealLimit {
			return "gave up because the changefeed was behind; tries again", nil
		}
	}
	return "", nil
}
