package protocol

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"time"
)

// loginPatience is how long a client may take for its login while others want
// its place. With nobody waiting it has all of HandshakeTimeout.
const loginPatience = time.Second

// errOverdue says that a client had to make room for another one.
var errOverdue = errors.New("login took too long while others wanted in")

// admission is what a Server knows about a client's place in it, under
// Server.mu.
type admission struct {
	since   time.Time     // when its login began, or the greeting went out
	waiting *list.Element // in Server.logins, until the login is through
	evicted bool
	caller  *caller
	ownTurn // to hold a connection of the store's
}

// A caller is a host that clients on their way to a login come from.
type caller struct {
	host   netip.Addr // see hostOf; zero for Unix sockets
	logins int        // clients on their way
	turns  int        // of these, those who hold a connection of the store's and have not said who they are
}

// enter counts a client in, or refuses it. Where there is no room, those make
// some that are gone already, or have been at their login for too long: who
// connects and says nothing must not keep the others out. One address gets three
// quarters of the places, so that no host takes all of them in that time.
func (s *Server) enter(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.since = time.Now()
	s.call(c)
	if !s.makeRoom(c) {
		s.hangUp(c)
		s.stats.Refused++
		return false
	}
	c.waiting = s.logins.PushBack(c)
	s.stats.Connections++
	s.stats.Handshakes++
	s.stats.Accepted++
	return true
}

// makeRoom reports whether there is a place for a client that counts for its
// address already.
func (s *Server) makeRoom(c *Conn) bool {
	if s.hasRoom(c) {
		return true
	}
	s.dropGone()
	if !s.hasRoom(c) && !s.evict(c, func(o *Conn) bool { return o.greeted }) {
		s.evict(c, func(*Conn) bool { return true })
	}
	return s.hasRoom(c)
}

func (s *Server) hasRoom(c *Conn) bool {
	full := s.MaxConnections > 0 && s.stats.Connections >= s.MaxConnections || s.stats.Handshakes >= s.maxHandshakes()
	return !full && (s.inShare(c) || c.source == nil && s.mustIntroduce(c.socket)) // a balancer is many hosts
}

// inShare reports whether a client's host has no more than its share of the places.
func (s *Server) inShare(c *Conn) bool { return c.caller.logins <= max(s.maxHandshakes()*3/4, 1) }

// goneEvery is how often dropGone looks, which costs a system call for each that waits.
const goneEvery = 20 * time.Millisecond

// dropGone ends those who have left before they had a turn: nobody else would
// notice until they have one.
func (s *Server) dropGone() {
	if time.Since(s.swept) < goneEvery {
		return
	}
	s.swept = time.Now()
	for e := s.logins.Front(); e != nil; {
		c := e.Value.(*Conn)
		e = e.Next()
		if !c.holds && !c.greeted && c.atEnd() {
			s.end(c, errGoneAlready)
		}
	}
}

// hostOf is the address that stands for a client's host: with IPv6 one host has all the
// addresses of a network of 64 bits.
func hostOf(a net.Addr) netip.Addr {
	addr := tcpAddrPort(a).Addr()
	if !addr.Is6() {
		return addr
	}
	network, _ := addr.Prefix(64)
	return network.Addr()
}

// call counts a client for its host.
func (s *Server) call(c *Conn) {
	if s.callers == nil {
		s.callers = make(map[netip.Addr]*caller)
	}
	host := hostOf(c.RemoteAddr())
	to := s.callers[host]
	if to == nil {
		to = &caller{host: host}
		s.callers[host] = to
	}
	to.logins++
	c.caller = to
}

// hangUp is the opposite.
func (s *Server) hangUp(c *Conn) {
	if c.caller.logins--; c.caller.logins == 0 {
		delete(s.callers, c.caller.host)
	}
}

// introduced counts a client for the host that its PROXY header names, and reports
// whether there is a place for that.
func (s *Server) introduced(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.waiting == nil {
		return true // it has been ended
	}
	s.hangUp(c)
	s.call(c)
	return s.inShare(c) || s.evict(c, func(o *Conn) bool { return o.caller == c.caller })
}

// evict ends an overdue login of those that fit, in favour of another, and
// reports whether there was one. It takes the oldest of the address that has
// most: a host that connects over and over makes room for the others.
func (s *Server) evict(by *Conn, fits func(*Conn) bool) bool {
	var victim *Conn
	for e := s.logins.Front(); e != nil; e = e.Next() {
		c := e.Value.(*Conn)
		if time.Since(c.since) < loginPatience {
			break // and so are those behind it
		}
		if c != by && fits(c) && (victim == nil || c.caller.logins > victim.caller.logins) {
			victim = c
		}
	}
	if victim == nil {
		return false
	}
	s.end(victim, errOverdue)
	return true
}

// end takes the place of a client that is not through with its login.
func (s *Server) end(c *Conn, why error) {
	s.loginOver(c)
	s.stats.Connections--
	s.stats.Failed++
	c.evicted = true
	c.abort(why)
}

// loginOver counts a login that has ended, in whatever way.
func (s *Server) loginOver(c *Conn) {
	s.logins.Remove(c.waiting)
	c.waiting = nil
	s.hangUp(c)
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
