// Package netfault gives tests a network between a node and its store that is slow, or
// that swallows packets: a TCP proxy on the loopback interface.
package netfault

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy hands bytes on between clients and one server.
type Proxy struct {
	target string
	ln     net.Listener
	trip   atomic.Int64 // of a question and its answer, in nanoseconds

	mu    sync.Mutex
	pairs map[*pair]bool
	done  sync.WaitGroup
}

// A pair is one connection, on both sides.
type pair struct {
	client, server net.Conn
	dead           atomic.Bool
}

// Start starts a proxy that ends with the test.
func Start(t testing.TB, target string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, ln: ln, pairs: map[*pair]bool{}}
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Delay lets every question and its answer take so much longer.
func (p *Proxy) Delay(trip time.Duration) { p.trip.Store(int64(trip)) }

// Swallow makes the connections that are open now dead, as a firewall does that has
// lost its state: both ends may say what they like, it is acknowledged, and never
// arrives. Nobody is told. New connections work. It returns how many there were.
func (p *Proxy) Swallow() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		if !c.dead.Swap(true) {
			n++
		}
	}
	return n
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &pair{client: client, server: server}
		p.mu.Lock()
		p.pairs[c] = true
		p.mu.Unlock()
		p.done.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { p.carry(c, client, server) })
			both.Go(func() { p.carry(c, server, client) })
			both.Wait()
			_, _ = client.Close(), server.Close()
			p.mu.Lock()
			delete(p.pairs, c)
			p.mu.Unlock()
		})
	}
}

// parcel is bytes and when they are due.
type parcel struct {
	bytes []byte
	due   time.Time
}

// carry hands on what one end says to the other, until either has closed.
func (p *Proxy) carry(c *pair, from, to net.Conn) {
	way := make(chan parcel, 1024)
	var writing sync.WaitGroup
	writing.Go(func() {
		for b := range way {
			time.Sleep(time.Until(b.due))
			if c.dead.Load() {
				continue
			}
			if _, err := to.Write(b.bytes); err != nil {
				_ = from.Close()
			}
		}
	})
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 {
			way <- parcel{buf[:n], time.Now().Add(time.Duration(p.trip.Load()) / 2)}
		}
		if err != nil {
			close(way)
			writing.Wait()
			if !c.dead.Load() { // else the other end does not learn of it
				if half, ok := to.(interface{ CloseWrite() error }); ok && err == io.EOF {
					_ = half.CloseWrite()
				} else {
					_ = to.Close()
				}
			}
			return
		}
	}
}

func (p *Proxy) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	for c := range p.pairs {
		_, _ = c.client.Close(), c.server.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
}
