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
