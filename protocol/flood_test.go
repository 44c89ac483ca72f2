package protocol

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/mariadbd/mariadbdtest"
)

// memory is what the process holds, after a collection.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestSilentClientsKeepNobodyOut connects many times more clients than may log
// in at once. They say nothing, or one byte now and then; others are served.
func TestSilentClientsKeepNobodyOut(t *testing.T) {
	const room, silent = 20, 200
	srv := &Server{MaxHandshakes: room, HandshakeTimeout: time.Minute, Log: zap.NewNop()}
	addr := startRelay(t, srv)
	before := memory()
	var slow []net.Conn
	come := func() {
		c := dialGreeting(t, addr).conn
		_, _ = c.Write([]byte{0x60, 0xea, 0, 1}) // 60,000 bytes will follow
		slow = append(slow, c)
	}
	for range silent {
		come()
	}
	require.Eventually(t, func() bool { return srv.Stats().Handshakes == room*3/4 }, 10*time.Second, time.Millisecond)
	db := open(t, addr, "")
	db.SetMaxIdleConns(0)
	served := 0
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline) && len(slow) < 5*silent; {
		for _, c := range slow {
			_, _ = c.Write([]byte{0}) // one at a time
		}
		come()
		if db.Ping() == nil {
			served++
		}
	}
	t.Logf("served %d times beside %d slow clients; %d KiB more", served, len(slow), (memory()-before)>>10)
	require.Greater(t, served, 5)
	require.LessOrEqual(t, srv.Stats().Handshakes, room)
	require.Less(t, memory(), before+8<<20)
}

// TestSilentClientsUnderTheLimitOfConnections is the same where they fill the
// places of all clients.
func TestSilentClientsUnderTheLimitOfConnections(t *testing.T) {
	srv := &Server{MaxConnections: 5, HandshakeTimeout: time.Minute}
	addr := startRelay(t, srv)
	for range 5 {
		dialGreeting(t, addr).read()
	}
	require.Eventually(t, func() bool {
		c := dialGreeting(t, addr)
		defer c.conn.Close()
		return c.read().payload[0] == 10
	}, 10*time.Second, 10*time.Millisecond)
	db := open(t, addr, "")
	require.Eventually(t, func() bool { return db.Ping() == nil }, 10*time.Second, 10*time.Millisecond) // when the last one's place is free
}

// TestSilentClientsUnderTheLimitOfTheStore is the same where they use up the
// store's own connections.
func TestSilentClientsUnderTheLimitOfTheStore(t *testing.T) {
	store := mariadbdtest.StartT(t, "max_connections=10")
	addr := startRelay(t, &Server{Dial: dialer(store.Addr()), HandshakeTimeout: time.Minute})
	greeted := 0
	for range 15 { // the last of them are refused
		if dialGreeting(t, addr).read().payload[0] == 10 {
			greeted++
		}
	}
	require.GreaterOrEqual(t, greeted, 10)
	require.Eventually(t, func() bool {
		c := dialGreeting(t, addr)
		defer c.conn.Close()
		return c.read().payload[0] == 10
	}, 10*time.Second, 10*time.Millisecond)
	for range 5 {
		db := open(t, addr, "")
		require.NoError(t, db.Ping())
		require.NoError(t, db.Close())
	}
}

// TestGarbageBeforeTheLogin sends what is no login, in every phase before it and
// much of it; the node keeps serving others, in little memory.
func TestGarbageBeforeTheLogin(t *testing.T) {
	a := newAuthority(t)
	srv := &Server{TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}, HandshakeTimeout: 2 * time.Second, Log: zap.NewNop()}
	addr := startRelay(t, srv)
	header := func(n int, seq byte) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16), seq} }
	login := append(binary.LittleEndian.AppendUint32(nil, uint32(capsMySQL)), make([]byte, 28)...)
	login = append(login, "nobody\x00\x00nothing\x00"...) // the store will ask for another plugin
	ssl := append(binary.LittleEndian.AppendUint32(nil, uint32(capsMySQL|ClientSSL)), make([]byte, 28)...)
	endless := func(b []byte) []byte { return bytes.Repeat(b, 4<<20/len(b)) }
	floods := map[string][]byte{
		"zeros":                 endless([]byte{0}),
		"ones":                  endless([]byte{0xff}),
		"text":                  endless([]byte("GET / HTTP/1.1\r\n")),
		"a long packet":         append(header(maxPayload, 1), endless([]byte("x"))...),
		"a packet of 64 KiB":    append(header(maxLoginPacket-headerSize, 1), endless([]byte("x"))...),
		"answers without end":   append(append(header(len(login), 1), login...), endless(append(header(1000, 3), make([]byte, 1000)...))...),
		"empty answers":         append(append(header(len(login), 1), login...), endless(header(0, 3))...),
		"a long answer":         append(append(header(len(login), 1), login...), append(header(maxPayload, 3), endless([]byte("x"))...)...),
		"TLS that is none":      append(append(header(len(ssl), 1), ssl...), endless([]byte("x"))...),
		"a TLS record too long": append(append(header(len(ssl), 1), ssl...), append([]byte{0x16, 3, 1, 0xff, 0xff}, endless([]byte("x"))...)...),
	}
	before := memory()
	most := before
	for name, garbage := range floods {
		const clients = 30
		ended := make(chan error, clients)
		for range clients {
			go func() {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					ended <- err
					return
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				_, _ = conn.Write(garbage)
				for {
					if _, err := conn.Read(make([]byte, 1000)); err != nil {
						ended <- err
						return
					}
				}
			}()
		}
		require.NoError(t, open(t, addr, "").Ping(), name)
		most = max(most, memory())
		for range clients {
			require.False(t, isTimeout(<-ended), "%s: nobody hung up", name)
		}
	}
	t.Logf("memory before %d KiB, at most %d KiB", before>>10, most>>10)
	// 30 clients: a block for each, and what TLS reads at once; much less than
	// the 120 MiB they sent.
	require.Less(t, most, before+24<<20)
}

// TestS7OneHostDoesNotHoldAllPlaces: a host that connects over and over, and stays,
// leaves places to others from its first moment on.
func TestS7OneHostDoesNotHoldAllPlaces(t *testing.T) {
	const room = 40
	srv := &Server{MaxHandshakes: room, HandshakeTimeout: time.Minute}
	addr := startRelay(t, srv)
	for range 3 * room {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
	}
	require.Eventually(t, func() bool { return srv.Stats().Refused > 0 }, 10*time.Second, time.Millisecond)
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.8")}}).Dial("tcp", addr)
	require.NoError(t, err)
	loginRaw(t, conn, capsMySQL).must("SELECT 1")
	require.LessOrEqual(t, srv.Stats().Handshakes, room*3/4)
}

// TestR4HostsOfManyAddresses: behind a balancer a host is who the balancer says, and with
// IPv6 one host has a whole network of addresses. It leaves places and turns to others.
func TestR4HostsOfManyAddresses(t *testing.T) {
	const room = 40
	for name, flooder := range map[string]func(i int) string{
		"one address": func(int) string { return "TCP4 192.0.2.7 192.0.2.1" },
		"a network":   func(i int) string { return fmt.Sprintf("TCP6 2001:db8:0:7:%x::1 2001:db8::1", i+1) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := &Server{
				MaxHandshakes: room, HandshakeTimeout: time.Minute, Log: zap.NewNop(),
				ProxyNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			}
			addr := startRelay(t, srv)
			dial := func(addresses string) net.Conn {
				conn, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				t.Cleanup(func() { conn.Close() })
				_, err = fmt.Fprintf(conn, "PROXY %s 1000 4000\r\n", addresses)
				require.NoError(t, err)
				return conn
			}
			for i := range 3 * room {
				dial(flooder(i))
			}
			require.Eventually(t, func() bool {
				stats := srv.Stats()
				return stats.Refused+stats.Failed >= 3*room-room*3/4
			}, 10*time.Second, time.Millisecond)
			began := time.Now()
			loginRaw(t, dial("TCP6 2001:db8:0:8::1 2001:db8::1"), capsMySQL).must("SELECT 1")
			require.Less(t, time.Since(began), 5*time.Second)
			require.LessOrEqual(t, srv.Stats().Handshakes, room*3/4)
		})
	}
}

// TestS7TheGoneHoldNoPlaces: those who leave while they wait for a turn make room
// for who comes next, of their own host too.
func TestS7TheGoneHoldNoPlaces(t *testing.T) {
	const room, unanswered = 40, 4
	srv := &Server{MaxHandshakes: room, MaxUnanswered: unanswered, HandshakeTimeout: time.Minute}
	addr := startRelay(t, srv)
	for range unanswered * 3 / 4 {
		dialGreeting(t, addr).read() // holds a turn, for a second at least
	}
	for range room {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		conn.Close()
	}
	dialRaw(t, addr, capsMySQL).must("SELECT 1")
	require.Zero(t, srv.Stats().Refused)
}
