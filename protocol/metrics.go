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
