package protocol

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxHold is the longest that Hold holds anybody.
const maxHold = time.Second

// holdRest is how many times its length a hold is followed by none: whoever asks
// for holds all the time costs the clients a fifth of theirs.
const holdRest = 4

// holds is what a Server knows of holding back.
type holds struct {
	now  atomic.Pointer[hold] // nil: nobody is held
	mu   sync.Mutex
	next time.Time // when another may begin
}

type hold struct{ over chan struct{} }

// Hold holds back what clients begin outside a transaction, for d or until
// Release. Transactions that are open go on to their end, so that a lock which
// would have to wait for one of them, and would make it a victim of a deadlock,
// finds a moment without any. It reports false, and holds nobody, when a hold is
// under way or was a moment ago.
func (s *Server) Hold(d time.Duration) bool {
	d = min(d, maxHold)
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	if time.Now().Before(s.holds.next) {
		return false
	}
	s.holds.next = time.Now().Add((1 + holdRest) * d)
	h := &hold{over: make(chan struct{})}
	s.holds.now.Store(h)
	time.AfterFunc(d, func() { s.holds.end(h) })
	return true
}

// Release ends a hold before its time.
func (s *Server) Release() {
	if h := s.holds.now.Load(); h != nil {
		s.holds.end(h)
	}
}

func (hs *holds) end(h *hold) {
	if hs.now.CompareAndSwap(h, nil) {
		close(h.over)
	}
}

// heldBack waits while the server holds back what this session would begin.
func (c *Conn) heldBack() {
	if h := c.server.holds.now.Load(); h != nil && !c.InTransaction() {
		<-h.over
	}
}
