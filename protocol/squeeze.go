package protocol

import "time"

// squeeze makes room in a store that is full: fewer connections may wait for a
// response from now on, the spare ones end, and so do logins that take too long.
// It reports whether anything was freed.
func (s *Server) squeeze(by *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.squeezed) > loginPatience {
		s.limit, s.squeezed = min(max(s.open/2, minUnanswered), s.maxUnanswered()), now
	}
	freed := s.retireSpares(0)
	for s.evict(by, func(c *Conn) bool { return c.greeted }) {
		freed = true
		if s.open <= s.most() {
			break
		}
	}
	return freed
}

// othersGreeted reports whether other clients are on their way to a login, with a
// connection of the store's each.
func (s *Server) othersGreeted(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.logins.Front(); e != nil; e = e.Next() {
		if o := e.Value.(*Conn); o != c && o.greeted {
			return true
		}
	}
	return false
}

// relax lets more connections wait again, some time after a squeeze.
func (s *Server) relax() {
	if s.limit == 0 || time.Since(s.squeezed) < recovery {
		return
	}
	if s.limit *= 2; s.limit >= s.maxUnanswered() {
		s.limit = 0
	}
	s.squeezed = time.Now()
}
