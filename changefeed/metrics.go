package changefeed

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"dxfproxy/dxf"
)

// Status is what an applier of this node has done so far.
type Status struct {
	JobID     int64
	Schema    string
	Table     string
	Mode      dxf.FeedMode
	File      string // the position applied up to
	Pos       uint32
	Applied   int64     // row changes, by this applier
	Windows   int64     // transactions in the store
	LagAt     time.Time // by the store's clock, as of the last renewal
	Restarts  int64     // after errors that may pass
	LastError string    // the last one of those, "" when none
}

// counters is the Status of one applier, safe to read while it runs.
type counters struct {
	mu sync.Mutex
	s  Status
}

func (c *counters) update(f func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

func (c *counters) read() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s
}

// Status lists the feeds this node applies, by job.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Status
	for _, c := range m.feeds {
		all = append(all, c.read())
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.JobID, b.JobID) })
	return all
}
