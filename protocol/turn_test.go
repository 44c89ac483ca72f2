package protocol

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// greetedID connects, and returns the connection and the id in the greeting.
func greetedID(t *testing.T, addr string) (net.Conn, uint32) {
	t.Helper()
	c := dialGreeting(t, addr)
	g, err := parseGreeting(c.read().payload)
	require.NoError(t, err)
	return c.conn, g.ConnectionID
}

// TestS7OnlySilentClientsLeaveTheirConnection: the next client gets the greeting of
// one that has left without a word, however it did, and of no other: what that sent
// might have been the answer to it.
func TestS7OnlySilentClientsLeaveTheirConnection(t *testing.T) {
	for name, way := range map[string]struct {
		leave func(net.Conn) error
		left  bool
	}{
		"closed": {func(c net.Conn) error { return c.Close() }, true},
		"reset":  {func(c net.Conn) error { _ = c.(*net.TCPConn).SetLinger(0); return c.Close() }, true},
		"half":   {func(c net.Conn) error { return c.(*net.TCPConn).CloseWrite() }, true},
		"a byte": {func(c net.Conn) error { _, _ = c.Write([]byte{1}); return c.Close() }, false},
		"TLS": {func(c net.Conn) error {
			seq := byte(1)
			request := make([]byte, handshakeFixed)
			request[1], request[2] = byte(ClientSSL>>8|ClientProtocol41>>8), 0
			_, _ = c.Write(appendPacket(nil, &seq, request))
			return c.Close()
		}, false},
		"too slow": {func(net.Conn) error { return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv := &Server{HandshakeTimeout: 2 * time.Second}
			addr := startRelay(t, srv)
			conn, first := greetedID(t, addr)
			require.NoError(t, way.leave(conn))
			require.Eventually(t, func() bool { return srv.Stats().Connections == 0 }, 10*time.Second, time.Millisecond)
			_, second := greetedID(t, addr)
			require.Equal(t, way.left, first == second)
			third := dialRaw(t, addr, capsMySQL) // while the second stays
			require.NotEqual(t, second, third.id)
			third.must("SELECT 1")
		})
	}
}

// TestS7ASpareThatTheStoreEnded is not handed on.
func TestS7ASpareThatTheStoreEnded(t *testing.T) {
	srv := &Server{}
	addr := startRelay(t, srv)
	conn, first := greetedID(t, addr)
	conn.Close()
	require.Eventually(t, func() bool { return srv.Stats().Connections == 0 }, 10*time.Second, time.Millisecond)
	dialRaw(t, testStore.Addr(), capsMySQL).must(fmt.Sprintf("KILL %d", first))
	srv.mu.Lock()
	require.Len(t, srv.spares, 1)
	spare := srv.spares[0].socket
	srv.mu.Unlock()
	require.Eventually(t, func() bool { return !quiet(spare) }, 10*time.Second, time.Millisecond)
	next := dialRaw(t, addr, capsMySQL)
	require.NotEqual(t, first, next.id)
	next.must("SELECT 1")
}

// TestS7OneHostDoesNotHoldAllTurns: hosts that say nothing and reconnect at once
// leave some turns to the first other host, and give way to the next ones. Behind
// a balancer the host is who the balancer says.
func TestS7OneHostDoesNotHoldAllTurns(t *testing.T) {
	from := func(addr, host string, proxied bool) (net.Conn, error) {
		if !proxied {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}).DialContext(t.Context(), "tcp", addr)
		}
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_, err = fmt.Fprintf(conn, "PROXY TCP4 %s 192.0.2.1 1000 4000\r\n", host)
		}
		return conn, err
	}
	for _, proxied := range []bool{false, true} {
		t.Run(fmt.Sprintf("proxied %v", proxied), func(t *testing.T) {
			srv := &Server{Log: zap.NewNop(), HandshakeTimeout: time.Minute}
			if proxied {
				srv.ProxyNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
			addr := startRelay(t, srv)
			flood := func(host string) {
				for range 200 {
					conn, err := from(addr, host, proxied)
					require.NoError(t, err)
					go func() { // and comes back at once
						for {
							_ = conn.SetDeadline(time.Now().Add(time.Minute))
							if _, err := conn.Read(make([]byte, 1000)); err == nil {
								continue
							}
							conn.Close()
							if conn, err = from(addr, host, proxied); err != nil {
								return // the relay is gone
							}
						}
					}()
				}
			}
			open := func() int {
				srv.mu.Lock()
				defer srv.mu.Unlock()
				return srv.open
			}
			login := func(host string) time.Duration {
				began := time.Now()
				conn, err := from(addr, host, proxied)
				require.NoError(t, err)
				loginRaw(t, conn, capsMySQL).must("SELECT 1")
				return time.Since(began)
			}
			flood("127.0.0.6")
			require.Eventually(t, func() bool { return open() == maxUnanswered*3/4 }, 10*time.Second, time.Millisecond)
			t.Logf("beside one host in after %v", login("127.0.0.8"))
			flood("127.0.0.7")
			require.Eventually(t, func() bool { return open() == maxUnanswered }, 10*time.Second, time.Millisecond)
			took := login("127.0.0.8")
			t.Logf("beside two hosts in after %v", took)
			require.Less(t, took, 3*loginPatience)
			require.LessOrEqual(t, open(), maxUnanswered)
		})
	}
}
