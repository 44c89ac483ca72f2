package sourcetest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Door is an address that stays while what is behind it changes: nodes are told
// at their start which addresses they may ask.
type Door struct {
	listener net.Listener
	behind   atomic.Value // host:port
	work     sync.WaitGroup
}

// NewDoor leads to an endpoint, until the end of the test or To.
func NewDoor(t testing.TB, endpoint string) *Door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &Door{listener: l}
	d.To(t, endpoint)
	d.work.Go(d.accept)
	t.Cleanup(func() {
		l.Close()
		d.work.Wait()
	})
	return d
}

// Endpoint is where the door is.
func (d *Door) Endpoint() string { return "http://" + d.listener.Addr().String() }

// To leads connections that come from now on to another endpoint.
func (d *Door) To(t testing.TB, endpoint string) {
	t.Helper()
	u, err := url.Parse(endpoint)
	require.NoError(t, err)
	d.behind.Store(u.Host)
}

func (d *Door) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", d.behind.Load().(string))
		if err != nil {
			client.Close()
			continue
		}
		go join(server, client)
		go join(client, server)
	}
}

// join carries what one side sends to the other, and ends both with it.
func join(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}
