// Package wire is a network between processes of this machine that misbehaves when
// it is told to: it is slow, cuts connections, or swallows what is sent over those
// that are open, as a firewall does that has forgotten them.
package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Wire listens on an address and connects whoever comes to another one. Its
// methods may be called from any goroutine.
type Wire struct {
	ln    net.Listener
	delay atomic.Int64 // of one direction, in nanoseconds
	trips atomic.Int64

	mu     sync.Mutex
	target string
	held   chan struct{} // not nil: everything stands still until it is closed
	open   map[*link]struct{}
	closed bool

	all sync.WaitGroup
}

// A link is one connection through the wire.
type link struct {
	wire      *Wire
	near, far *net.TCPConn
	asking    atomic.Bool   // bytes have come from near since the last from far
	swallowed chan struct{} // closed: nothing comes through any more, and no end does
}

// Listen makes a wire to target, host:port.
func Listen(target string) (*Wire, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a wire: %w", err)
	}
	w := &Wire{ln: ln, target: target, open: map[*link]struct{}{}}
	w.all.Go(w.accept)
	return w, nil
}

// Addr is where to connect, host:port.
func (w *Wire) Addr() string { return w.ln.Addr().String() }

// Delay makes every round trip take that much longer from now on, new ones and
// those over connections that are open.
func (w *Wire) Delay(roundTrip time.Duration) { w.delay.Store(int64(roundTrip / 2)) }

// Trips is how many round trips there were so far, of all connections: how often something
// was asked after an answer, or for the first time.
func (w *Wire) Trips() int64 { return w.trips.Load() }

// Retarget sends connections to come to another address.
func (w *Wire) Retarget(target string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target = target
}

// Cut ends all connections with a reset, at both ends.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.open {
		_ = l.near.SetLinger(0)
		_ = l.far.SetLinger(0)
		l.near.Close()
		l.far.Close()
	}
}

// Swallow loses what is sent over the connections that are open, for ever, and
// tells neither end: not even that the other one is gone. New ones work. It returns
// how many there were.
func (w *Wire) Swallow() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.open {
		if !l.lost() {
			close(l.swallowed)
			n++
		}
	}
	return n
}

// Hold stops everything, new connections too, until Release.
func (w *Wire) Hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held == nil {
		w.held = make(chan struct{})
	}
}

// Release ends Hold; what was on its way arrives.
func (w *Wire) Release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held != nil {
		close(w.held)
		w.held = nil
	}
}

// Close ends the wire and everything on it.
func (w *Wire) Close() {
	w.Release()
	w.ln.Close()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.Cut()
	w.Swallow() // so that nobody waits for one that was swallowed before
	w.all.Wait()
}

func (w *Wire) accept() {
	for {
		near, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.all.Go(func() { w.connect(near.(*net.TCPConn)) })
	}
}

// connect makes a link of a connection that has come.
func (w *Wire) connect(near *net.TCPConn) {
	w.passes()
	w.mu.Lock()
	target := w.target
	w.mu.Unlock()
	far, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		_ = near.SetLinger(0)
		near.Close()
		return
	}
	l := &link{wire: w, near: near, far: far.(*net.TCPConn), swallowed: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		near.Close()
		far.Close()
		return
	}
	w.open[l] = struct{}{}
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.carry(l.far, l.near) })
	both.Go(func() { l.carry(l.near, l.far) })
	both.Wait()
	near.Close()
	far.Close()
	w.mu.Lock()
	delete(w.open, l)
	w.mu.Unlock()
}

// passes waits while everything is held.
func (w *Wire) passes() {
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if held != nil {
		<-held
	}
}

// parcel is what was read at once, and when it may arrive.
type parcel struct {
	data []byte
	due  time.Time
}

// carry carries one direction until its end, which it passes on unless the link is
// swallowed.
func (l *link) carry(to, from *net.TCPConn) {
	parcels := make(chan parcel, 256)
	var sender sync.WaitGroup
	sender.Go(func() {
		for p := range parcels {
			if wait := time.Until(p.due); wait > 0 {
				time.Sleep(wait)
			}
			l.wire.passes()
			if l.lost() {
				continue
			}
			if _, err := to.Write(p.data); err != nil {
				from.Close()
			}
		}
	})
	var err error
	for err == nil {
		b := make([]byte, 32<<10)
		var n int
		n, err = from.Read(b)
		if asks := from == l.near; n > 0 && l.asking.Swap(asks) != asks && asks {
			l.wire.trips.Add(1)
		}
		if n > 0 {
			parcels <- parcel{b[:n], time.Now().Add(time.Duration(l.wire.delay.Load()))}
		}
	}
	close(parcels)
	sender.Wait()
	switch {
	case l.lost():
		l.wire.forget(l)
	case errors.Is(err, io.EOF):
		_ = to.CloseWrite()
	default:
		_ = to.SetLinger(0)
		to.Close()
	}
}

func (l *link) lost() bool {
	select {
	case <-l.swallowed:
		return true
	default:
		return false
	}
}

// forget keeps the other end of a swallowed link from hearing of this one's: until
// the wire is closed.
func (w *Wire) forget(l *link) {
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	if closed {
		l.near.Close()
		l.far.Close()
	}
}
