//go:build linux

package protocol

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// longAnswer is far more than all buffers between a store and a client hold.
const longAnswer = "SELECT REPEAT('x', 1000000) FROM information_schema.COLUMNS"

// TestS25ClientsThatNeverRead: their sockets and places come back, whether the
// store still waits for them or has given them up, and under TLS too. A client
// that is slow stays.
func TestS25ClientsThatNeverRead(t *testing.T) {
	a := newAuthority(t)
	for name, store := range map[string][]string{"the store waits": {"net_write_timeout=600"}, "the store gives up": {"net_write_timeout=1"}} {
		for how, caps := range map[string]Capability{"": capsMySQL, " under TLS": capsMySQL | ClientSSL} {
			t.Run(name+how, func(t *testing.T) {
				limit := 2 * time.Second
				if store[0] == "net_write_timeout=1" {
					limit = 4 * time.Second
				}
				srv := &Server{
					Dial: dialer(mariadbdtest.StartT(t, store...).Addr()), WriteTimeout: limit,
					TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}},
				}
				addr := startRelay(t, srv)
				slow := dialRaw(t, addr, caps)
				slow.must("SET net_write_timeout = 600")
				slow.sendText(comQuery, longAnswer+" LIMIT 40")
				for range 5 {
					c := dialRaw(t, addr, caps)
					c.sendText(comQuery, longAnswer)
				}
				require.Eventually(t, func() bool {
					_, _ = io.CopyN(io.Discard, slow.conn, 100_000)
					return srv.Stats().Connections == 1
				}, 20*time.Second, 100*time.Millisecond)
			})
		}
	}
}

// TestS25HalfARequest: a client that stops in the middle of a request goes when the
// store has given it up.
func TestS25HalfARequest(t *testing.T) {
	srv := &Server{WriteTimeout: 2 * time.Second}
	addr := startRelay(t, srv)
	c := dialRaw(t, addr, capsMySQL)
	c.must("SET wait_timeout = 1, net_read_timeout = 1")
	_, err := c.conn.Write(append([]byte{0, 0, 0x40, 0, comQuery}, bytes.Repeat([]byte("x"), 3<<20)...))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return srv.Stats().Connections == 0 }, 20*time.Second, 10*time.Millisecond)
	e := parseError(c.read().payload)
	require.Contains(t, []uint16{errServerLost, 1159, 1160}, e.Code) // or what the store said last
}

// TestS25ProgressThatNobodyReads: a client that waits for a job and reads nothing
// of its progress goes too.
func TestS25ProgressThatNobodyReads(t *testing.T) {
	if strings.Contains(os.Getenv("DXFPROXY_TEST_BASEDIR"), "mysql") {
		t.Skip("MySQL's clients are told of no progress")
	}
	h := &testHandler{handle: func(ctx context.Context, c *Conn, _ Statement) Reply {
		for ctx.Err() == nil {
			if c.Progress(1, 1, 50, string(bytes.Repeat([]byte("x"), 200))) != nil {
				<-ctx.Done()
			}
		}
		return nil
	}}
	srv := &Server{Handler: h, WriteTimeout: time.Second}
	addr := startRelay(t, srv)
	c := dialRaw(t, addr, capsLibMariaDB)
	require.NoError(t, c.conn.(*net.TCPConn).SetReadBuffer(4096))
	c.sendText(comQuery, "TEST wait")
	require.Eventually(t, func() bool { return srv.Stats().Connections == 0 }, 20*time.Second, 10*time.Millisecond)
}

// TestR10ShutdownWaitsForNobodyWhoStands: a client that reads nothing of its answer, or has
// stopped in the middle of a request, does not hold up a shutdown.
func TestR10ShutdownWaitsForNobodyWhoStands(t *testing.T) {
	for name, stand := range map[string]func(c *rawClient){
		"an answer":       func(c *rawClient) { c.sendText(comQuery, longAnswer) },
		"a header":        func(c *rawClient) { _, _ = c.conn.Write([]byte{9, 0}) },
		"a short request": func(c *rawClient) { _, _ = c.conn.Write([]byte{9, 0, 0, 0, comQuery, 'S'}) },
		"a long request": func(c *rawClient) {
			_, _ = c.conn.Write(append([]byte{0, 0, 0x40, 0, comQuery}, bytes.Repeat([]byte("x"), 1<<20)...))
		},
		"what is discarded": func(c *rawClient) {
			id := c.prepare("TEST local")
			_, _ = c.conn.Write([]byte{9, 0, 0, 0, comStmtSendLongData, byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := &Server{
				Dial: dialStore, DrainTimeout: time.Minute,
				Handler: &testHandler{handle: func(context.Context, *Conn, Statement) Reply { return Local{} }},
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(ctx, ln) }()
			c := dialRaw(t, ln.Addr().String(), capsMySQL)
			before := srv.Stats()
			stand(c)
			require.Eventually(t, func() bool { return srv.Stats() != before || name == "a header" }, 10*time.Second, time.Millisecond)
			cancel()
			select {
			case err := <-ended:
				require.NoError(t, err)
			case <-time.After(20 * time.Second):
				t.Fatal("the node is still there")
			}
		})
	}
}
