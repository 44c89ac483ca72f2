package protocol

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A client that has come costs the store a connection before it has said a word:
// the greeting it waits for is the store's. So clients take turns. A turn begins
// with the dial and ends when the client's whole handshake response is there;
// every daily client is through with it after one to three times its distance.
//
// A client that leaves without a word leaves its connection for the next, who
// gets the same greeting: a flood of probes uses a few connections over and
// over, and never makes the store meet the end of one. To use its salt for two
// clients is safe, for only one response is ever sent to that connection. But the
// first client must have sent nothing, and must have left by itself: somebody who
// has seen a response pass could be the next otherwise, and send it as its own.
const (
	// maxUnanswered is Server.MaxUnanswered at most, and by default: less than half of
	// what both servers take by default (151).
	maxUnanswered = 64

	// minUnanswered is how many there may be when the store is full.
	minUnanswered = 4

	// spareAge is how old a connection that waits for a client may become, and
	// answerAge how old when the response is there. The servers end the login,
	// and count it as interrupted, after connect_timeout: 10 s by default.
	spareAge  = 4 * time.Second
	answerAge = 8 * time.Second

	// recovery is after how long without being full the store is believed to
	// have room for twice as many.
	recovery = 5 * time.Second

	// patrolEvery is how often somebody looks after the turns, while clients
	// wait for one or connections for a client.
	patrolEvery = loginPatience / 4
)

// errGoneAlready says that a client had left before it was its turn.
var errGoneAlready = errors.New("client left before it was greeted")

// turns is what a Server knows of those that wait for a response, under
// Server.mu.
type turns struct {
	serving  int // calls of Serve
	open     int // connections of the store's: clients', spare, and on their way out
	limit    int // for open, while the store has been full; 0: MaxUnanswered
	squeezed time.Time
	spares   []*unanswered // the last used last
	queue    []*Conn       // clients without a turn, the newest last
	patrol   *time.Timer   // nil: nobody looks after them now
	callers  map[netip.Addr]*caller
	swept    time.Time      // for clients that are gone
	retiring sync.WaitGroup // ends of connections that no session waits for

	unreachable atomic.Bool // the last dial did not come through; needs no lock
}

// ownTurn is what a client knows of its own.
type ownTurn struct {
	holds   bool          // has one
	greeted bool          // has been sent the store's greeting
	mine    *unanswered   // what the greeting is from, until it is answered; of the session's goroutine while it holds a turn
	spoke   bool          // has sent anything since; of the session's goroutine
	granted chan struct{} // nil while it does not wait, under Conn.mu
}

// most is how many connections may be open now.
func (s *Server) most() int {
	if s.limit > 0 {
		return s.limit
	}
	return s.maxUnanswered()
}

// may reports whether a client may have a turn now. One address gets three
// quarters of them, so that no host holds all.
func (s *Server) may(c *Conn) bool {
	return c.caller.turns < max(s.most()*3/4, 1) && (len(s.spares) > 0 || s.open < s.most())
}

// grant gives a client its turn, with a spare connection if there is one.
func (s *Server) grant(c *Conn) {
	c.holds, c.greeted = true, false
	c.caller.turns++
	for len(s.spares) > 0 {
		last := len(s.spares) - 1
		u := s.spares[last]
		s.spares = s.spares[:last]
		if quiet(u.socket) {
			c.mine = u
			return
		}
		u.socket.Close() // the store has ended it
		s.open--
		s.interrupted()
	}
	s.open++
}

// pass gives turns that are free to those who wait. The address that holds
// fewest comes first, and of one address who came last: in a flood those are
// the ones that are still there.
func (s *Server) pass() {
	for {
		best := -1
		for i, c := range s.queue {
			if !c.evicted && s.may(c) && (best < 0 || c.caller.turns <= s.queue[best].caller.turns) {
				best = i
			}
		}
		if best < 0 {
			return
		}
		c := s.queue[best]
		s.queue = slices.Delete(s.queue, best, best+1)
		if c.atEnd() {
			s.end(c, errGoneAlready)
			continue
		}
		s.grant(c)
		c.mu.Lock()
		c.wakeWaiting()
		c.mu.Unlock()
	}
}

// takeTurn waits for a turn of c's.
func (c *Conn) takeTurn(deadline time.Time) error {
	s := c.server
	s.mu.Lock()
	s.relax()
	if c.evicted {
		s.mu.Unlock()
		return c.cutFor()
	}
	if s.may(c) {
		s.grant(c)
		s.mu.Unlock()
		return nil
	}
	granted := make(chan struct{}, 1)
	c.mu.Lock()
	c.granted = granted
	c.mu.Unlock()
	s.queue = append(s.queue, c)
	s.watchTurns()
	s.mu.Unlock()
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	if !c.cut.Load() && !c.draining.Load() { // else it came before there was a channel
		select {
		case <-granted:
		case <-timeout.C:
		}
	}
	c.mu.Lock()
	c.granted = nil
	c.mu.Unlock()
	err := c.leaveQueue()
	switch {
	case err == nil && c.atEnd():
		return errGoneAlready
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errOverdue):
		_ = c.client.SetDeadline(time.Now().Add(lastWordsWait))
		if s.unreachable.Load() {
			c.refuse(&Error{Code: errStoreUnreachable, Message: "Can't connect to the store behind dxfproxy"})
		} else {
			c.refuse(&Error{Code: errTooManyConnections, Message: "Too many connections"})
		}
	}
	return err
}

// leaveQueue reports why the client waits no longer; nil: it has its turn.
func (c *Conn) leaveQueue() error {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.holds {
		return nil
	}
	s.queue = slices.DeleteFunc(s.queue, func(o *Conn) bool { return o == c })
	switch {
	case c.evicted:
		return c.cutFor()
	case c.cut.Load():
		return ErrShutdown
	case c.draining.Load():
		return errDrained
	}
	return fmt.Errorf("wait for a connection to the store: %w", context.DeadlineExceeded)
}

// wakeWaiting wakes c if it waits for its turn, under c.mu.
func (c *Conn) wakeWaiting() {
	if c.granted != nil {
		select {
		case c.granted <- struct{}{}:
		default:
		}
	}
}

// answered ends the turn of a client whose response is there. It is an error if
// it has lost its place meanwhile.
func (c *Conn) answered() error {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.evicted {
		return errOverdue
	}
	s.endTurn(c)
	return nil
}

// endTurn ends a turn; its connection is not among the unanswered any more.
func (s *Server) endTurn(c *Conn) {
	c.holds, c.mine = false, nil
	c.caller.turns--
	s.open--
	s.pass()
}

// hasGreeting notes that the client has been sent the store's greeting: from now
// on it is its own fault if nothing happens.
func (c *Conn) hasGreeting() {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.greeted = true
	if c.waiting != nil {
		c.since = time.Now()
		s.logins.MoveToBack(c.waiting)
	}
}

// watchTurns has somebody look after the turns, if there is need.
func (s *Server) watchTurns() {
	if s.patrol == nil && s.serving > 0 && (len(s.queue) > 0 || len(s.spares) > 0) {
		s.patrol = time.AfterFunc(patrolEvery, s.lookAtTurns)
	}
}

// lookAtTurns ends spare connections that are old, and turns that take too long
// for those who wait.
func (s *Server) lookAtTurns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patrol = nil
	if s.serving == 0 {
		return
	}
	s.relax()
	s.pass()
	s.retireSpares(spareAge)
	s.endOverdue()
	s.watchTurns()
}

// endOverdue ends turns that take too long, for those who wait.
func (s *Server) endOverdue() {
	if len(s.queue) == 0 {
		return
	}
	overdue := func(c *Conn) bool { return c.holds && c.greeted }
	for surplus := s.open - s.most(); surplus > 0 && s.evict(nil, overdue); surplus-- {
	}
	for _, w := range s.queue[:min(len(s.queue), maxUnanswered)] {
		own := s.open < s.most() || len(s.spares) > 0 // it waits because its own address holds too many
		if !s.evict(w, func(c *Conn) bool { return overdue(c) && (!own || c.caller == w.caller) }) {
			return
		}
	}
}

// beginTurns and endTurns enclose a Serve. With the last of them the connections
// end that wait for a client.
func (s *Server) beginTurns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving++
}

func (s *Server) endTurns() {
	s.mu.Lock()
	s.serving--
	if s.serving == 0 {
		s.retireSpares(0)
		if s.patrol != nil {
			s.patrol.Stop()
			s.patrol = nil
		}
	}
	s.mu.Unlock()
	s.retiring.Wait()
}
