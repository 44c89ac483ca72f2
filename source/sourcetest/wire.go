package sourcetest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Wire stands between a source and its server and can be bent: it is a TCP
// proxy.
type Wire struct {
	listener net.Listener
	server   string

	CutAfter   atomic.Int64 // bytes of a connection towards the client; then it is reset
	StallAfter atomic.Int64 // bytes of a connection; then nothing comes any more
	Trickle    atomic.Int64 // nanoseconds between two pieces of 4 KiB
	Refuse     atomic.Bool  // no new connections
	Taken      atomic.Int64 // connections so far

	work  sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
	done  chan struct{}
}

// NewWire leads to the server of an endpoint.
func NewWire(t testing.TB, endpoint string) *Wire {
	t.Helper()
	u, err := url.Parse(endpoint)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &Wire{listener: l, server: u.Host, conns: map[net.Conn]bool{}, done: make(chan struct{})}
	w.work.Add(1)
	go w.accept()
	t.Cleanup(w.close)
	return w
}

// Endpoint is where the wire begins.
func (w *Wire) Endpoint() string { return "http://" + w.listener.Addr().String() }

func (w *Wire) close() {
	close(w.done)
	w.listener.Close()
	w.mu.Lock()
	for c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.work.Wait()
}

func (w *Wire) accept() {
	defer w.work.Done()
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.Taken.Add(1)
		server, err := net.Dial("tcp", w.server)
		if err != nil || w.Refuse.Load() {
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		w.mu.Lock()
		w.conns[client], w.conns[server] = true, true
		w.mu.Unlock()
		w.work.Add(2)
		go func() {
			defer w.work.Done()
			_, _ = io.Copy(server, client)
			server.Close()
		}()
		go func() {
			defer w.work.Done()
			w.answer(client, server)
			client.Close()
			server.Close()
		}()
	}
}

// answer carries what the server sends.
func (w *Wire) answer(client, server net.Conn) {
	piece := make([]byte, 4<<10)
	for sent := int64(0); ; {
		if stall := w.StallAfter.Load(); stall > 0 && sent >= stall {
			<-w.done
			return
		}
		part := piece
		if cut := w.CutAfter.Load(); cut > 0 {
			if sent >= cut {
				_ = client.(*net.TCPConn).SetLinger(0)
				return
			}
			part = piece[:min(int64(len(piece)), cut-sent)]
		}
		n, err := server.Read(part)
		if err != nil {
			return
		}
		if pause := w.Trickle.Load(); pause > 0 {
			select {
			case <-time.After(time.Duration(pause)):
			case <-w.done:
				return
			}
		}
		if _, err := client.Write(part[:n]); err != nil {
			return
		}
		sent += int64(n)
	}
}
