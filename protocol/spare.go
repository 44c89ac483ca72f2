package protocol

import (
	"errors"
	"io"
	"slices"
	"syscall"
	"time"
)

// leaveTurn ends the turn of a client that is gone, or has to go, for the reason
// given.
func (c *Conn) leaveTurn(why error) {
	s, u, store := c.server, c.mine, c.store
	c.mu.Lock()
	c.store, c.wakeup = nil, nil // an abort of this client no longer concerns it
	c.mu.Unlock()
	switch {
	case u == nil && store != nil: // that sent no greeting
		store.Close()
	case u == nil:
	case c.saidNothing(why) && s.spare(c, u):
		return
	default:
		s.retire(u)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endTurn(c)
}

// saidNothing reports whether the client has left by itself and without a word, or
// has not even been sent the greeting.
func (c *Conn) saidNothing(why error) bool {
	if !c.greeted {
		return true
	}
	left := errors.Is(why, io.EOF) || errors.Is(why, syscall.ECONNRESET) || errors.Is(why, syscall.EPIPE)
	return left && !c.spoke && c.r == c.w && !c.cut.Load()
}

// spare ends the turn of a client and keeps its connection for the next, if it
// is young enough. One that has told the store who its client is serves nobody
// else.
func (s *Server) spare(c *Conn, u *unanswered) bool {
	_ = u.socket.SetDeadline(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.StoreProxyHeader != 0 || c.evicted || s.open > s.most() || time.Since(u.since) > spareAge {
		return false
	}
	c.holds, c.mine = false, nil
	c.caller.turns--
	s.spares = append(s.spares, u)
	s.pass()
	s.watchTurns()
	return true
}

// retireSpares ends the spare connections that are older than age, and reports
// whether there were any.
func (s *Server) retireSpares(age time.Duration) bool {
	before := len(s.spares)
	s.spares = slices.DeleteFunc(s.spares, func(u *unanswered) bool {
		if time.Since(u.since) < age {
			return false
		}
		s.retiring.Go(func() {
			s.retire(u)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.open--
			s.pass()
		})
		return true
	})
	return len(s.spares) < before
}
