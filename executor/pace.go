package executor

import (
	"sync"
	"sync/atomic"
	"time"
)

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

// A Pace is what the subtasks of one task share on this node: their limit of bytes per second,
// and the size of chunks that has turned out right.
type Pace struct {
	limiter
	Rows atomic.Int64 // ChunkSizer.Rows as it was last; 0: no chunk has been written
}

// Pace returns the pace of a task.
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

// Rest is how long to do nothing after d of work; priority is the job's
// tidb_ddl_reorg_priority. It is for the way that clients should feel least, WayTxn.
func Rest(d time.Duration, priority string) time.Duration {
	switch priority {
	case "PRIORITY_LOW":
		return 2 * d
	case "PRIORITY_HIGH":
		return 0
	}
	return d / 2
}
