package scheduler

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

// progressInterval is how often a running subtask's summary is written when it
// changes (TiDB: 3 s, which makes its row counts look stuck).
const progressInterval = 500 * time.Millisecond

// A progress is the latest summary of a running subtask.
type progress struct {
	mu    sync.Mutex
	sum   dxf.Summary
	dirty bool
}

func (p *progress) report(sum dxf.Summary) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sum != p.sum {
		p.sum, p.dirty = sum, true
	}
}

// waiting says, until the next report, what the subtask waits for.
func (p *progress) waiting(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum.Waiting, p.dirty = what, true
}

// take returns the summary and whether it has changed since it was taken last.
func (p *progress) take() (dxf.Summary, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dirty := p.dirty
	p.dirty = false
	return p.sum, dirty
}

// final is the summary to end with: what the run returned or, when it returned
// none (it was interrupted), what it reported last.
func (p *progress) final(sum dxf.Summary) dxf.Summary {
	if sum == (dxf.Summary{}) {
		sum, _ = p.take()
	}
	sum.Waiting = ""
	return sum
}

// writeProgress writes the summary as it changes, until ctx ends.
func (h *held) writeProgress(ctx context.Context) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		sum, dirty := h.progress.take()
		if !dirty {
			continue
		}
		err := h.m.cfg.Store.Progress(ctx, h.sub.Lease(), sum)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, dxf.ErrLeaseLost):
			h.stop(dxf.ErrLeaseLost)
		default:
			h.log.Warn("write progress", zap.Error(err))
		}
	}
}
