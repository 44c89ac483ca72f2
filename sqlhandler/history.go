package sqlhandler

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

const (
	// maxKept is how many changes may wait to be written down; who makes the next one
	// writes it himself.
	maxKept = 128
	// gather is how long the first of them waits for more, while no job is unfinished: one
	// commit is then enough for all.
	gather    = 20 * time.Millisecond
	keepLimit = 5 * time.Second
)

// A history writes down, beside the clients, the changes that were made on their sessions: a
// dump makes one after the other, and none waits for the row of the one before it.
type history struct {
	mu      sync.Mutex
	running bool
	waiting []dxf.Job     // oldest first
	taken   int           // how many were taken in so far,
	tried   int           // and how many of them are written, or were tried to be
	more    *signal       // when tried grows
	news    chan struct{} // size 1: there is something to write
	asked   chan struct{} // size 1: somebody waits until it is written
}

func newHistory() *history {
	return &history{more: newSignal(), news: make(chan struct{}, 1), asked: make(chan struct{}, 1)}
}

// later takes a change in; false: it is to be written now.
func (y *history) later(j dxf.Job) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if !y.running || len(y.waiting) >= maxKept {
		return false
	}
	y.waiting = append(y.waiting, j)
	y.taken++
	tell(y.news)
	return true
}

// tell leaves word in a channel of size 1.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// settled waits until what was taken in by now is written, or was tried to be. What others
// go on to do is not waited for.
func (y *history) settled(ctx context.Context) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for all := y.taken; y.tried < all && ctx.Err() == nil; {
		more := y.more.wait()
		y.mu.Unlock()
		tell(y.asked)
		select {
		case <-more:
		case <-ctx.Done():
		}
		y.mu.Lock()
	}
}

// run writes until ctx ends, and what is left then; without delay while somebody awaits it.
func (y *history) run(ctx context.Context, awaited func(context.Context) bool, write func(...dxf.Job)) error {
	y.mu.Lock()
	y.running = true
	y.mu.Unlock()
	for ended := false; !ended; {
		select {
		case <-y.news:
			if !awaited(ctx) {
				y.gather(ctx)
			}
		case <-ctx.Done():
			ended = true
			y.mu.Lock()
			y.running = false
			y.mu.Unlock()
		}
		for (ended || ctx.Err() == nil) && y.next(write) {
		}
	}
	return nil
}

// gather waits for more to write, but not when somebody waits for it.
func (y *history) gather(ctx context.Context) {
	t := time.NewTimer(gather)
	defer t.Stop()
	select {
	case <-t.C:
	case <-y.asked:
	case <-ctx.Done():
	}
}

// next writes what is there; false: nothing is.
func (y *history) next(write func(...dxf.Job)) bool {
	y.mu.Lock()
	these := slices.Clone(y.waiting)
	y.mu.Unlock()
	if len(these) == 0 {
		return false
	}
	write(these...)
	y.mu.Lock()
	defer y.mu.Unlock()
	y.waiting = slices.Clone(y.waiting[len(these):])
	y.tried += len(these)
	y.more.broadcast()
	return true
}

// keep adds a change that was made to the history, beside the client; but one that frees a
// name before the client goes on. Else another table could come to the name, and a job that
// waits find in the history that its own was rebuilt, and nothing of the other (see
// backfill.Planner).
func (h *Handler) keep(j dxf.Job, began time.Time) {
	j.CreateTime, j.StartTime, j.EndTime = began, began, time.Now().UTC()
	if !h.history.later(j) {
		h.record(j)
		return
	}
	if j.Type == "drop table" || j.Type == "drop schema" || strings.HasPrefix(j.Type, "rename table") {
		ctx, cancel := context.WithTimeout(context.Background(), keepLimit)
		defer cancel()
		h.history.settled(ctx)
	}
}

// awaited says whether a job is unfinished, which may wait for its turn and then has to
// know what became of its table.
func (h *Handler) awaited(ctx context.Context) bool {
	has, err := h.jobs.HasUnfinishedJobs(ctx)
	return err != nil || has
}

func (h *Handler) record(jobs ...dxf.Job) {
	ctx, cancel := context.WithTimeout(context.Background(), keepLimit)
	defer cancel()
	unawaited := !h.awaited(ctx)
	for i := range jobs {
		jobs[i].Unawaited = unawaited
	}
	_, err := h.jobs.Record(ctx, jobs...)
	if len(jobs) > 1 && server.Number(err) != 0 && !server.Passes(err) { // one that the store refuses does not take the others with it
		for _, j := range jobs {
			h.record(j)
		}
		return
	}
	if err != nil {
		h.log.Warn("table changes could not be written to the history",
			zap.Int("changes", len(jobs)), zap.String("first", jobs[0].Type), zap.Error(err))
	}
}
