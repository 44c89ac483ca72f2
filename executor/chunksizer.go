package executor

import (
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a chunk. A client that wants to write a row of a chunk waits until
// the chunk is committed, so the target is what a person does not notice.
const (
	ChunkTarget = 150 * time.Millisecond
	ChunkStart  = 2000
	ChunkCap    = 100_000
	growth      = 1.5 // one slow chunk more is cheaper than one ten times too slow
	regrowth    = 4   // after a collision, until the former size is reached
)

// ChunkSizer sizes chunks by how long they take.
type ChunkSizer struct {
	Target time.Duration
	Cap    int64
	Rows   int64 // of the next chunk
	former int64 // before collisions made it smaller
}

// Took tells the time of a chunk of full size.
func (s *ChunkSizer) Took(d time.Duration) { s.TookFor(s.Rows, d) }

// TookFor tells the time of a chunk of so many rows, without the way to the store and back:
// that is the same whatever the size, and smaller chunks do not make it shorter.
func (s *ChunkSizer) TookFor(rows int64, d time.Duration) {
	factor := float64(s.Target) / float64(max(d, time.Millisecond))
	most := growth
	if rows < s.former {
		most = regrowth
	}
	factor = max(0.1, min(factor, most))
	s.Rows = min(max(int64(float64(rows)*factor+0.5), 1), s.Cap)
	if s.Rows >= s.former {
		s.former = 0
	}
}

// Collided halves the chunk: somebody holds a row of it, and the rest can go on.
func (s *ChunkSizer) Collided() {
	s.former = max(s.former, s.Rows)
	s.Rows = max(s.Rows/2, 1)
}

// limiter is a token bucket for bytes, shared by the subtasks of a task on this
// node. Its bucket holds one second.
type limiter struct {
	mu   sync.Mutex
	free time.Time // when everything taken so far is paid for
}

// Take reserves n bytes at rate bytes per second and says how long to wait.
func (l *limiter) Take(n, rate int64, now time.Time) time.Duration {
	if rate <= 0 || n <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if floor := now.Add(-time.Second); l.free.Before(floor) {
		l.free = floor
	}
	l.free = l.free.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	return l.free.Sub(now)
}

// Pace is what the subtasks of a task on this node share.
type Pace struct {
	limiter
	Rows atomic.Int64 // chunk size that was right last
}

// Pace returns the task's.
func (w *Worker) Pace(task int64) *Pace {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.paces[task]
	if p == nil {
		// Tasks are few and paces small, but a node lives long.
		if len(w.paces) > 100 {
			clear(w.paces)
		}
		p = &Pace{}
		w.paces[task] = p
	}
	return p
}

// Rest is how long to do nothing after d of work, by tidb_ddl_reorg_priority.
// It is for the way that is meant to be felt least.
func Rest(d time.Duration, priority string) time.Duration {
	switch priority {
	case "PRIORITY_LOW":
		return 2 * d
	case "PRIORITY_HIGH":
		return 0
	}
	return d / 2
}
