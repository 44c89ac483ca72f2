package backfill

import (
	"context"
	"fmt"
	"time"

	"dxfproxy/dxf"
)

// feedPoll is the longest pause between two looks at the changefeed. The first are
// shorter: one that has little to do is there in a moment.
const feedPoll = 20 * time.Millisecond

// longer is the pause after this one.
func longer(pause time.Duration) time.Duration { return min(pause*3/2, feedPoll) }

// sync waits until the shadow has everything that was committed before the
// call. ok is false when limit (0: none) passed first.
//
// The feed runs in strict mode then. It may have met a marker that a
// predecessor left in the binlog, and stand still at it: it is sent on.
func (r *run) sync(ctx context.Context, limit time.Duration) (ok bool, err error) {
	start := time.Now()
	id, err := r.store.Mark(ctx, r.meta.JobID, dxf.MarkSync)
	if err != nil {
		return false, fmt.Errorf("mark the changefeed: %w", err)
	}
	for pause := time.Millisecond; ; pause = longer(pause) {
		done, err := r.store.Marked(ctx, r.meta.JobID, id)
		if err != nil || done {
			return done, err
		}
		took := time.Since(start)
		if limit > 0 && took > limit {
			return false, nil
		}
		if took > 2*time.Second && r.Summary.Waiting == "" {
			r.Waiting("%s waits for the changefeed to catch up", Type.StepName(r.Subtask.Step))
			defer r.Waiting("")
		}
		if took > 500*time.Millisecond {
			if err := r.sendOn(ctx); err != nil {
				return false, err
			}
		}
		if err := dxf.Sleep(ctx, pause); err != nil {
			return false, err
		}
	}
}

// sendOn puts a feed that stands still into strict mode.
func (r *run) sendOn(ctx context.Context) error {
	f, err := r.feed(ctx)
	if err != nil {
		return err
	}
	switch f.Mode {
	case dxf.FeedPaused, dxf.FeedSealed:
		return r.setMode(ctx, f.Mode, dxf.FeedStrict)
	}
	return nil
}

// feed reads the feed; the error of a failed one is the job's.
func (r *run) feed(ctx context.Context) (dxf.Feed, error) {
	f, err := r.store.Feed(ctx, r.meta.JobID)
	if err != nil {
		return f, fmt.Errorf("read the changefeed: %w", err)
	}
	if f.Mode == dxf.FeedFailed {
		if f.Error == nil {
			return f, dxf.Errorf("the changefeed of job %d failed", r.meta.JobID)
		}
		return f, f.Error
	}
	return f, nil
}

func (r *run) setMode(ctx context.Context, from, to dxf.FeedMode) error {
	if err := r.store.SetFeedMode(ctx, r.Subtask.Lease(), r.meta.JobID, from, to); err != nil {
		return fmt.Errorf("set the changefeed from %s to %s: %w", from, to, err)
	}
	if r.Wake != nil {
		r.Wake()
	}
	return nil
}
