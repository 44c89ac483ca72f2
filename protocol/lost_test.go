package protocol

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/mariadbd/mariadbdtest"
)

// TestStoreKilledUnderAStatement kills the whole server, which says nothing, at
// different moments of a statement.
func TestStoreKilledUnderAStatement(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	store := mariadbdtest.StartT(t)
	addr := startRelay(t, &Server{Dial: dialer(store.Addr()), Log: zap.New(core)})
	idle := dialRaw(t, addr, capsMySQL)
	waiting := dialRaw(t, addr, capsMySQL)
	waiting.sendText(comQuery, "SELECT SLEEP(100) FROM nowhere.nothing")
	_, s := waiting.response(respQuery)
	require.True(t, s.Failed)
	waiting.sendText(comQuery, "SELECT SLEEP(100)")
	waitRunningIn(t, store.Addr(), waiting)
	halfway := dialRaw(t, addr, capsMySQL)
	halfway.sendText(comQuery, "SELECT SLEEP(0), REPEAT('x', 100000) UNION ALL SELECT SLEEP(100), 'y'")
	require.Equal(t, []byte{2}, halfway.read().payload)
	store.Kill()

	p := waiting.read()
	e := parseError(p.payload)
	require.EqualValues(t, errServerLost, e.Code)
	require.Equal(t, "08S01", e.State)
	require.Equal(t, byte(1), p.seq)
	for _, c := range []*rawClient{idle, waiting, halfway} {
		rest, err := io.ReadAll(c.conn)
		require.False(t, err != nil && isTimeout(err))
		require.NotContains(t, string(rest), "dxfproxy")
	}
	require.Eventually(t, func() bool {
		return logs.FilterMessage("the store hung up on a statement").Len() == 2 // of waiting and halfway
	}, 10*time.Second, time.Millisecond)
	e = parseError(dialGreeting(t, addr).read().payload)
	require.EqualValues(t, errStoreUnreachable, e.Code)
}

// TestStoreThatTakesNoMore: a request is on its way when the store goes.
func TestStoreThatTakesNoMore(t *testing.T) {
	client, front := socketPair(t)
	back, store := socketPair(t)
	c := newConn(&Server{}, front)
	c.store, c.loggedIn, c.caps = back, true, capsMySQL
	store.(*net.TCPConn).SetLinger(0)
	store.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := c.await()
		if err == nil {
			err = c.command()
		}
		c.explain(err)
		front.Close()
	}()
	require.NoError(t, client.SetDeadline(time.Now().Add(time.Minute)))
	raw := &rawClient{t: t, conn: client, caps: capsMySQL}
	raw.sendText(comQuery, "INSERT INTO t VALUES ('"+string(bytes.Repeat([]byte("x"), 1000))+"')")
	p := raw.read()
	require.EqualValues(t, errServerLost, parseError(p.payload).Code)
	require.Equal(t, byte(1), p.seq)
	<-done
}

// TestEndsUnderTLS: a session under TLS ends as others do. The store hangs up on
// it, and a shutdown cuts its transaction off.
func TestEndsUnderTLS(t *testing.T) {
	a := newAuthority(t)
	store := startTLSStore(t, a)
	addr, stop, done := startStoppable(t, &Server{
		Dial: dialer(store.Addr()), TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}, DrainTimeout: 50 * time.Millisecond,
	})
	root := dialRaw(t, store.Addr(), capsPyMySQL)
	idle := dialRaw(t, addr, capsMySQL|ClientSSL)
	idle.must("DO 1")
	root.must(fmt.Sprintf("KILL %d", idle.id))
	for {
		if _, err := readPacket(idle.conn, nil, 1000); err != nil {
			require.False(t, isTimeout(err))
			break
		}
	}
	busy := dialRaw(t, addr, capsMySQL|ClientSSL)
	busy.must("BEGIN")
	running := dialRaw(t, addr, capsMySQL|ClientSSL)
	running.sendText(comQuery, "SELECT SLEEP(30)")
	waitRunningIn(t, store.Addr(), running)
	stop()
	require.NoError(t, receive(t, done))
	for _, c := range []*rawClient{busy, running} {
		require.EqualValues(t, errServerShutdown, parseError(c.read().payload).Code)
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
