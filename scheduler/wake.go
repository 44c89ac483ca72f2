package scheduler

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"dxfproxy/dxf"
)

const (
	// wakeGap is the mean time between two rounds of datagrams sent, and
	// between two calls of wake on receipt, at least: who floods the port
	// makes a node poll fifty times a second, no more.
	wakeGap = 20 * time.Millisecond
	// wakeBurst is how many may follow each other at once after some silence. A small job
	// wakes each node about as often, a few milliseconds apart.
	wakeBurst = 4
	// resolveFor is how long the address of a node is believed.
	resolveFor = time.Minute
)

// WakeConfig is what a Waker is made of.
type WakeConfig struct {
	Addr   string     // host:port to listen on, as the node's MySQL listener
	Secret dxf.Secret // of all nodes: what is not signed with it is dropped
	UUID   string     // this node's
	// Now is the store's time, as well as this node knows it. nil: this node's.
	Now func() time.Time
	// Wake and Hold are called for what arrives; they must not block. Hold(0) ends it.
	// Who holds, bounds it.
	Wake func()
	Hold func(time.Duration)
}

// A Waker tells other nodes, by UDP, that there is something to look at in the
// store, or that clients should be held back for a moment. Datagrams may be lost:
// polling is the truth, and holding back is a courtesy. A nil *Waker does nothing.
type Waker struct {
	cfg  WakeConfig
	conn net.PacketConn

	mu   sync.Mutex
	due  map[string]bool // addresses to tell
	last int64           // stamp

	send  chan struct{} // size 1: due is not empty
	heard chan struct{} // size 1: datagrams came
	stop  chan struct{}
	once  sync.Once
	done  sync.WaitGroup

	resolving sync.Mutex
	resolved  map[string]resolved
}

type resolved struct {
	addr net.Addr
	at   time.Time
}

// ListenWake listens on the UDP port of cfg.Addr.
func ListenWake(cfg WakeConfig) (*Waker, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	conn, err := net.ListenPacket("udp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for wake-ups: %w", err)
	}
	w := &Waker{
		cfg: cfg, conn: conn,
		due:  make(map[string]bool),
		send: make(chan struct{}, 1), heard: make(chan struct{}, 1), stop: make(chan struct{}),
		resolved: make(map[string]resolved),
	}
	w.done.Go(w.listen)
	w.done.Go(w.ring)
	w.done.Go(w.tell)
	return w, nil
}

// Addr is the address it listens on, host:port.
func (w *Waker) Addr() string {
	if w == nil {
		return ""
	}
	return w.conn.LocalAddr().String()
}

// WakeAll tells nodes, soon. It does not block. To itself a node says it by
// calling its managers, which is faster.
func (w *Waker) WakeAll(nodes []dxf.Node) {
	if w == nil || len(nodes) == 0 {
		return
	}
	w.mu.Lock()
	for _, n := range nodes {
		w.due[n.ID] = true
	}
	w.mu.Unlock()
	select {
	case w.send <- struct{}{}:
	default:
	}
}

// HoldAll tells nodes at once to hold clients back for d; 0 ends it.
func (w *Waker) HoldAll(nodes []dxf.Node, d time.Duration) {
	if w == nil {
		return
	}
	word := w.seal(holdWord, d)
	for _, n := range nodes {
		if addr := w.resolve(n.ID); addr != nil {
			_, _ = w.conn.WriteTo(word, addr)
		}
	}
}

// seal makes a datagram of now.
func (w *Waker) seal(word string, hold time.Duration) []byte {
	w.mu.Lock()
	w.last = max(w.last+1, w.cfg.Now().UnixMicro())
	stamp := w.last
	w.mu.Unlock()
	return datagram{word: word, hold: hold, stamp: stamp, sender: w.cfg.UUID}.seal(w.cfg.Secret)
}

// Close stops listening and waits until it has.
func (w *Waker) Close() error {
	if w == nil {
		return nil
	}
	var err error
	w.once.Do(func() {
		close(w.stop)
		err = w.conn.Close()
	})
	w.done.Wait()
	return err
}

// tell sends what is due, at most once per wakeGap in the long run.
func (w *Waker) tell() {
	var b burst
	for {
		select {
		case <-w.stop:
			return
		case <-w.send:
		}
		w.mu.Lock()
		due := w.due
		w.due = make(map[string]bool)
		w.mu.Unlock()
		word := w.seal(wakeWord, 0)
		for node := range due {
			if addr := w.resolve(node); addr != nil {
				// Who is not there polls, or is gone.
				_, _ = w.conn.WriteTo(word, addr)
			}
		}
		if !b.more(time.Now()) && !w.pause() {
			return
		}
	}
}

// resolve returns the address of a node, nil when it has none.
func (w *Waker) resolve(node string) net.Addr {
	w.resolving.Lock()
	defer w.resolving.Unlock()
	if r, ok := w.resolved[node]; ok && time.Since(r.at) < resolveFor {
		return r.addr
	}
	r := resolved{at: time.Now()}
	if addr, err := net.ResolveUDPAddr("udp", node); err == nil {
		r.addr = addr
	}
	w.resolved[node] = r
	return r.addr
}

// listen empties the socket; ring calls wake.
func (w *Waker) listen() {
	buf := make([]byte, maxDatagram)
	heard := make(stamps)
	for {
		n, _, err := w.conn.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // a port that was unreachable, reported late
			if !w.pause() {
				return
			}
		default:
			d, ok := openDatagram(w.cfg.Secret, buf[:n])
			if ok && heard.news(d, w.cfg.Now()) {
				w.take(d)
			}
		}
	}
}

// take does what a datagram asks for.
func (w *Waker) take(d datagram) {
	if d.word == holdWord {
		w.cfg.Hold(d.hold)
		return
	}
	select {
	case w.heard <- struct{}{}:
	default:
	}
}

// ring calls wake for what was heard, at most once per wakeGap in the long run.
func (w *Waker) ring() {
	var b burst
	for {
		select {
		case <-w.stop:
			return
		case <-w.heard:
		}
		w.cfg.Wake()
		if !b.more(time.Now()) && !w.pause() {
			return
		}
	}
}

// A burst counts what has been done lately.
type burst struct {
	busy time.Time // how far wakeGap for each of them reaches
}

// more counts one, and says whether the next may follow at once.
func (b *burst) more(now time.Time) bool {
	if b.busy.Before(now) {
		b.busy = now
	}
	b.busy = b.busy.Add(wakeGap)
	return b.busy.Sub(now) < wakeBurst*wakeGap
}

func (w *Waker) pause() bool {
	t := time.NewTimer(wakeGap)
	defer t.Stop()
	select {
	case <-w.stop:
		return false
	case <-t.C:
		return true
	}
}
