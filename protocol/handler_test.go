package protocol

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A testHandler matches statements that start with "TEST " or "ALTER", and
// answers them with a function.
type testHandler struct {
	handle func(ctx context.Context, c *Conn, stmt Statement) Reply
}

func (h *testHandler) Match(sql []byte, _ StatusFlags) bool {
	return bytes.HasPrefix(sql, []byte("TEST ")) || bytes.HasPrefix(sql, []byte("ALTER "))
}

func (h *testHandler) Handle(ctx context.Context, c *Conn, stmt Statement) Reply {
	return h.handle(ctx, c, stmt)
}

// handling starts a relay whose matched statements f answers.
func handling(t *testing.T, f func(ctx context.Context, c *Conn, stmt Statement) Reply) (addr string) {
	return startRelay(t, &Server{Handler: &testHandler{handle: f}})
}

var allReplies = []struct {
	sql   string
	reply Reply
}{
	{"TEST ok", OK{}},
	{"TEST full", OK{AffectedRows: 300, Info: "done", Warnings: []Warning{{"Note", 1, "n"}, {"Note", 2, "m"}}}},
	{"TEST error", &Error{8200, "HY000", "not today"}},
	{"TEST empty", &ResultSet{Columns: []Column{{Name: "a"}}}},
	{"TEST rows", &ResultSet{
		Columns: []Column{{Name: "id", Type: TypeLongLong}, {Name: "name", Table: "jobs"}, {Name: "at", Type: TypeDatetime}, {Name: "n", Type: TypeLong}, {Name: "f", Type: TypeDouble}, {Name: "b", Type: TypeTiny}},
		Rows: [][]any{
			{int64(1), "one", time.Date(2026, 11, 21, 5, 0, 1, 250000000, time.UTC), 7, 1.5, true},
			{nil, nil, nil, nil, nil, nil},
			{uint64(1<<63 + 5), []byte("zwei"), "2026-11-21 05:00:01", "8", "2.5", false},
		},
	}},
}

func replyTo(sql []byte) Reply {
	for _, r := range allReplies {
		if string(sql) == r.sql {
			return r.reply
		}
	}
	return &Error{Code: 1064, State: "42000", Message: "unexpected"}
}

// TestRepliesInEveryFraming reads every kind of reply as text and as binary rows
// with every client's capabilities, and then shows that the session goes on.
func TestRepliesInEveryFraming(t *testing.T) {
	addr := handling(t, func(_ context.Context, c *Conn, stmt Statement) Reply {
		if stmt.Prepared {
			if r, ok := replyTo(stmt.SQL).(*ResultSet); ok {
				return Local{Columns: r.Columns}
			}
			return Local{}
		}
		return replyTo(stmt.SQL)
	})
	for _, client := range traceClients {
		t.Run(client.name, func(t *testing.T) {
			c := dialRaw(t, addr, client.caps)
			for _, r := range allReplies {
				pkts, s := c.query(r.sql)
				checkReply(t, c, r.reply, pkts, s, false)
				id := c.prepare(r.sql)
				require.GreaterOrEqual(t, id, uint32(firstLocalID))
				pkts, s = c.execute(id, 0)
				checkReply(t, c, r.reply, pkts, s, true)
				pkts, s = c.execute(lastPreparedID, 1) // a cursor is asked for, rows are given
				checkReply(t, c, r.reply, pkts, s, true)
				c.must("SELECT 1")

				idBytes := binary.LittleEndian.AppendUint32(nil, id)
				c.send(comStmtSendLongData, append(idBytes, 0, 0, 'x')...)
				c.send(comStmtReset, idBytes...)
				_, s = c.response(respOne)
				require.False(t, s.Failed)
				c.send(comStmtFetch, append(idBytes, 1, 0, 0, 0)...)
				_, s = c.response(respRows)
				require.EqualValues(t, errNoCursor, s.Code)
				c.send(comStmtClose, idBytes...)
				_, s = c.execute(id, 0)
				require.EqualValues(t, 1243, s.Code, "the store does not know it")
			}
		})
	}
}

func checkReply(t *testing.T, c *rawClient, reply Reply, pkts []rawPacket, s *scanner, isBinary bool) {
	t.Helper()
	for i, p := range pkts {
		require.EqualValues(t, i+1, p.seq)
	}
	switch r := reply.(type) {
	case OK:
		require.Len(t, pkts, 1)
		require.False(t, s.Failed)
		require.EqualValues(t, len(r.Warnings), s.Warnings)
		require.True(t, bytes.HasSuffix(pkts[0].payload, []byte(r.Info)))
	case *Error:
		require.Len(t, pkts, 1)
		require.Equal(t, r, parseError(pkts[0].payload))
	case *ResultSet:
		defs := pkts[1 : 1+len(r.Columns)]
		for i, p := range defs {
			col, err := parseColumn(p.payload, c.caps)
			require.NoError(t, err)
			require.Equal(t, r.Columns[i].Name, col.Name)
			require.Equal(t, r.Columns[i].typ(), col.Type)
		}
		rows := pkts[1+len(r.Columns) : len(pkts)-1]
		if !c.caps.Has(ClientDeprecateEOF) {
			require.Equal(t, byte(0xfe), rows[0].payload[0])
			rows = rows[1:]
		}
		require.Len(t, rows, len(r.Rows))
		if len(rows) == 0 {
			return
		}
		if isBinary {
			require.Equal(t, "\x00\x00"+
				"\x01\x00\x00\x00\x00\x00\x00\x00"+"\x03one"+"\x0b\xea\x07\x0b\x15\x05\x00\x01\x90\xd0\x03\x00"+
				"\x07\x00\x00\x00"+"\x00\x00\x00\x00\x00\x00\xf8\x3f"+"\x01", string(rows[0].payload))
			require.Equal(t, "\x00\xfc", string(rows[1].payload))
			return
		}
		row, err := parseTextRow(rows[0].payload, len(r.Columns))
		require.NoError(t, err)
		require.Equal(t, []any{"1", "one", "2026-11-21 05:00:01.25", "7", "1.5", "1"}, row)
		row, err = parseTextRow(rows[1].payload, len(r.Columns))
		require.NoError(t, err)
		require.Equal(t, []any{nil, nil, nil, nil, nil, nil}, row)
		row, err = parseTextRow(rows[2].payload, len(r.Columns))
		require.NoError(t, err)
		require.Equal(t, []any{"9223372036854775813", "zwei", "2026-11-21 05:00:01", "8", "2.5", "0"}, row)
	}
}

func TestForwardAndRewrite(t *testing.T) {
	outcome := make(chan bool, 4)
	done := func(ok bool) { outcome <- ok }
	addr := handling(t, func(_ context.Context, c *Conn, stmt Statement) Reply {
		sql, _, _ := bytes.Cut(stmt.SQL, []byte(";"))
		switch string(sql) {
		case "TEST forward":
			return Forward{done}
		case "TEST nil":
			return nil
		case "TEST rewritten":
			return ForwardSQL{[]byte("SELECT 41 + 1"), done}
		}
		return &Error{Code: 9999, Message: "unexpected " + string(stmt.SQL)}
	})
	for _, client := range traceClients {
		c := dialRaw(t, addr, client.caps)
		_, s := c.query("TEST forward")
		require.EqualValues(t, 1064, s.Code)
		_, s = c.query("TEST nil")
		require.EqualValues(t, 1064, s.Code)
		pkts := c.must("TEST rewritten")
		require.Equal(t, "\x0242", string(pkts[len(pkts)-2].payload))
		c.send(comStmtPrepare, []byte("TEST forward")...)
		_, s = c.response(respPrepare)
		require.EqualValues(t, 1064, s.Code)
		id := c.prepare("TEST rewritten")
		require.Less(t, id, uint32(firstLocalID))
		pkts, s = c.execute(id, 0)
		require.False(t, s.Failed)
		require.Equal(t, byte(42), pkts[len(pkts)-2].payload[2])
		for _, want := range []bool{false, true, false, true} {
			require.Equal(t, want, receive(t, outcome))
		}

		// Several statements in one packet are nobody's but the store's.
		_, s = c.query("TEST rewritten; SELECT 1")
		require.EqualValues(t, 1064, s.Code)
		c.must("TEST rewritten;  -- and nothing else")
		require.True(t, receive(t, outcome))
	}
}

func TestAskedAgainOnExecute(t *testing.T) {
	var seen []string
	addr := handling(t, func(_ context.Context, c *Conn, stmt Statement) Reply {
		if stmt.Prepared {
			return OnExecute{}
		}
		seen = append(seen, string(stmt.SQL))
		if len(seen) == 2 {
			return Forward{}
		}
		return OK{AffectedRows: 7}
	})
	c := dialRaw(t, addr, capsLibMariaDB)
	c.must("CREATE DATABASE IF NOT EXISTS test")
	c.must("CREATE OR REPLACE TABLE test.execute_me (a INT)")
	const sql = "ALTER TABLE test.execute_me ADD INDEX by_a (a)"
	id := c.prepare(sql)
	pkts, _ := c.execute(id, 0)
	require.Equal(t, byte(7), pkts[0].payload[1], "ours")
	pkts, s := c.execute(lastPreparedID, 0)
	require.False(t, s.Failed)
	require.Equal(t, byte(0), pkts[0].payload[1], "the store's")
	require.Equal(t, []string{sql, sql}, seen)
	pkts = c.must("SHOW INDEX FROM test.execute_me")
	require.Greater(t, len(pkts), 15)

	// Another prepare makes -1 mean another statement.
	c.prepare("SELECT 5")
	pkts, _ = c.execute(lastPreparedID, 0)
	require.Equal(t, byte(5), pkts[len(pkts)-2].payload[2])

	// What the store refuses to prepare stays refused.
	c.send(comStmtPrepare, []byte("ALTER nonsense")...)
	_, s = c.response(respPrepare)
	require.EqualValues(t, 1064, s.Code)
	c.must("DROP TABLE test.execute_me")
}

func TestQueriesOfTheHandler(t *testing.T) {
	var got *ResultSet
	addr := handling(t, func(ctx context.Context, c *Conn, stmt Statement) Reply {
		if string(stmt.SQL) == "TEST warnings" {
			return OK{AffectedRows: uint64(len(c.Warnings()))}
		}
		var err error
		got, err = c.Query(ctx, string(bytes.TrimPrefix(stmt.SQL, []byte("TEST "))))
		if e := (*Error)(nil); errors.As(err, &e) {
			return e
		}
		require.NoError(t, err)
		require.NoError(t, c.Ping(ctx))
		return OK{AffectedRows: uint64(len(got.Rows)), Warnings: []Warning{{"Note", 1, "n"}, {"Note", 2, "m"}}}
	})
	for _, client := range traceClients {
		c := dialRaw(t, addr, client.caps)
		c.must("CREATE DATABASE IF NOT EXISTS test")
		c.must("USE test")
		c.must("TEST SELECT seq AS n, NULL AS b, '' AS e, REPEAT('x', 300) AS l FROM seq_1_to_3")
		require.Len(t, got.Rows, 3)
		require.Equal(t, []any{"2", nil, "", string(bytes.Repeat([]byte("x"), 300))}, got.Rows[1])
		require.Equal(t, "e", got.Columns[2].Name)
		require.Equal(t, byte(2), c.must("TEST warnings")[0].payload[1], "kept for the next statement of ours")
		c.must("SELECT 1")
		require.Equal(t, byte(0), c.must("TEST warnings")[0].payload[1], "the store's statement has its own")

		c.must("TEST BEGIN")
		_, s := c.query("TEST SELECT 1 FROM DUAL WHERE FALSE")
		require.True(t, s.Status.Has(StatusInTrans))
		require.Empty(t, got.Rows)
		c.must("TEST CREATE OR REPLACE TABLE test.q (a INT)")
		_, s = c.query("TEST nonsense")
		require.EqualValues(t, 1064, s.Code)
		_, s = c.query("TEST SELECT seq, (SELECT 1 UNION SELECT seq FROM DUAL WHERE seq > 3) FROM seq_1_to_5")
		require.EqualValues(t, 1242, s.Code)
		_, s = c.query("TEST LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE test.q")
		require.False(t, s.Failed, "no file is read")
		c.must("TEST SELECT * FROM test.q")
		require.Empty(t, got.Rows)
		_, s = c.query("TEST DO 1")
		require.False(t, s.Status.Has(StatusInTrans))
	}
}

func TestProgressReachesClientsThatAskedForIt(t *testing.T) {
	addr := handling(t, func(_ context.Context, c *Conn, stmt Statement) Reply {
		require.NoError(t, c.Progress(1, 2, 12.5, "Copying"))
		require.NoError(t, c.Progress(2, 2, 99.999, "Verifying"))
		if string(stmt.SQL) == "TEST forward" {
			return ForwardSQL{SQL: []byte("SELECT 1")}
		}
		return OK{}
	})
	c := dialRaw(t, addr, capsLibMariaDB)
	pkts := c.must("TEST progress")
	require.Len(t, pkts, 3)
	require.Equal(t, "\xff\xff\xff\x01\x01\x02\xd4\x30\x00\x07Copying", string(pkts[0].payload))
	for _, sql := range []string{"TEST progress", "TEST forward"} {
		for i, p := range c.must(sql) {
			require.EqualValues(t, i+1, p.seq, "numbered on")
		}
	}
	c = dialRaw(t, addr, capsPyMySQL)
	require.Len(t, c.must("TEST progress"), 1)
}

func TestStateOfTheSession(t *testing.T) {
	addr := handling(t, func(_ context.Context, c *Conn, stmt Statement) Reply {
		n, _ := c.Value().(int)
		c.SetValue(n + 1)
		require.Equal(t, "root", c.User())
		require.NotZero(t, c.ID())
		require.Contains(t, c.ServerVersion(), "MariaDB")
		return OK{AffectedRows: uint64(n)}
	})
	c := dialRaw(t, addr, capsPyMySQL)
	require.Equal(t, byte(0), c.must("TEST a")[0].payload[1])
	require.Equal(t, byte(1), c.must("TEST a")[0].payload[1])
	c.send(comResetConnection)
	c.response(respOne)
	require.Equal(t, byte(0), c.must("TEST a")[0].payload[1])
}

func TestAPanicOfTheHandlerIsAnError(t *testing.T) {
	addr := handling(t, func(context.Context, *Conn, Statement) Reply { panic("oh") })
	c := dialRaw(t, addr, capsPyMySQL)
	_, s := c.query("TEST a")
	require.EqualValues(t, errUnknown, s.Code)
	c.must("SELECT 1")
}

// TestLongStatements shows the Handler texts that need a larger buffer, and none
// that would need too large a one.
func TestLongStatements(t *testing.T) {
	var seen []byte
	addr := handling(t, func(_ context.Context, _ *Conn, stmt Statement) Reply {
		seen = stmt.SQL
		return OK{}
	})
	c := dialRaw(t, addr, capsPyMySQL)
	for _, n := range []int{100, smallSize - 10, smallSize, blockSize - 10, blockSize, blockSize + 1, 300_000, maxCandidate - headerSize - 1} {
		sql := append([]byte("TEST "), bytes.Repeat([]byte("x"), n-5)...)
		seen = nil
		c.send(comQuery, sql...)
		_, s := c.response(respQuery)
		require.False(t, s.Failed)
		require.True(t, bytes.Equal(sql, seen), "%d bytes", n)
	}
	c.send(comQuery, append([]byte("TEST "), make([]byte, maxCandidate)...)...)
	_, s := c.response(respQuery)
	require.EqualValues(t, 1064, s.Code, "relayed")
	for _, n := range []int{smallSize, blockSize, 300_000} { // and these do not match
		c.must("SELECT 1 /* " + string(bytes.Repeat([]byte("x"), n)) + " */")
	}
}

// TestR7LongStatementsAreBounded: of statements that clients send slowly, or wait with,
// no more are held than there is room for.
func TestR7LongStatementsAreBounded(t *testing.T) {
	srv := &Server{Handler: &testHandler{handle: func(context.Context, *Conn, Statement) Reply { return OK{AffectedRows: 7} }}}
	addr := startRelay(t, srv)
	text := "TEST " + strings.Repeat("x", 1_000_000)
	var slow []*rawClient
	for range maxLong / (len(text) + 1) {
		c := dialRaw(t, addr, capsPyMySQL)
		slow = append(slow, c)
		var seq byte
		pkt := appendPacket(nil, &seq, append([]byte{comQuery}, text...))
		_, err := c.conn.Write(pkt[:blockSize+1])
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return srv.long.Load() > maxLong-int64(len(text))-1 }, 10*time.Second, time.Millisecond)
	c := dialRaw(t, addr, capsPyMySQL)
	_, s := c.query(text)
	require.EqualValues(t, 1064, s.Code, "the store's")
	c.must("TEST short")
	for _, c := range slow {
		c.conn.Close()
	}
	require.Eventually(t, func() bool { return srv.long.Load() == 0 }, 10*time.Second, time.Millisecond)
	pkts := c.must(text)
	require.Equal(t, byte(7), pkts[0].payload[1], "ours")
}
