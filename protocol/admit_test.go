package protocol

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
