//go:build linux

package protocol

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestClientHangsUp: what the server does with a statement whose client hangs
// up it does behind the relay too. It breaks off a SLEEP, at the fifth second,
// when it meets the end of the connection and nothing before it.
func TestClientHangsUp(t *testing.T) {
	a := newAuthority(t)
	store := startTLSStore(t, a)
	relay := startRelay(t, &Server{
		Dial: dialer(store.Addr()), TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}},
	})
	socket := func(c *rawClient) *net.TCPConn { return socketOf(c.conn).(*net.TCPConn) }
	ways := map[string]struct {
		leave  func(c *rawClient) error
		broken bool // the statement is broken off
		reads  int  // responses that the client still reads
	}{
		"half":  {func(c *rawClient) error { return socket(c).CloseWrite() }, true, 1},
		"close": {func(c *rawClient) error { return socket(c).Close() }, true, 0},
		"reset": {func(c *rawClient) error { _ = socket(c).SetLinger(0); return socket(c).Close() }, true, 0},
		"quit":  {func(c *rawClient) error { c.send(comQuit); return socket(c).Close() }, false, 0},
		"more":  {func(c *rawClient) error { c.sendText(comQuery, "SELECT 0"); return socket(c).CloseWrite() }, false, 2},
	}
	type left struct {
		*rawClient
		broken bool
		reads  int
		when   time.Time
	}
	gone := map[string]left{}
	for name, way := range ways {
		for at, addr := range map[string]string{"server": store.Addr(), "relay": relay} {
			for how, caps := range map[string]Capability{"plain": capsMySQL, "TLS": capsMySQL | ClientSSL} {
				c := dialRaw(t, addr, caps)
				c.sendText(comQuery, "SELECT SLEEP(8)")
				waitRunningIn(t, store.Addr(), c)
				gone[name+" "+at+" "+how] = left{c, way.broken, way.reads, time.Now()}
				require.NoError(t, way.leave(c))
			}
		}
	}

	db := open(t, store.Addr(), "")
	require.Eventually(t, func() bool {
		for name, c := range gone {
			const running = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ? AND info LIKE 'SELECT SLEEP%'"
			var n int
			require.NoError(t, db.QueryRow(running, c.id).Scan(&n))
			if n == 1 {
				continue
			}
			require.Equal(t, c.broken, time.Since(c.when) < 7*time.Second, name)
			for range c.reads {
				pkts, _ := c.response(respQuery)
				require.Equal(t, "0", string(pkts[2].payload[1:]), name)
			}
			delete(gone, name)
		}
		return len(gone) == 0
	}, 20*time.Second, 20*time.Millisecond)
}
