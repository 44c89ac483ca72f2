package protocol

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzScan cuts a response at any place: the end must be found at the same byte
// as without the cut, and what was read must be the same.
func FuzzScan(f *testing.F) {
	names, err := filepath.Glob("testdata/trace/*.txt")
	require.NoError(f, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		tr := parseTrace(f, string(text))
		for _, tu := range tr.turns() {
			if len(tu.bytes) > 0 && len(tu.bytes) < 400 {
				f.Add(uint64(tr.caps), byte(tu.kind), uint(len(tu.bytes)/2), tu.bytes)
			}
		}
	}
	f.Fuzz(func(t *testing.T, caps uint64, kind byte, cut uint, data []byte) {
		cut %= uint(len(data) + 1)
		scan := func(s *scanner, parts ...[]byte) (total int, ev event, failed bool) {
			s.caps = Capability(caps)
			s.reset(responseKind(kind))
			for _, p := range parts {
				n, ev, err := s.scan(p)
				if n < 0 || n > len(p) {
					t.Fatalf("used %d of %d bytes", n, len(p))
				}
				total += n
				if err != nil || ev != evMore {
					return total, ev, err != nil
				}
			}
			return total, evMore, false
		}
		var whole, split scanner
		n, ev, failed := scan(&whole, data)
		n2, ev2, failed2 := scan(&split, data[:cut], data[cut:])
		require.Equal(t, failed, failed2)
		if failed {
			return
		}
		require.Equal(t, n, n2)
		require.Equal(t, ev, ev2)
		whole.carry, split.carry = [len(whole.carry)]byte{}, [len(split.carry)]byte{}
		require.Equal(t, whole, split)
	})
}

// A scriptedConn reads a fixed text in pieces and keeps what is written to it.
type scriptedConn struct {
	net.Conn
	in    *bytes.Reader
	piece int
	out   bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (int, error)  { return c.in.Read(p[:min(len(p), c.piece)]) }
func (c *scriptedConn) Write(p []byte) (int, error) { return c.out.Write(p) }

// FuzzForward forwards whatever a client sends: packet after packet, byte for
// byte.
func FuzzForward(f *testing.F) {
	var seq byte
	f.Add(appendPacket(appendPacket(nil, &seq, []byte("\x03SELECT 1")), &seq, nil), 3)
	f.Add(appendPacket(nil, &seq, bytes.Repeat([]byte("x"), 3*smallSize)), 1000)
	f.Add([]byte{0xff, 0xff, 0xff, 0, 1, 2, 3}, 1)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		store := &scriptedConn{}
		c := newConn(&Server{}, namedConn{&scriptedConn{in: bytes.NewReader(data), piece: max(1, piece)}})
		c.store = store
		defer c.release()
		var err error
		packets := 0
		for ; err == nil; packets++ {
			_, _, err = c.forwardPacket()
			c.settle()
		}
		require.ErrorIs(t, err, io.EOF)
		require.True(t, bytes.HasPrefix(data, store.out.Bytes()))
		require.LessOrEqual(t, len(data)-store.out.Len(), headerSize-1, "only a part of a header may stay")
	})
}

// A namedConn has an address, for the log.
type namedConn struct{ net.Conn }

func (namedConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

func FuzzHandshakeResponse(f *testing.F) {
	f.Add([]byte("\x85\xa6\xbf\x20\x00\x00\x00\x01\x2d" + strings.Repeat("\x00", 19) + "\x1d\x00\x00\x00root\x00\x00db\x00mysql_native_password\x00\x09\x03_os\x05Linux"))
	f.Add([]byte("\x85\xae\xff\x20\x00\x00\x00\x01\x2d" + strings.Repeat("\x00", 23)))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHandshakeResponse(b)
		if err != nil {
			return
		}
		narrow(b, relayable)
		again, err := parseHandshakeResponse(b)
		if h.Caps.Has(ClientSSL) && len(b) == handshakeFixed {
			return // without the bit it is a response too short
		}
		require.NoError(t, err)
		require.Equal(t, h.User, again.User)
		require.Zero(t, again.Caps&^relayable)
	})
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte("\x0a5.5.5-10.11.19-MariaDB\x00\x07\x00\x00\x00saltsalt\x00\xfe\xf7\x2d\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00saltsaltsalt\x00mysql_native_password\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := parseGreeting(b)
		if err != nil {
			return
		}
		g.offer(b, g.Caps&relayable)
		again, err := parseGreeting(b)
		require.NoError(t, err)
		require.Equal(t, g, again)
		require.Zero(t, again.Caps&^relayable)
	})
}

// FuzzPayloads reads what is read of single packets by those who ask for one.
func FuzzPayloads(f *testing.F) {
	f.Add([]byte("paul\x00\x01xdb\x00\x2d\x00caching_sha2_password\x00"), uint64(capsEverything))
	f.Add([]byte("\xfemysql_native_password\x00saltsaltsaltsaltsalt\x00"), uint64(capsMySQL))
	f.Add([]byte("\xff\x15\x04#28000Access denied"), uint64(capsMySQL))
	f.Add([]byte("\x03def\x00\x00\x00\x01c\x00\x00\x0c\x2d\x00\x04\x00\x00\x00\xfd\x01\x00\x27\x00\x00"), uint64(capsLibMariaDB))
	f.Fuzz(func(t *testing.T, b []byte, caps uint64) {
		u := parseChangeUser(b, Capability(caps))
		require.LessOrEqual(t, len(u.User)+len(u.Plugin), len(b))
		plugin, salt := parseAuthSwitch(b)
		require.LessOrEqual(t, len(plugin)+len(salt), len(b))
		require.LessOrEqual(t, len(parseError(b).Message), len(b))
		if col, err := parseColumn(b, Capability(caps)); err == nil {
			require.LessOrEqual(t, len(col.Name), len(b))
		}
		if row, err := parseTextRow(b, int(caps%100)); err == nil {
			require.Len(t, row, int(caps%100))
		}
	})
}

func FuzzLenenc(f *testing.F) {
	for _, n := range []uint64{0, 0xfa, 0xfb, 0xffff, 0x10000, 0xffffff, 0x1000000, 1 << 63} {
		f.Add(n, []byte{0xfe, 1, 2})
	}
	f.Fuzz(func(t *testing.T, n uint64, b []byte) {
		c := cursor{b: appendLenenc(nil, n)}
		require.Equal(t, n, c.count())
		require.False(t, c.bad)
		require.Empty(t, c.b)
		c = cursor{b: b}
		for len(c.b) > 0 && !c.bad {
			before := len(c.b)
			c.bytes()
			require.True(t, c.bad || len(c.b) < before)
		}
	})
}

// FuzzStatementText reads statements as the relay does before anybody has
// checked them.
func FuzzStatementText(f *testing.F) {
	for _, sql := range []string{"SELECT 1;", "KILL QUERY 7", "a;b", "'a;b'", "/*!50000 a */;", "\x01\x01\x00\x01\xfd\x00\x01k\x01vSELECT 1"} {
		f.Add([]byte(sql))
	}
	f.Fuzz(func(t *testing.T, sql []byte) {
		multiple(sql, 0)
		multiple(sql, StatusNoBackslashEscapes)
		parseKill(sql)
		if at, ok := skipAttributes(sql); ok && (at < 0 || at > len(sql)) {
			t.Fatalf("statement starts at %d of %d", at, len(sql))
		}
	})
}
