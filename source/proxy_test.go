package source_test

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

// A wire stands between a source and its server and can be bent: it is a TCP
// proxy.
type wire struct {
	listener net.Listener
	server   string

	cutAfter   atomic.Int64 // bytes of a connection towards the client; then it is reset
	stallAfter atomic.Int64 // bytes of a connection; then nothing comes any more
	trickle    atomic.Int64 // nanoseconds between two pieces of 4 KiB
	refuse     atomic.Bool  // no new connections
	taken      atomic.Int64 // connections so far

	work  sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
	done  chan struct{}
}

// newWire leads to the server of an endpoint.
func newWire(t *testing.T, endpoint string) *wire {
	t.Helper()
	u, err := url.Parse(endpoint)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: l, server: u.Host, conns: map[net.Conn]bool{}, done: make(chan struct{})}
	w.work.Add(1)
	go w.accept()
	t.Cleanup(w.close)
	return w
}

func (w *wire) endpoint() string { return "http://" + w.listener.Addr().String() }

func (w *wire) close() {
	close(w.done)
	w.listener.Close()
	w.mu.Lock()
	for c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.work.Wait()
}

func (w *wire) accept() {
	defer w.work.Done()
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.taken.Add(1)
		server, err := net.Dial("tcp", w.server)
		if err != nil || w.refuse.Load() {
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
			io.Copy(server, client)
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
func (w *wire) answer(client, server net.Conn) {
	piece := make([]byte, 4<<10)
	for sent := int64(0); ; {
		if stall := w.stallAfter.Load(); stall > 0 && sent >= stall {
			<-w.done
			return
		}
		part := piece
		if cut := w.cutAfter.Load(); cut > 0 {
			if sent >= cut {
				client.(*net.TCPConn).SetLinger(0)
				return
			}
			part = piece[:min(int64(len(piece)), cut-sent)]
		}
		n, err := server.Read(part)
		if err != nil {
			return
		}
		if pause := w.trickle.Load(); pause > 0 {
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
