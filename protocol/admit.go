package protocol

import (
	"container/list"
	"errors"
	"time"
)

// loginPatience is how long a client may take for its login while others want
// its place. With nobody waiting it has all of HandshakeTimeout.
const loginPatience = time.Second

// errOverdue says that a client had to make room for another one.
var errOverdue = errors.New("login took too long while others wanted in")

// admission is what a Server knows about a client's place in it.
type admission struct {
	since   time.Time
	waiting *list.Element // in Server.logins, until the login is through
	evicted bool
}

// enter counts a client in, or refuses it. Where there is no room, the client
// that has been at its login for longest makes some, if that is too long: those
// who connect and say nothing must not keep the others out.
func (s *Server) enter(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full() {
		s.evict(c)
	}
	if s.full() {
		s.stats.Refused++
		return false
	}
	c.since, c.waiting = time.Now(), s.logins.PushBack(c)
	s.stats.Connections++
	s.stats.Handshakes++
	s.stats.Accepted++
	return true
}

func (s *Server) full() bool {
	return s.MaxConnections > 0 && s.stats.Connections >= s.MaxConnections || s.stats.Handshakes >= s.maxHandshakes()
}

// makeRoom ends the oldest login for another one, if it is overdue, and reports
// whether it was.
func (s *Server) makeRoom(by *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evict(by)
}

func (s *Server) evict(by *Conn) bool {
	first := s.logins.Front()
	if first == nil {
		return false
	}
	c := first.Value.(*Conn)
	if c == by || time.Since(c.since) < loginPatience {
		return false
	}
	s.loginOver(c)
	s.stats.Connections--
	s.stats.Failed++
	c.evicted = true
	c.abort(errOverdue)
	return true
}

// loginOver counts a login that has ended, in whatever way.
func (s *Server) loginOver(c *Conn) {
	s.logins.Remove(c.waiting)
	c.waiting = nil
	s.stats.Handshakes--
}

// leave counts a client out.
func (s *Server) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.evicted {
		return // it has been
	}
	s.stats.Connections--
	if c.waiting != nil {
		s.loginOver(c)
		s.stats.Failed++
	}
}

// register makes a session that has logged in known to KILL. It is an error if
// it has lost its place meanwhile.
func (s *Server) register(c *Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.evicted {
		return errOverdue
	}
	s.loginOver(c)
	if s.byID == nil {
		s.byID = make(map[uint32]*Conn)
		s.sessions = make(map[*Conn]struct{})
	}
	s.byID[c.id] = c
	s.sessions[c] = struct{}{}
	return nil
}

func (s *Server) unregister(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	c.addTo(&s.stats)
	if s.byID[c.id] == c { // a restarted store hands ids out again
		delete(s.byID, c.id)
	}
}
