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
)

// socketPair is the two ends of a loopback connection.
func socketPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	a, err = net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	b, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// An exchange is a request and the response a store gives to it.
type exchange struct {
	name              string
	request, response []byte
}

func exchanges() []exchange {
	pkt := func(seq byte, payload string) []byte { return appendPacket(nil, &seq, []byte(payload)) }
	ok := pkt(1, "\x00\x00\x00\x02\x00\x00\x00")
	rows := func(n int) []byte {
		r := &ResultSet{Columns: []Column{{Name: "c"}}}
		for range n {
			r.Rows = append(r.Rows, []any{"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"})
		}
		seq := byte(1)
		b, err := r.append(nil, &seq, capsGoDriver, StatusAutocommit, false)
		if err != nil {
			panic(err)
		}
		return b
	}
	return []exchange{
		{"ping", pkt(0, "\x0e"), ok},
		{"point select", pkt(0, "\x03SELECT c FROM sbtest1 WHERE id = 4711"), rows(1)},
		{"execute", pkt(0, "\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"), rows(1)},
		{"insert of 8 KiB", pkt(0, "\x03INSERT INTO t VALUES ('"+string(bytes.Repeat([]byte("x"), 8000))+"')"), ok},
		{"1000 rows", pkt(0, "\x03SELECT c FROM sbtest1"), rows(1000)},
	}
}

// startSession runs a session that is past its login, between a client and a
// store that answers every request with the same bytes.
func startSession(t testing.TB, x exchange) (client net.Conn) {
	client, front := socketPair(t)
	back, store := socketPair(t)
	return runSession(t, x, client, front, back, store)
}

// startTLSSession does the same with TLS on both legs.
func startTLSSession(t testing.TB, x exchange) (client net.Conn) {
	client, front := socketPair(t)
	back, store := socketPair(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{newAuthority(t).sign(t, "peer")}, DynamicRecordSizingDisabled: true}
	return runSession(t, x, tls.Client(client, unverified), tls.Server(front, cfg), tls.Client(back, unverified), tls.Server(store, cfg))
}

func runSession(t testing.TB, x exchange, client, front, back, store net.Conn) net.Conn {
	c := newConn(&Server{Handler: &testHandler{}}, front)
	c.store, c.loggedIn, c.caps = back, true, capsGoDriver
	c.scan.caps = c.caps
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for c.await() == nil && c.command() == nil {
			c.settle()
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, len(x.request))
		for {
			if _, err := io.ReadFull(store, buf); err != nil {
				return
			}
			if _, err := store.Write(x.response); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		for _, c := range []net.Conn{client, front, back, store} {
			c.Close()
		}
		<-done
		<-done
	})
	return client
}

func TestRelayingAllocatesNothing(t *testing.T) {
	for _, x := range exchanges() {
		t.Run(x.name, func(t *testing.T) {
			client := startSession(t, x)
			require.NoError(t, client.SetDeadline(time.Now().Add(time.Minute)))
			got := make([]byte, len(x.response))
			var failure error
			allocs := testing.AllocsPerRun(500, func() {
				if _, err := client.Write(x.request); err != nil {
					failure = err
				}
				if _, err := io.ReadFull(client, got); err != nil {
					failure = err
				}
			})
			require.NoError(t, failure)
			require.Equal(t, x.response, got)
			require.Zero(t, allocs)
		})
	}
}

func BenchmarkRelay(b *testing.B) {
	for _, x := range exchanges() {
		b.Run(x.name, func(b *testing.B) { benchmarkExchange(b, startSession(b, x), x) })
		b.Run(x.name+" under TLS", func(b *testing.B) { benchmarkExchange(b, startTLSSession(b, x), x) })
	}
}

func benchmarkExchange(b *testing.B, client net.Conn, x exchange) {
	got := make([]byte, len(x.response))
	b.ReportAllocs()
	b.SetBytes(int64(len(x.request) + len(x.response)))
	for b.Loop() {
		if _, err := client.Write(x.request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, got); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRelayScan is the scanner alone, over rows of 150 bytes in chunks as
// the relay reads them.
func BenchmarkRelayScan(b *testing.B) {
	r := &ResultSet{Columns: []Column{{Name: "c"}}}
	for range 10_000 {
		r.Rows = append(r.Rows, []any{fmt.Sprintf("%0149d", 0)})
	}
	seq := byte(1)
	p, err := r.append(nil, &seq, capsGoDriver, 0, false)
	require.NoError(b, err)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	s := &scanner{caps: capsGoDriver}
	for b.Loop() {
		s.reset(respQuery)
		for rest := p; len(rest) > 0; {
			n, _, err := s.scan(rest[:min(len(rest), blockSize)])
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

// TestLongRowsSplitAtTheirFragments scans rows around the longest a packet can
// hold, cut near every header.
func TestLongRowsSplitAtTheirFragments(t *testing.T) {
	for _, caps := range []Capability{capsPyMySQL, capsGoDriver} {
		r := &ResultSet{Columns: []Column{{Name: "c"}}}
		for _, n := range []int{maxPayload - 9, maxPayload - 10, 5, maxPayload + 3, 2*maxPayload - 9} {
			r.Rows = append(r.Rows, []any{string(make([]byte, n))})
		}
		seq := byte(1)
		p, err := r.append(nil, &seq, caps, 0, false)
		require.NoError(t, err)
		var cuts []int
		for i := 0; i < len(p); i += headerSize + payloadLen(p[i:]) {
			for d := range 9 {
				if cut := i + d - 3; cut >= 0 && cut <= len(p) {
					cuts = append(cuts, cut)
				}
			}
		}
		for _, cut := range cuts {
			s := &scanner{caps: caps}
			s.reset(respQuery)
			n, ev, err := s.scan(p[:cut])
			require.NoError(t, err)
			require.Equal(t, cut, n)
			if cut == len(p) {
				require.Equal(t, evEnd, ev)
				continue
			}
			require.Equal(t, evMore, ev, "cut at %d", cut)
			n, ev, err = s.scan(p[cut:])
			require.NoError(t, err)
			require.Equal(t, len(p)-cut, n)
			require.Equal(t, evEnd, ev, "cut at %d", cut)
		}
	}
}
