package backfill

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// build puts the indexes on the shadow, in one sorted build while the
// changefeed stands still, and lets the feed catch up under their constraints.
func (r *run) build(ctx context.Context) error {
	s, err := r.LockedSession(ctx, table.JobLock(r.meta.JobID).Name(),
		"SET SESSION foreign_key_checks = 0", "SET SESSION check_constraint_checks = 0",
		fmt.Sprintf("SET SESSION lock_wait_timeout = %d", executor.BuildLockWait))
	if err != nil {
		return err
	}
	defer s.Close()
	if r.meta.Strict {
		if err := r.asClient(ctx, s, ",NO_AUTO_VALUE_ON_ZERO"); err != nil {
			return err
		}
	}
	if err := r.inLanguage(ctx, s); err != nil {
		return err
	}
	missing, err := r.Missing(ctx, s, r.meta.Shadow, r.meta.Indexes)
	if err != nil {
		return err
	}
	r.Summary.RowCount = 0
	if err := r.pause(ctx, s, len(missing) == 0); err != nil {
		return err
	}
	if missing, err = r.Missing(ctx, s, r.meta.Shadow, r.meta.Indexes); err != nil { // as the feed stands now
		return err
	}
	start := time.Now()
	if err := r.AddIndexes(ctx, s, r.meta.Shadow, missing, r.meta.Rows); err != nil {
		return err
	}
	if _, err := s.ExecContext(ctx, "ANALYZE TABLE "+server.Quote(r.meta.Schema, r.meta.Shadow)); err != nil {
		return fmt.Errorf("analyze the shadow: %w", err)
	}
	r.Summary.RowCount = r.meta.Rows
	r.Log.Info("indexes built", zap.Duration("took", time.Since(start)), zap.Int64("rows", r.meta.Rows))
	if err := r.sendOn(ctx); err != nil {
		return err
	}
	r.Waiting("the changefeed catches up with the writes made during the build")
	if _, err := r.sync(ctx, 0); err != nil {
		return err
	}
	r.Waiting("")
	return nil
}

// pause brings the feed to a stand at a commit boundary after everything that
// was copied. A feed in strict mode with all indexes there is a predecessor's
// finished work.
func (r *run) pause(ctx context.Context, s *server.Session, built bool) error {
	marked := false
	used := time.Now()
	for pause := time.Millisecond; ; pause = longer(pause) {
		f, err := r.feed(ctx)
		if err != nil {
			return err
		}
		switch {
		case f.Mode == dxf.FeedPaused:
			r.Waiting("")
			return nil
		case f.Mode == dxf.FeedStrict && built:
			return nil
		case f.Mode == dxf.FeedSealed:
			if err := r.setMode(ctx, dxf.FeedSealed, dxf.FeedStrict); err != nil {
				return err
			}
		case !marked:
			if _, err := r.store.Mark(ctx, r.meta.JobID, dxf.MarkPause); err != nil {
				return fmt.Errorf("mark the changefeed: %w", err)
			}
			marked = true
			r.Waiting("the changefeed catches up with the writes made during the copy")
		}
		if time.Since(used) > executor.KeepAlive {
			if err := s.PingContext(ctx); err != nil {
				return fmt.Errorf("keep the job's lock: %w", err)
			}
			used = time.Now()
		}
		if err := dxf.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}
