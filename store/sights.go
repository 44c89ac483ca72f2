package store

import (
	"sync"
	"time"
)

// sights remembers since when rows of leases have been seen as they are, by this
// process's own clock, which nobody sets. A lease ends by the store's clock as a rule; but
// when that was set back by an hour, one whose holder is gone would not end for an
// hour. Who lives renews it every few seconds, and the row is another one then. Times may
// be compared with those of the store after all: not their order, only whether they are the same.
type sights struct {
	mu   sync.Mutex
	seen map[string]sight
}

type sight struct {
	value       string
	since, last time.Time
}

const (
	// stillMargin is how much longer than its lease a row must have been seen unchanged:
	// the looks are some seconds apart.
	stillMargin = 2 * time.Second
	// forgetAfter is how long a row is remembered that nobody has looked at.
	forgetAfter = time.Minute
)

// over looks at a row and says whether it has stood still for longer than a lease.
func (s *sights) over(name, value string, lease time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	was, ok := s.seen[name]
	if !ok || was.value != value || now.Sub(was.last) > forgetAfter {
		was = sight{value: value, since: now}
	}
	was.last = now
	if s.seen == nil {
		s.seen = make(map[string]sight)
	}
	if !ok {
		for name, x := range s.seen {
			if now.Sub(x.last) > forgetAfter {
				delete(s.seen, name)
			}
		}
	}
	s.seen[name] = was
	return now.Sub(was.since) > lease+stillMargin
}
