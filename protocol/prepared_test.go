package protocol

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestR3PreparedStatementsAreBounded: prepared statements of ours cost the store
// nothing, so it does not bound them.
func TestR3PreparedStatementsAreBounded(t *testing.T) {
	srv := &Server{Handler: &testHandler{handle: func(context.Context, *Conn, Statement) Reply { return Local{} }}}
	addr := startRelay(t, srv)
	text := "TEST " + strings.Repeat("x", 20_000)
	fill := func(c *rawClient) (ids []uint32) {
		for len(ids) < 1000 {
			c.sendText(comStmtPrepare, text)
			_, s := c.response(respPrepare)
			if s.Failed {
				require.EqualValues(t, 1461, s.Code)
				return ids
			}
			ids = append(ids, s.StmtID)
		}
		return ids
	}
	c := dialRaw(t, addr, capsMySQL)
	ids := fill(c)
	require.Less(t, len(ids), maxKept/len(text)+1)
	c.send(comStmtClose, byte(ids[0]), byte(ids[0]>>8), byte(ids[0]>>16), byte(ids[0]>>24))
	c.prepare(text)
	require.Len(t, fill(dialRaw(t, addr, capsMySQL)), len(ids), "another session has its own room")

	c.send(comResetConnection)
	c.response(respOne)
	require.Len(t, fill(c), len(ids))

	// What all sessions keep leaves a little to each.
	srv.kept.Add(maxKeptAll)
	d := dialRaw(t, addr, capsMySQL)
	d.sendText(comStmtPrepare, text)
	_, s := d.response(respPrepare)
	require.EqualValues(t, 1461, s.Code)
	d.prepare(text[:1000])
	srv.kept.Add(-maxKeptAll)
	c.conn.Close()
	d.conn.Close()
	require.Eventually(t, func() bool { return srv.kept.Load() == int64(len(ids)*(len(text)+keptBeside)) }, 10*time.Second, time.Millisecond)
}

// TestR6RefusedChangeOfUser: MariaDB goes on with a session whose change of user it has
// refused, and has reset it; the log says who was to come in.
func TestR6RefusedChangeOfUser(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	values := make(chan any, 2)
	srv := &Server{Log: zap.New(core), Handler: &testHandler{handle: func(_ context.Context, c *Conn, stmt Statement) Reply {
		if stmt.Prepared {
			return OnExecute{}
		}
		values <- c.Value()
		c.SetValue("mine")
		return OK{}
	}}}
	addr := startRelay(t, srv)
	c := dialRaw(t, addr, capsPyMySQL)
	c.must("TEST one")
	require.Nil(t, <-values)
	const name = "nobody\x1b of this name"
	c.sendText(comChangeUser, name+"\x00\x00\x00\x2d\x00mysql_native_password\x00")
	p := c.read()
	for p.payload[0] == 0xfe {
		c.write(p.seq+1, nil)
		p = c.read()
	}
	require.Equal(t, byte(0xff), p.payload[0])
	refused := func() []observer.LoggedEntry { return logs.FilterMessage("login refused").All() }
	require.Eventually(t, func() bool { return len(refused()) > 0 }, 10*time.Second, time.Millisecond)
	require.Equal(t, name, refused()[0].ContextMap()["user"])
	c.sendText(comQuery, "TEST two")
	if _, err := readPacket(c.conn, nil, 1<<20); err != nil {
		return // MySQL has ended it
	}
	require.Nil(t, <-values, "the state of a session that was reset")
}
