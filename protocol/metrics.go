package protocol

import "sync/atomic"

// Stats is what a Server has done so far.
type Stats struct {
	Connections int // clients connected now, logging in or logged in
	Handshakes  int // of these, those not logged in yet

	Accepted    uint64 // clients ever, without those refused
	Refused     uint64 // for too many connections or handshakes
	Failed      uint64 // accepted, and gone before the login was through
	Commands    uint64 // requests of any kind
	Intercepted uint64 // statements the Handler was asked to handle
	BytesIn     uint64 // forwarded to the store
	BytesOut    uint64 // forwarded to clients
}

// counters are those of a session. Only its own goroutine adds.
type counters struct {
	commands, intercepted, bytesIn, bytesOut atomic.Uint64
}

func (k *counters) addTo(s *Stats) {
	s.Commands += k.commands.Load()
	s.Intercepted += k.intercepted.Load()
	s.BytesIn += k.bytesIn.Load()
	s.BytesOut += k.bytesOut.Load()
}

// Stats returns the counts, of open sessions and of those that have ended.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.stats
	for c := range s.sessions {
		c.addTo(&sum)
	}
	return sum
}

// enter counts a client in, or refuses it.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.MaxConnections > 0 && s.stats.Connections >= s.MaxConnections
	if full || s.stats.Handshakes >= s.maxHandshakes() {
		s.stats.Refused++
		return false
	}
	s.stats.Connections++
	s.stats.Handshakes++
	s.stats.Accepted++
	return true
}

// leave counts a client out.
func (s *Server) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Connections--
	if !c.registered {
		s.stats.Handshakes--
		s.stats.Failed++
	}
}

// register makes a session that has logged in known to KILL.
func (s *Server) register(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.registered = true
	s.stats.Handshakes--
	if s.byID == nil {
		s.byID = make(map[uint32]*Conn)
		s.sessions = make(map[*Conn]struct{})
	}
	s.byID[c.id] = c
	s.sessions[c] = struct{}{}
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
