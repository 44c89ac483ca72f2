package executor

import (
	"context"
	"fmt"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/table"
)

const (
	sealLimit = 2 * time.Second // for the last changes to reach the shadow
	lagLimit  = 500 * time.Millisecond
)

// cutover gives the shadow the table's name when the changefeed has applied the
// last change, which it has only while the table is locked.
func (r *run) cutover(ctx context.Context) error {
	err := r.exchange(ctx, trade{
		fresh: r.meta.Shadow, old: r.meta.Old, fingerprint: r.meta.Fingerprint, id: r.meta.TableID,
		lock: table.JobLock(r.meta.JobID), mark: table.JobMark(r.meta.JobID), verb: "cut-over", recounted: table.SetsCounter(r.meta.Changes),
		gates: r.gates, seal: r.seal, unseal: r.sendOn,
	})
	if err == nil {
		r.sum.RowCount = r.meta.Rows
	}
	return err
}

// gates are the conditions under which an attempt is worth the clients' while.
func (r *run) gates(ctx context.Context, s *swap) (why string, err error) {
	if err := r.sendOn(ctx); err != nil { // an earlier attempt sealed it
		return "", err
	}
	for _, session := range []*table.Session{s.a, s.c} {
		if err := r.sameServer(ctx, session); err != nil {
			return "", err
		}
	}
	if err := s.unchanged(ctx); err != nil {
		return "", err
	}
	start := time.Now()
	ok, err := r.sync(ctx, 5*time.Second)
	if err != nil {
		return "", err
	}
	if took := time.Since(start); !ok || took > lagLimit {
		return fmt.Sprintf("waits for the changefeed, which is %s behind", took.Round(100*time.Millisecond)), nil
	}
	return s.settled(ctx)
}

// sameServer refuses a session with another server than that whose binlog the
// changefeed reads: after a failover the rows that were copied and those that are
// here may be of different moments.
func (r *run) sameServer(ctx context.Context, s *table.Session) error {
	f, err := r.feed(ctx)
	if err != nil || f.Server == "" {
		return err
	}
	is, err := table.ServerOf(ctx, s)
	if err == nil && is.String() != f.Server {
		err = dxf.ServerChanged(r.meta.JobID, f.Server, is.String())
	}
	return err
}

// seal stops the changefeed after the last change. Only the acknowledgement of
// this very marker counts: an earlier attempt's may have stopped the feed
// before the table was locked.
func (r *run) seal(ctx context.Context, s *swap) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sealLimit+time.Second) // answers included
	defer cancel()
	id, err := r.store.Mark(ctx, r.meta.JobID, dxf.MarkSeal)
	if err != nil {
		return "", fmt.Errorf("mark the changefeed: %w", err)
	}
	for start := time.Now(); ; {
		ok, err := r.store.Marked(ctx, r.meta.JobID, id)
		if err != nil {
			return "", err
		}
		if ok {
			break
		}
		if err := s.alive(ctx); err != nil {
			return "", fmt.Errorf("keep the lock: %w", err)
		}
		if time.Since(start) > sealLimit {
			return "gave up because the changefeed was behind; tries again", nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", s.autoIncrement(ctx)
}
