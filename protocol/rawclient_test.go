package protocol

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Capability sets of clients met in daily life.
var (
	capsBase = ClientProtocol41 | ClientSecureConnection | ClientPluginAuth | ClientTransactions |
		ClientMultiResults | ClientPSMultiResults | ClientLocalFiles | ClientMultiStatements | 1<<2
	capsPyMySQL    = capsBase | ClientLongPassword
	capsMySQL      = capsBase | ClientLongPassword | ClientDeprecateEOF | ClientSessionTrack
	capsGoDriver   = capsBase | ClientDeprecateEOF | MariaDBClientCacheMetadata
	capsLibMariaDB = capsBase | ClientSessionTrack | MariaDBClientProgress | MariaDBClientStmtBulk | MariaDBClientExtendedMeta | MariaDBClientCacheMetadata
	capsEverything = capsLibMariaDB | ClientDeprecateEOF
)

// A rawPacket is one packet as seen on the wire.
type rawPacket struct {
	fromClient bool
	seq        byte
	payload    []byte
}

// A rawClient speaks the protocol packet by packet.
type rawClient struct {
	t    testing.TB
	conn net.Conn
	id   uint32
	caps Capability
	log  []rawPacket
}

// dialRaw logs in as root without a password, at a server or a relay, under TLS
// if ClientSSL is in caps.
func dialRaw(t testing.TB, addr string, caps Capability) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	return loginRaw(t, conn, caps)
}

// loginRaw does the same over a connection that is there already.
func loginRaw(t testing.TB, conn net.Conn, caps Capability) *rawClient {
	t.Helper()
	c := newRawClient(t, conn)
	greet, err := parseGreeting(c.read().payload)
	require.NoError(t, err)
	c.id = greet.ConnectionID
	c.caps = caps & greet.Caps
	if caps.Has(ClientLongPassword) {
		c.caps &= classicCapabilities
	}
	seq := byte(1)
	b := binary.LittleEndian.AppendUint32(nil, uint32(caps))
	b = binary.LittleEndian.AppendUint32(b, 1<<24)
	b = append(b, collationUTF8MB4)
	b = append(b, make([]byte, 19)...)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.caps>>32))
	if caps.Has(ClientSSL) {
		c.caps &^= ClientSSL
		c.write(seq, b)
		c.conn = tls.Client(c.conn, unverified)
		seq++
	}
	b = append(b, "root\x00\x00mysql_native_password\x00"...)
	c.write(seq, b)
	for {
		p := c.read()
		if p.payload[0] == 0x00 {
			break
		}
		require.Equal(t, byte(0xfe), p.payload[0], "%q", p.payload)
		c.write(p.seq+1, nil)
	}
	c.log = nil
	return c
}

// dialGreeting connects and says nothing.
func dialGreeting(t testing.TB, addr string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	return newRawClient(t, conn)
}

func newRawClient(t testing.TB, conn net.Conn) *rawClient {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return &rawClient{t: t, conn: conn}
}

func (c *rawClient) write(seq byte, payload []byte) {
	c.t.Helper()
	c.log = append(c.log, rawPacket{true, seq, payload})
	_, err := c.conn.Write(appendPacket(nil, &seq, payload))
	require.NoError(c.t, err)
}

// send sends a command.
func (c *rawClient) send(cmd byte, body ...byte) {
	c.t.Helper()
	c.write(0, append([]byte{cmd}, body...))
}

// sendText sends a command with a text.
func (c *rawClient) sendText(cmd byte, text string) {
	c.t.Helper()
	c.send(cmd, []byte(text)...)
}

func (c *rawClient) read() rawPacket {
	c.t.Helper()
	pkt, err := readPacket(c.conn, nil, 1<<25)
	require.NoError(c.t, err)
	p := rawPacket{false, pkt[3], pkt[headerSize:]}
	c.log = append(c.log, p)
	return p
}

// response reads the whole response to a command of the given kind.
func (c *rawClient) response(kind responseKind) (pkts []rawPacket, s *scanner) {
	c.t.Helper()
	s = &scanner{caps: c.caps}
	s.reset(kind)
	for {
		p := c.read()
		pkts = append(pkts, p)
		seq := p.seq
		_, ev, err := s.scan(appendPacket(nil, &seq, p.payload))
		require.NoError(c.t, err)
		if ev != evMore {
			return pkts, s
		}
	}
}

// query runs a statement and returns its response.
func (c *rawClient) query(sql string) ([]rawPacket, *scanner) {
	c.t.Helper()
	c.sendText(comQuery, sql)
	return c.response(respQuery)
}

// must runs a statement that may not be refused.
func (c *rawClient) must(sql string) []rawPacket {
	c.t.Helper()
	pkts, s := c.query(sql)
	require.False(c.t, s.Failed, "%s: %q", sql, pkts[len(pkts)-1].payload)
	return pkts
}

// prepare prepares a statement and returns its id.
func (c *rawClient) prepare(sql string) uint32 {
	c.t.Helper()
	c.sendText(comStmtPrepare, sql)
	pkts, s := c.response(respPrepare)
	require.False(c.t, s.Failed, "%s: %q", sql, pkts[len(pkts)-1].payload)
	return s.StmtID
}

// execute executes a statement without parameters.
func (c *rawClient) execute(id uint32, flags byte) ([]rawPacket, *scanner) {
	c.t.Helper()
	c.sendExecute(id, flags)
	return c.response(executeKind(flags))
}

func (c *rawClient) sendExecute(id uint32, flags byte) {
	c.t.Helper()
	c.send(comStmtExecute, append(binary.LittleEndian.AppendUint32(nil, id), flags, 1, 0, 0, 0)...)
}
