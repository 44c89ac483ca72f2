package source_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// dns is a name server (RFC 1035) that knows one address for every name.
type dns struct {
	conn    net.PacketConn
	address atomic.Value // [4]byte
	asked   atomic.Int64
}

func newDNS(t *testing.T) *dns {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &dns{conn: conn}
	t.Cleanup(func() { conn.Close() })
	go s.serve()
	return s
}

func (s *dns) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *dns) serve() {
	p := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(p)
		if err != nil {
			return
		}
		s.asked.Add(1)
		end := 12 // of the question
		for end < n && p[end] != 0 {
			end += int(p[end]) + 1
		}
		end += 5
		kind := binary.BigEndian.Uint16(p[end-4:])
		answer := append([]byte{p[0], p[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, p[12:end]...)
		if kind == 1 { // A
			a := s.address.Load().([4]byte)
			answer[7] = 1
			answer = append(answer, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, a[0], a[1], a[2], a[3])
		}
		_, _ = s.conn.WriteTo(answer, from)
	}
}
