package protocol

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startStoppable is startRelay with the means to stop it.
func startStoppable(t *testing.T, srv *Server) (addr string, stop context.CancelFunc, done chan error) {
	t.Helper()
	if srv.Dial == nil {
		srv.Dial = dialStore
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	done = make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	return ln.Addr().String(), stop, done
}

func TestShutdownWaitsForTransactions(t *testing.T) {
	addr, stop, done := startStoppable(t, &Server{DrainTimeout: time.Minute})
	idle := dialRaw(t, addr, capsPyMySQL)
	idle.must("SELECT 1")
	busy := dialRaw(t, addr, capsPyMySQL)
	busy.must("BEGIN")
	running := dialRaw(t, addr, capsPyMySQL)
	running.sendText(comQuery, "SELECT SLEEP(0.3), CONNECTION_ID()")
	waitRunning(t, running)

	stop()
	_, err := readPacket(idle.conn, nil, 1000)
	require.Error(t, err, "idle sessions are closed")
	_, err = net.Dial("tcp", addr)
	require.Error(t, err, "nobody is let in")
	_, s := running.response(respQuery)
	require.False(t, s.Failed)
	busy.must("SELECT 1")
	busy.must("COMMIT")
	_, err = readPacket(busy.conn, nil, 1000)
	require.Error(t, err)
	require.NoError(t, receive(t, done))
}

func TestShutdownCutsWhoStays(t *testing.T) {
	causes, started := make(chan error, 1), make(chan struct{}, 1)
	h := &testHandler{handle: func(ctx context.Context, c *Conn, _ Statement) Reply {
		_ = c.Progress(1, 1, 50, "")
		started <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return OK{}
	}}
	addr, stop, done := startStoppable(t, &Server{DrainTimeout: 50 * time.Millisecond, Handler: h})
	busy := dialRaw(t, addr, capsPyMySQL)
	busy.must("BEGIN")
	waiting := dialRaw(t, addr, capsLibMariaDB)
	waiting.sendText(comQuery, "TEST wait")
	receive(t, started)
	running := dialRaw(t, addr, capsPyMySQL)
	running.sendText(comQuery, "SELECT SLEEP(30)")
	waitRunning(t, running)
	halfway := dialRaw(t, addr, capsPyMySQL)
	halfway.sendText(comQuery, "SELECT SLEEP(0), REPEAT('x', 100000) UNION ALL SELECT SLEEP(30), 'y'")
	require.Equal(t, []byte{2}, halfway.read().payload)
	dialGreeting(t, addr).read()
	stop()
	require.NoError(t, receive(t, done))
	require.ErrorIs(t, receive(t, causes), ErrShutdown)

	require.Equal(t, byte(0xff), waiting.read().payload[0], "the progress report")
	for _, c := range []*rawClient{busy, waiting, running} {
		p := c.read()
		e := parseError(p.payload)
		require.EqualValues(t, errServerShutdown, e.Code)
		require.Equal(t, "08S01", e.State)
		want := byte(1)
		if c == waiting {
			want = 2
		}
		require.Equal(t, want, p.seq, "numbered as the answer the client waits for, or will")
		_, err := readPacket(c.conn, nil, 1000)
		require.Error(t, err)
	}
	for {
		pkt, err := readPacket(halfway.conn, nil, 1<<20)
		if err != nil {
			break
		}
		require.NotEqual(t, byte(0xff), pkt[headerSize], "nothing of ours in the middle of a response")
	}
}
