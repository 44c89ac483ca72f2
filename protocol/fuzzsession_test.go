package protocol

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// A scriptConn is a scriptedConn that may be used like a real one: read by one
// goroutine, written by others, with deadlines that do nothing.
type scriptConn struct {
	net.Conn
	in *bytes.Reader

	mu  sync.Mutex
	out bytes.Buffer
}

func script(b []byte) *scriptConn { return &scriptConn{in: bytes.NewReader(b)} }

func (c *scriptConn) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *scriptConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *scriptConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzLogin lets two strangers log in to each other.
func FuzzLogin(f *testing.F) {
	greet := []byte("\x0a5.5.5-10.11.19-MariaDB\x00\x07\x00\x00\x00saltsalt\x00\xfe\xf7\x2d\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00saltsaltsalt\x00mysql_native_password\x00")
	response := append([]byte{0x85, 0xa6, 0xff, 0, 0, 0, 0, 1, 45}, make([]byte, 23)...)
	response = append(response, "root\x00\x00\x00caching_sha2_password\x00"...)
	packets := func(seq byte, payloads ...string) (b []byte) {
		for _, p := range payloads {
			b = appendPacket(b, &seq, []byte(p))
			seq++
		}
		return b
	}
	ok := "\x00\x00\x00\x02\x00\x00\x00"
	f.Add(packets(1, string(response)), packets(0, string(greet), ok), byte(0))
	f.Add(packets(1, string(response), "secret\x00"), packets(0, string(greet), "\x01\x04", "\x01-----BEGIN", ok), byte(1))
	f.Add(packets(1, string(response), "\x02", "cipher"), packets(0, string(greet), "\x01\x04", ok), byte(2))
	f.Add(packets(1, string(response), "x"), packets(0, string(greet), "\xfesha256_password\x00saltsaltsaltsaltsalt\x00", ok), byte(1))
	f.Add(packets(1, string(response)), packets(0, "\xff\x10\x04Too many connections"), byte(0))
	f.Fuzz(func(t *testing.T, fromClient, fromStore []byte, secure byte) {
		client, store := script(fromClient), script(fromStore)
		c := newConn(&Server{Dial: func(context.Context) (net.Conn, error) { return store, nil }}, client)
		require.True(t, c.server.enter(c))
		defer c.release()
		c.clientSecure = secure&1 != 0
		done := make(chan error, 1)
		go func() { done <- c.login(t.Context()) }()
		select {
		case err := <-done:
			if err == nil {
				require.NotEmpty(t, store.out.Bytes(), "a login that the store has not seen")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("does not end")
		}
		require.LessOrEqual(t, client.out.Len(), len(fromStore)+4096, "what the client got is the store's, or a refusal")
	})
}

// FuzzSession relays between two strangers after the login. What the store gets
// is what the client sent, and nothing else.
func FuzzSession(f *testing.F) {
	eachTraceFile(f, func(tr trace) {
		f.Add(uint64(tr.caps), tr.sent(), tr.answered())
	})
	f.Fuzz(func(t *testing.T, caps uint64, fromClient, fromStore []byte) {
		client, store := script(fromClient), script(fromStore)
		c := newConn(&Server{}, client)
		defer c.release()
		c.store, c.loggedIn, c.caps = store, true, Capability(caps)
		c.scan.caps = c.caps
		done := make(chan error, 1)
		go func() {
			err := error(nil)
			for err == nil {
				c.next, c.asked = 1, false
				if err = c.await(); err == nil {
					err = c.command()
				}
				c.settle()
			}
			c.explain(err)
			done <- err
		}()
		select {
		case err := <-done:
			require.Error(t, err)
		case <-time.After(20 * time.Second):
			t.Fatal("does not end")
		}
		if !bytes.Contains(fromClient, []byte{comChangeUser}) { // there sequence numbers may change
			require.True(t, bytes.HasPrefix(fromClient, store.out.Bytes()))
		}
	})
}

// eachTraceFile calls f with every golden trace.
func eachTraceFile(t testing.TB, f func(trace)) {
	names, err := filepath.Glob("testdata/trace/*.txt")
	require.NoError(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		if tr := parseTrace(t, string(text)); len(tr.sent()) < 64<<10 && len(tr.answered()) < 64<<10 {
			f(tr)
		}
	}
}

// sent is all that the client said.
func (tr trace) sent() []byte { return tr.said(true) }

// answered is all that the store said.
func (tr trace) answered() []byte { return tr.said(false) }

func (tr trace) said(byClient bool) (b []byte) {
	for _, p := range tr.packets {
		if p.fromClient == byClient {
			seq := p.seq
			b = appendPacket(b, &seq, p.payload)
		}
	}
	return b
}

// FuzzConversation says the same to the store itself and through a relay: both
// must answer the same, byte for byte.
func FuzzConversation(f *testing.F) {
	root := open(f, testStore.Addr(), "")
	root.SetMaxOpenConns(1)
	for _, statement := range []string{"CREATE DATABASE IF NOT EXISTS trace", "CREATE OR REPLACE USER fuzz@'%'", "GRANT ALL ON trace.* TO fuzz@'%'"} {
		_, err := root.Exec(statement)
		require.NoError(f, err)
	}
	addr := startRelay(f, &Server{Handler: &testHandler{}, Log: zap.NewNop()})
	eachTraceFile(f, func(tr trace) {
		if len(tr.sent()) < 4<<10 {
			f.Add(uint64(tr.caps), tr.sent())
		}
	})
	for _, client := range traceClients {
		for _, conversation := range [][]string{
			{"\x16SELECT seq, ? FROM seq_1_to_5", "\x17\xff\xff\xff\xff\x00\x01\x00\x00\x00\x00\x01\x03\x00\x07\x00\x00\x00"},
			{"\x16SELECT seq FROM seq_1_to_5", "\x17\xff\xff\xff\xff\x01\x01\x00\x00\x00", "\x1c\xff\xff\xff\xff\x02\x00\x00\x00", "\x1a\xff\xff\xff\xff"},
			{"\x03BEGIN", "\x03SELECT REPEAT('x', 20000) FROM seq_1_to_9", "\x03SELECT 1; SELECT 2; nonsense", "\x1b\x01\x00", "\x03SELECT 1; DO 1; SELECT 3", "\x1f", "\x0e", ""},
			{"\x03CREATE TABLE t (a INT PRIMARY KEY)", "\x03INSERT INTO t VALUES (1), (2)", "\x16INSERT INTO t VALUES (?) RETURNING a", "\xfa\xff\xff\xff\xff\x80\x00\x03\x00\x00\x03\x00\x00\x00", "\x04t\x00", "\x02trace", "\x0d", "\x7f"},
			{"\x03KILL QUERY 0", "\x03/* a */ KILL 'x'", "\x0c\x00\x00\x00\x00", "\x03SELECT * FROM t", "\x03CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END", "\x03CALL p()"},
		} {
			var said []byte
			for _, payload := range conversation {
				var seq byte
				said = appendPacket(said, &seq, []byte(payload))
			}
			f.Add(uint64(client.caps), said)
		}
	}
	f.Fuzz(func(t *testing.T, caps uint64, said []byte) {
		said = append(bytes.Clone(said), 1, 0, 0, 0, comQuit)
		if !repeatable(said) {
			return
		}
		caps = caps & uint64(capsEverything|ClientLongPassword)
		direct, err := converse(testStore.Addr(), Capability(caps), said)
		if err != nil {
			return // not everything that is said gets an end
		}
		_, err = root.Exec("CREATE OR REPLACE DATABASE trace")
		require.NoError(t, err)
		relayed, err := converse(addr, Capability(caps), said)
		if err != nil {
			return // not everything that is said gets an end
		}
		_, err = root.Exec("CREATE OR REPLACE DATABASE trace")
		require.NoError(t, err)
		require.Equal(t, withoutIDs(direct), withoutIDs(relayed))
	})
}

// repeatable reports whether a server answers the same every time. What tells
// the time, who is there, or takes a while does not; nor what makes the session
// another one's. The Handler's own statements are no business of the store.
func repeatable(said []byte) bool {
	text := bytes.ToUpper(said)
	for _, differs := range []string{"CONNECTION_ID", "NOW", "DATE", "TIME", "RAND", "UUID", "SLEEP", "BENCHMARK", "STATUS", "LOCK", "PROCESSLIST", "SEQ_1_TO_600000", "TEST ", "ALTER "} {
		if bytes.Contains(text, []byte(differs)) {
			return false
		}
	}
	for len(said) >= headerSize {
		n := payloadLen(said)
		if said[3] != 0 {
			return false // a server complains in a packet numbered 0; here it is numbered as the answer
		}
		cmd := comPing
		if n > 0 && len(said) > headerSize {
			cmd = said[headerSize]
		}
		switch cmd {
		case comStatistics, comProcessInfo, comChangeUser, comBinlogDump, comBinlogDumpGTID:
			return false
		case comStmtExecute, comStmtSendLongData, comStmtClose, comStmtReset, comStmtFetch, comStmtBulkExecute:
			// The server numbers statements on where a session before this one has
			// left off: only the last one has a name.
			if len(said) < headerSize+5 || binary.LittleEndian.Uint32(said[headerSize+1:]) != lastPreparedID {
				return false
			}
		}
		said = said[min(len(said), headerSize+n):]
	}
	return true
}

// withoutIDs blanks what may be the ids of prepared statements.
func withoutIDs(b []byte) []byte {
	for rest := b; len(rest) >= headerSize; {
		n := payloadLen(rest)
		if n > len(rest)-headerSize {
			break
		}
		if payload := rest[headerSize : headerSize+n]; n == 12 && payload[0] == 0 {
			clear(payload[1:5])
		}
		rest = rest[headerSize+n:]
	}
	return b
}

// converse logs in, says everything at once, and returns the answers up to the
// end. An error is a connection that was reset: who knows what got lost.
func converse(addr string, caps Capability, said []byte) ([]byte, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := readPacket(conn, nil, 1000); err != nil {
		return nil, err
	}
	caps |= capsBase | ClientConnectWithDB
	b := append([]byte{byte(caps), byte(caps >> 8), byte(caps >> 16), byte(caps >> 24), 0, 0, 0, 1, collationUTF8MB4}, make([]byte, 19)...)
	b = append(b, byte(caps>>32), 0, 0, 0)
	if caps.Has(ClientLongPassword) {
		clear(b[28:32])
	}
	b = append(b, "fuzz\x00\x00trace\x00mysql_native_password\x00"...)
	seq := byte(1)
	if _, err := conn.Write(appendPacket(nil, &seq, b)); err != nil {
		return nil, err
	}
	pkt, err := readPacket(conn, nil, 1000)
	if err != nil {
		return nil, err
	}
	if pkt[headerSize] != 0 {
		return nil, errors.New("not logged in")
	}
	go func() {
		_, _ = conn.Write(said)
		_ = conn.(*net.TCPConn).CloseWrite() // the last packet may have promised more
	}()
	return io.ReadAll(conn)
}
