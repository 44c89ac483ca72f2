package memstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"dxfproxy/dxf"
)

// StartFeed writes the feed's row and forgets the markers of an earlier
// attempt. tx must be nil.
func (s *Store) StartFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed) error {
	now, err := s.beginIn(ctx, tx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	epoch := now.UnixMicro() // so that epochs never repeat, not even after DropFeed
	if old := s.feeds[f.JobID]; old != nil {
		epoch = old.Epoch + 1
	}
	s.feeds[f.JobID] = &dxf.Feed{
		JobID: f.JobID, Schema: f.Schema, Table: f.Table, Shadow: f.Shadow, Mode: dxf.FeedMerge,
		Epoch: epoch, Server: f.Server, File: f.File, Pos: f.Pos, LagAt: now,
	}
	s.dropMarkers(f.JobID)
	return nil
}

// StopFeed ends the feed and keeps its row. tx must be nil.
func (s *Store) StopFeed(ctx context.Context, tx *sql.Tx, jobID int64) error {
	_, err := s.beginIn(ctx, tx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	if f := s.feeds[jobID]; f != nil {
		f.Mode, f.ExecID, f.Expires, f.Epoch = dxf.FeedSealed, "", time.Time{}, f.Epoch+1
	}
	return nil
}

// DropFeed removes the feed's row and its markers. tx must be nil.
func (s *Store) DropFeed(ctx context.Context, tx *sql.Tx, jobID int64) error {
	_, err := s.beginIn(ctx, tx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	delete(s.feeds, jobID)
	s.dropMarkers(jobID)
	return nil
}

func (s *Store) dropMarkers(jobID int64) {
	for id, m := range s.markers {
		if m.job == jobID {
			delete(s.markers, id)
		}
	}
}

// Feed returns a job's feed.
func (s *Store) Feed(ctx context.Context, jobID int64) (dxf.Feed, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return dxf.Feed{}, err
	}
	f := s.feeds[jobID]
	if f == nil {
		return dxf.Feed{}, dxf.ErrNotFound
	}
	return copyFeed(f), nil
}

// claimable says whether a feed wants an applier.
func claimable(f *dxf.Feed, now time.Time) bool {
	switch f.Mode {
	case dxf.FeedMerge, dxf.FeedPaused, dxf.FeedStrict:
		return f.ExecID == "" || !f.Expires.After(now)
	}
	return false
}

// Claimable lists the feeds that want an applier.
func (s *Store) Claimable(ctx context.Context) ([]dxf.Feed, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var feeds []dxf.Feed
	for _, id := range sortedIDs(s.feeds) {
		if f := s.feeds[id]; claimable(f, now) {
			feeds = append(feeds, copyFeed(f))
		}
	}
	return feeds, nil
}

// Claim takes a feed for a node.
func (s *Store) Claim(ctx context.Context, jobID int64, nodeID string) (dxf.Feed, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return dxf.Feed{}, err
	}
	f := s.feeds[jobID]
	if f == nil || !claimable(f, now) {
		return dxf.Feed{}, dxf.ErrLeaseLost
	}
	f.ExecID, f.Epoch, f.Expires = nodeID, f.Epoch+1, now.Add(dxf.FeedLease)
	return copyFeed(f), nil
}

// heldFeed returns the row of f if f's holder still is its holder.
func (s *Store) heldFeed(f dxf.Feed) (*dxf.Feed, error) {
	row := s.feeds[f.JobID]
	if row == nil || row.ExecID != f.ExecID || row.Epoch != f.Epoch {
		return nil, dxf.ErrLeaseLost
	}
	return row, nil
}

// asHolder does what only the feed's holder may do. tx must be nil.
func (s *Store) asHolder(ctx context.Context, tx *sql.Tx, f dxf.Feed, do func(row *dxf.Feed, now time.Time) error) error {
	now, err := s.beginIn(ctx, tx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	row, err := s.heldFeed(f)
	if err != nil {
		return err
	}
	return do(row, now)
}

// asApplier does what its holder may do only in f's mode.
func (s *Store) asApplier(ctx context.Context, tx *sql.Tx, f dxf.Feed, do func(row *dxf.Feed, now time.Time) error) error {
	return s.asHolder(ctx, tx, f, func(row *dxf.Feed, now time.Time) error {
		if row.Mode != f.Mode {
			return dxf.ErrLeaseLost
		}
		return do(row, now)
	})
}

// RenewFeed renews the lease and returns the row as it is now.
func (s *Store) RenewFeed(ctx context.Context, f dxf.Feed) (dxf.Feed, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return dxf.Feed{}, err
	}
	if s.feeds[f.JobID] == nil {
		return dxf.Feed{}, dxf.ErrNotFound
	}
	row, err := s.heldFeed(f)
	if err != nil {
		return dxf.Feed{}, err
	}
	row.Expires = now.Add(dxf.FeedLease)
	return copyFeed(row), nil
}

// ReleaseFeed gives the lease up.
func (s *Store) ReleaseFeed(ctx context.Context, f dxf.Feed) error {
	return s.asHolder(ctx, nil, f, func(row *dxf.Feed, _ time.Time) error {
		row.ExecID, row.Expires, row.Epoch = "", time.Time{}, row.Epoch+1
		return nil
	})
}

// OpenWindow writes down where a window that begins at f's position ends.
func (s *Store) OpenWindow(ctx context.Context, f dxf.Feed, file string, pos uint32) error {
	return s.asApplier(ctx, nil, f, func(row *dxf.Feed, _ time.Time) error {
		if row.File != f.File || row.Pos != f.Pos {
			return dxf.ErrLeaseLost
		}
		row.WindowFile, row.WindowPos = file, pos
		return nil
	})
}

// FenceFeed says whether the feed is still f's holder's. tx must be nil.
func (s *Store) FenceFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed) error {
	return s.asApplier(ctx, tx, f, func(*dxf.Feed, time.Time) error { return nil })
}

// CommitFeed writes what a window changed, closes it and acknowledges its markers.
// tx must be nil.
func (s *Store) CommitFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed, c dxf.FeedCommit) error {
	return s.asApplier(ctx, tx, f, func(row *dxf.Feed, now time.Time) error {
		row.File, row.Pos, row.FileMark, row.Applied, row.Mode = c.File, c.Pos, c.Mark, row.Applied+c.Applied, c.Mode
		row.LagAt, row.Expires = now, now.Add(dxf.FeedLease)
		if f.WindowFile != "" {
			row.WindowFile, row.WindowPos = "", 0
		}
		for _, id := range c.Markers {
			if m := s.markers[id]; m != nil && m.job == f.JobID {
				m.acked = true
			}
		}
		return nil
	})
}

// FailFeed puts the feed into FeedFailed.
func (s *Store) FailFeed(ctx context.Context, f dxf.Feed, e *dxf.Error) error {
	return s.asHolder(ctx, nil, f, func(row *dxf.Feed, _ time.Time) error {
		row.Mode, row.Error = dxf.FeedFailed, copyError(e)
		return nil
	})
}

// SetFeedMode moves a feed between modes under a subtask's lease.
func (s *Store) SetFeedMode(ctx context.Context, l dxf.Lease, jobID int64, from, to dxf.FeedMode) error {
	return s.underLease(ctx, l, func(*dxf.Subtask, time.Time) error {
		f := s.feeds[jobID]
		switch {
		case f == nil:
			return dxf.ErrNotFound
		case f.Mode == from || f.Mode == to:
			f.Mode = to
			return nil
		case f.Mode == dxf.FeedFailed && f.Error != nil:
			return copyError(f.Error)
		}
		return fmt.Errorf("changefeed of job %d is %s, not %s", jobID, f.Mode, from)
	})
}

// Mark inserts a marker.
func (s *Store) Mark(ctx context.Context, jobID int64, kind dxf.MarkerKind) (int64, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	s.lastMark++
	s.markers[s.lastMark] = &marker{job: jobID, kind: kind}
	return s.lastMark, nil
}

// Marked says whether the marker was acknowledged.
func (s *Store) Marked(ctx context.Context, jobID, id int64) (bool, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return false, err
	}
	f, m := s.feeds[jobID], s.markers[id]
	switch {
	case f == nil || m == nil || m.job != jobID:
		return false, dxf.ErrNotFound
	case f.Mode == dxf.FeedFailed && f.Error == nil:
		return false, dxf.Errorf("changefeed of job %d failed", jobID)
	case f.Mode == dxf.FeedFailed:
		return false, copyError(f.Error)
	}
	return m.acked, nil
}

// ExpireFeed lets an applier's lease run out now.
func (s *Store) ExpireFeed(jobID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.feeds[jobID]; f != nil {
		f.Expires = s.past(f.Expires)
	}
}

// CommitSQL has nothing to say: no statements come to this store. See CommitFeed.
func (s *Store) CommitSQL(dxf.Feed, dxf.FeedCommit) (statements []string, lost string) {
	return nil, ""
}
