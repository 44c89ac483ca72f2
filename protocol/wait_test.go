package protocol

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/wire"
)

// A waiting handler waits until its context ends and tells the cause.
func startWaiting(t *testing.T) (addr string, started chan uint32, causes chan error) {
	started, causes = make(chan uint32, 1), make(chan error, 1)
	addr = handling(t, func(ctx context.Context, c *Conn, stmt Statement) Reply {
		started <- c.ID()
		<-ctx.Done()
		causes <- context.Cause(ctx)
		if string(stmt.SQL) == "TEST stubborn" {
			return OK{}
		}
		return nil
	})
	return addr, started, causes
}

func receive[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

func TestKillReachesAWaitingStatement(t *testing.T) {
	addr, started, causes := startWaiting(t)
	killer := dialRaw(t, addr, capsPyMySQL)
	c := dialRaw(t, addr, capsLibMariaDB)

	c.sendText(comQuery, "TEST wait")
	id := receive(t, started)
	require.Equal(t, c.id, id)
	killer.must(fmt.Sprintf("/* now */ kill soft query %d ;", id))
	require.ErrorIs(t, receive(t, causes), ErrQueryKilled)
	_, s := c.response(respQuery)
	require.EqualValues(t, errQueryInterrupted, s.Code)
	c.must("SELECT 1")

	c.sendText(comQuery, "TEST stubborn")
	receive(t, started)
	killer.must(fmt.Sprintf("KILL QUERY %d", id))
	require.ErrorIs(t, receive(t, causes), ErrQueryKilled)
	_, s = c.response(respQuery)
	require.False(t, s.Failed, "the handler may say otherwise")

	c.sendText(comQuery, "TEST wait")
	receive(t, started)
	_, s = killer.query("KILL QUERY 4000000000")
	require.EqualValues(t, 1094, s.Code)
	killer.send(comProcessKill, binary.LittleEndian.AppendUint32(nil, id)...)
	_, s = killer.response(respOne)
	require.False(t, s.Failed)
	require.ErrorIs(t, receive(t, causes), ErrConnectionKilled)
	_, err := readPacket(c.conn, nil, 1000)
	require.Error(t, err, "the connection is closed without a reply")
}

func TestOnlyTheStoreDecidesWhoMayKill(t *testing.T) {
	addr, started, causes := startWaiting(t)
	root := dialRaw(t, addr, capsPyMySQL)
	root.must("CREATE OR REPLACE USER nobody@'%'")
	c := dialRaw(t, addr, capsPyMySQL)
	c.sendText(comQuery, "TEST wait")
	id := receive(t, started)

	nobody := openAs(t, addr, "nobody")
	_, err := nobody.Exec(fmt.Sprintf("KILL QUERY %d", id))
	require.ErrorContains(t, err, "1095")
	root.must(fmt.Sprintf("KILL QUERY %d", id))
	require.ErrorIs(t, receive(t, causes), ErrQueryKilled)
	root.must("DROP USER nobody@'%'")
}

func TestAClientThatLeavesEndsTheWait(t *testing.T) {
	addr, started, causes := startWaiting(t)
	c := dialRaw(t, addr, capsPyMySQL)
	c.sendText(comQuery, "TEST wait")
	receive(t, started)
	require.NoError(t, c.conn.Close())
	require.ErrorIs(t, receive(t, causes), ErrClientGone)
}

func TestPipelinedBehindAWaitingStatement(t *testing.T) {
	release := make(chan struct{})
	addr := handling(t, func(ctx context.Context, c *Conn, _ Statement) Reply {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return OK{AffectedRows: 9}
	})
	c := dialRaw(t, addr, capsGoDriver)
	c.sendText(comQuery, "TEST wait")
	const behind = 200
	long := fmt.Sprintf("SELECT '%01000d'", 0)
	for range behind {
		c.sendText(comQuery, long)
	}
	release <- struct{}{}
	pkts, _ := c.response(respQuery)
	require.Equal(t, byte(9), pkts[0].payload[1])
	for range behind {
		_, s := c.response(respQuery)
		require.False(t, s.Failed)
	}
}

// waitRunning blocks until the store runs a SELECT SLEEP of the client.
func waitRunning(t *testing.T, c *rawClient) {
	t.Helper()
	waitRunningIn(t, testStore.Addr(), c)
}

// waitRunningIn does the same for another store.
func waitRunningIn(t *testing.T, store string, c *rawClient) {
	t.Helper()
	db := open(t, store, "")
	require.Eventually(t, func() bool {
		var n int
		const running = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ? AND info LIKE 'SELECT SLEEP%'"
		require.NoError(t, db.QueryRow(running, c.id).Scan(&n))
		return n == 1
	}, 10*time.Second, 5*time.Millisecond)
}

func TestASessionTheStoreEndsEndsTheWait(t *testing.T) {
	addr, started, causes := startWaiting(t)
	c := dialRaw(t, addr, capsPyMySQL)
	c.sendText(comQuery, "TEST wait")
	receive(t, started)
	dialRaw(t, testStore.Addr(), capsPyMySQL).must(fmt.Sprintf("KILL %d", c.id))
	require.ErrorIs(t, receive(t, causes), ErrConnectionKilled)
	_, err := readPacket(c.conn, nil, 1000)
	require.Error(t, err)
}

// TestACutConnectionIsNoKill: a wait that the network ends is not one that somebody
// has ended.
func TestACutConnectionIsNoKill(t *testing.T) {
	w, err := wire.Listen(testStore.Addr())
	require.NoError(t, err)
	t.Cleanup(w.Close)
	causes, started := make(chan error, 1), make(chan struct{}, 1)
	addr := startRelay(t, &Server{Dial: dialer(w.Addr()), Handler: &testHandler{handle: func(ctx context.Context, _ *Conn, _ Statement) Reply {
		started <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return &Error{Code: errServerLost, State: "08S01", Message: "it goes on"}
	}}})
	c := dialRaw(t, addr, capsPyMySQL)
	c.sendText(comQuery, "TEST wait")
	receive(t, started)
	w.Cut()
	require.ErrorIs(t, receive(t, causes), ErrStoreLost)
	require.Equal(t, "it goes on", parseError(c.read().payload).Message)
}

func TestAbandonedQueryEndsTheSession(t *testing.T) {
	addr := handling(t, func(ctx context.Context, c *Conn, _ Statement) Reply {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		_, err := c.Query(ctx, "SELECT SLEEP(20)")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Error(t, c.Ping(context.Background()))
		return OK{}
	})
	c := dialRaw(t, addr, capsPyMySQL)
	c.sendText(comQuery, "TEST")
	_, s := c.response(respQuery)
	require.EqualValues(t, 1064, s.Code)
	c.sendText(comQuery, "TEST x")
	_, err := readPacket(c.conn, nil, 1000)
	require.Error(t, err)
}

func TestKillStopsAQueryOfTheHandler(t *testing.T) {
	started := make(chan uint32, 1)
	addr := handling(t, func(ctx context.Context, c *Conn, _ Statement) Reply {
		started <- c.ID()
		_, err := c.Query(ctx, "SELECT SLEEP(20)")
		var refusal *Error
		require.ErrorAs(t, err, &refusal)
		require.EqualValues(t, errQueryInterrupted, refusal.Code)
		_, err = c.Query(ctx, "SELECT 1")
		require.NoError(t, err, "the session lives on")
		return nil
	})
	killer := dialRaw(t, addr, capsPyMySQL)
	c := dialRaw(t, addr, capsPyMySQL)
	c.sendText(comQuery, "TEST wait")
	id := receive(t, started)
	waitRunning(t, c)
	killer.must(fmt.Sprintf("KILL QUERY %d", id))
	_, s := c.response(respQuery)
	require.EqualValues(t, errQueryInterrupted, s.Code)
	c.must("SELECT 1")
}

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

func TestTooManyConnections(t *testing.T) {
	addr := startRelay(t, &Server{MaxConnections: 1})
	first := dialRaw(t, addr, capsPyMySQL)
	second := dialGreeting(t, addr)
	e := parseError(second.read().payload)
	require.EqualValues(t, errTooManyConnections, e.Code)
	require.Equal(t, "Too many connections", e.Message)
	first.send(comQuit)
	require.Eventually(t, func() bool {
		c := dialGreeting(t, addr)
		defer c.conn.Close()
		return c.read().payload[0] == 10
	}, 10*time.Second, time.Millisecond)
}

func TestTooManyHandshakes(t *testing.T) {
	srv := &Server{MaxHandshakes: 1}
	addr := startRelay(t, srv)
	none := func() bool { return srv.Stats().Handshakes == 0 }
	dialRaw(t, addr, capsPyMySQL)
	require.Eventually(t, none, 10*time.Second, time.Millisecond)
	slow := dialGreeting(t, addr)
	slow.read()
	refused := dialGreeting(t, addr)
	require.EqualValues(t, errTooManyConnections, parseError(refused.read().payload).Code)
	require.EqualValues(t, 1, srv.Stats().Refused)
	slow.conn.Close()
	require.Eventually(t, none, 10*time.Second, time.Millisecond)
	dialRaw(t, addr, capsPyMySQL)
}

func TestStats(t *testing.T) {
	srv := &Server{Handler: &testHandler{handle: func(context.Context, *Conn, Statement) Reply { return OK{} }}}
	addr := startRelay(t, srv)
	dialRaw(t, addr, capsPyMySQL).must("SELECT 1")
	c := dialRaw(t, addr, capsPyMySQL)
	c.must("TEST a")
	c.send(comQuit)
	require.Eventually(t, func() bool { return srv.Stats().Connections == 1 }, 10*time.Second, time.Millisecond)
	st := srv.Stats()
	require.EqualValues(t, 2, st.Accepted)
	require.EqualValues(t, 3, st.Commands)
	require.EqualValues(t, 1, st.Intercepted)
	require.Zero(t, st.Failed)
	require.Greater(t, st.BytesIn, uint64(50))
	require.Greater(t, st.BytesOut, uint64(50))
}

func TestStoreThatDoesNotAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := ln.Addr().String()
	ln.Close()
	addr := startRelay(t, &Server{Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", closed)
	}})
	e := parseError(dialGreeting(t, addr).read().payload)
	require.EqualValues(t, errStoreUnreachable, e.Code)
	require.Contains(t, e.Message, "connection refused")
	_, err = open(t, addr, "").Exec("DO 1")
	require.ErrorContains(t, err, "1053")
}

func TestSilentClientIsCutOff(t *testing.T) {
	addr := startRelay(t, &Server{HandshakeTimeout: 50 * time.Millisecond})
	c := dialGreeting(t, addr)
	c.read()
	_, err := readPacket(c.conn, nil, 1000)
	require.Error(t, err)
}

func TestHandshakesThatAreNone(t *testing.T) {
	addr := startRelay(t, &Server{HandshakeTimeout: 5 * time.Second})
	for name, payload := range map[string][]byte{
		"empty":        {},
		"short":        {1, 2, 3},
		"no protocol":  make([]byte, 40),
		"ssl request":  append(binary.LittleEndian.AppendUint32(nil, uint32(capsMySQL|ClientSSL)), make([]byte, 28)...),
		"far too long": make([]byte, 70_000),
	} {
		t.Run(name, func(t *testing.T) {
			c := dialGreeting(t, addr)
			c.read()
			seq := byte(1)
			_, err := c.conn.Write(appendPacket(nil, &seq, payload))
			require.NoError(t, err)
			pkt, err := readPacket(c.conn, nil, 1000)
			if name == "far too long" && err != nil {
				return // the close overtook the answer
			}
			require.NoError(t, err)
			require.EqualValues(t, errHandshake, parseError(pkt[headerSize:]).Code)
		})
	}
}

// TestStoreLostBetweenAndDuringStatements kills the store's side.
func TestStoreLostBetweenAndDuringStatements(t *testing.T) {
	addr := startRelay(t, &Server{})
	root := dialRaw(t, testStore.Addr(), capsPyMySQL)
	c := dialRaw(t, addr, capsPyMySQL)
	c.must("SELECT 1")
	root.must(fmt.Sprintf("KILL %d", c.id)) // and the idle client hears of it
	if pkt, err := readPacket(c.conn, nil, 1000); err == nil {
		require.Equal(t, byte(0xff), pkt[headerSize])
		require.Equal(t, byte(1), pkt[3], "numbered as the answer the client waits for")
		_, err = readPacket(c.conn, nil, 1000)
		require.Error(t, err)
	}

	c = dialRaw(t, addr, capsPyMySQL)
	c.sendText(comQuery, "SELECT SLEEP(30)")
	waitRunning(t, c)
	root.must(fmt.Sprintf("KILL %d", c.id))
	for { // what had been sent, an ERR of the store's or of ours, and the end
		pkt, err := readPacket(c.conn, nil, 1000)
		if err != nil {
			break
		}
		if pkt[headerSize] == 0xff {
			require.Contains(t, []uint16{1927, errServerLost}, parseError(pkt[headerSize:]).Code)
		}
	}
}
