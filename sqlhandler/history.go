package sqlhandler

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

const (
	// maxKept is how many changes may wait to be written down; who makes the next one
	// writes it himself.
	maxKept   = 64
	keepLimit = 5 * time.Second
)

// A history writes down, beside the clients, the small changes that were made on their
// sessions: a dump makes one after the other, and none waits for the row of the one before it.
type history struct {
	mu      sync.Mutex
	running bool
	waiting []dxf.Job     // oldest first; the first one is being written
	news    chan struct{} // size 1: there is something to write
	idle    chan struct{} // closed when there is nothing any more; nil: nothing is waiting
}

func newHistory() *history { return &history{news: make(chan struct{}, 1)} }

// later takes a change in; false: it is to be written now.
func (y *history) later(j dxf.Job) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if !y.running || len(y.waiting) >= maxKept {
		return false
	}
	y.waiting = append(y.waiting, j)
	if y.idle == nil {
		y.idle = make(chan struct{})
	}
	select {
	case y.news <- struct{}{}:
	default:
	}
	return true
}

// settled waits until what was taken in is written, or was tried to be.
func (y *history) settled(ctx context.Context) {
	y.mu.Lock()
	idle := y.idle
	y.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// run writes until ctx ends, and what is left then.
func (y *history) run(ctx context.Context, write func(dxf.Job)) error {
	y.mu.Lock()
	y.running = true
	y.mu.Unlock()
	for ended := false; !ended; {
		select {
		case <-y.news:
		case <-ctx.Done():
			ended = true
			y.mu.Lock()
			y.running = false
			y.mu.Unlock()
		}
		for y.next(write) {
		}
	}
	return nil
}

// next writes one; false: there is none.
func (y *history) next(write func(dxf.Job)) bool {
	y.mu.Lock()
	if len(y.waiting) == 0 {
		if y.idle != nil {
			close(y.idle)
			y.idle = nil
		}
		y.mu.Unlock()
		return false
	}
	j := y.waiting[0]
	y.mu.Unlock()
	write(j)
	y.mu.Lock()
	y.waiting = y.waiting[1:]
	y.mu.Unlock()
	return true
}

// keep adds a small change that was made to the history.
func (h *Handler) keep(j dxf.Job, began time.Time) {
	j = during(j, began)
	if !h.history.later(j) {
		h.record(j)
	}
}

// writeDown adds a change that was made to the history, at once.
func (h *Handler) writeDown(j dxf.Job, began time.Time) { h.record(during(j, began)) }

// during is a job that has ended just now.
func during(j dxf.Job, began time.Time) dxf.Job {
	j.CreateTime, j.StartTime, j.EndTime = began, began, time.Now().UTC()
	return j
}

func (h *Handler) record(j dxf.Job) {
	ctx, cancel := context.WithTimeout(context.Background(), keepLimit)
	defer cancel()
	if _, err := h.jobs.Record(ctx, j); err != nil {
		h.log.Warn("a table change could not be written to the history", zap.String("type", j.Type), zap.Error(err))
	}
}
