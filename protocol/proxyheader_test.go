package protocol

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

var (
	someone   = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7).To4(), Port: 4711}
	somewhere = &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1).To4(), Port: 3306}
	someone6  = &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 4711}
)

// asFamily makes a header of version 2 about a client of another family.
func asFamily(family byte, addrs []byte) []byte {
	return append([]byte(proxyV2Prefix), append([]byte{proxyV2Proxy, family, byte(len(addrs) >> 8), byte(len(addrs))}, addrs...)...)
}

func TestProxyHeaders(t *testing.T) {
	for version := 1; version <= 2; version++ {
		for _, c := range []struct {
			source, destination net.Addr
			want                string
		}{
			{someone, somewhere, "192.0.2.7:4711 198.51.100.1:3306"},
			{someone6, someone6, "[2001:db8::7]:4711 [2001:db8::7]:4711"},
			{someone6, somewhere, "[2001:db8::7]:4711 [::ffff:198.51.100.1]:3306"},
			{&net.UnixAddr{Name: "/x", Net: "unix"}, somewhere, "invalid AddrPort invalid AddrPort"},
		} {
			b := appendProxyHeader(nil, version, c.source, c.destination)
			for cut := range b { // whatever has come says how much more must
				_, size, err := parseProxyHeader(b[:cut])
				require.NoError(t, err)
				require.Greater(t, size, cut)
				require.LessOrEqual(t, size, len(b))
			}
			h, size, err := parseProxyHeader(append(bytes.Clone(b), "rest"...))
			require.NoError(t, err)
			require.Equal(t, len(b), size)
			require.Equal(t, c.want, fmt.Sprint(h.Source, " ", h.Destination))
		}
	}
}

func TestProxyHeadersThatAreNone(t *testing.T) {
	for _, b := range []string{
		"x", "GET / HTTP/1.0\r\n", "PROXX", "PROXY\r\n", "PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 a b 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 " + strings.Repeat("1", 200),
		"\r\n\r\n\x00\r\nQUIX", proxyV2Prefix + "\x31\x11\x00\x0c", proxyV2Prefix + "\x22\x11\x00\x00",
		proxyV2Prefix + "\x21\x11\xff\xff", string(asFamily(proxyV2TCP4, []byte("short"))), string(asFamily(proxyV2TCP6, make([]byte, 35))),
	} {
		_, _, err := parseProxyHeader([]byte(b))
		require.ErrorIs(t, err, errMalformed, "%q", b)
	}
}

// TestProxyHeaderFromABalancer connects with every kind of header, one byte at a
// time and in one piece, and asks the store who it thinks is there.
func TestProxyHeaderFromABalancer(t *testing.T) {
	store := mariadbdtest.StartT(t, "proxy_protocol_networks=127.0.0.1", "skip_name_resolve=1")
	root := open(t, store.Addr(), "")
	_, err := root.Exec("CREATE USER root@'%' IDENTIFIED BY ''")
	require.NoError(t, err)
	own := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for version := 1; version <= 2; version++ {
		addr := startRelay(t, &Server{Dial: dialer(store.Addr()), ProxyNetworks: own, StoreProxyHeader: version})
		for header, want := range map[string]string{
			string(appendProxyHeader(nil, 1, someone, somewhere)):   "192.0.2.7",
			string(appendProxyHeader(nil, 2, someone, somewhere)):   "192.0.2.7",
			string(appendProxyHeader(nil, 2, someone6, someone6)):   "2001:db8::7",
			string(appendProxyHeader(nil, 2, &net.UnixAddr{}, nil)): "127.0.0.1",
			"PROXY UNKNOWN\r\n":                       "127.0.0.1",
			string(asFamily(0x31, make([]byte, 216))): "127.0.0.1", // a Unix socket: nobody becomes localhost
			string(asFamily(proxyV2TCP4, append([]byte{192, 0, 2, 8, 1, 1, 1, 1, 0, 1, 0, 1}, make([]byte, 500)...))): "192.0.2.8",
		} {
			for _, step := range []int{1, len(header)} {
				conn, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				for b := []byte(header); len(b) > 0; b = b[step:] {
					_, err := conn.Write(b[:step])
					require.NoError(t, err)
				}
				c := loginRaw(t, conn, capsMySQL)
				pkts := c.must("SELECT SUBSTRING_INDEX(USER(), '@', -1)")
				require.Equal(t, want, string(pkts[2].payload[1:]))
				c.conn.Close()
			}
		}
	}
}

func TestProxyHeaderFromAnyoneElse(t *testing.T) {
	addr := startRelay(t, &Server{ProxyNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write(appendProxyHeader(nil, 2, someone, somewhere))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = readPacket(conn, nil, 1000) // the greeting
	require.NoError(t, err)
	pkt, err := readPacket(conn, nil, 1000)
	if err == nil {
		require.EqualValues(t, errHandshake, parseError(pkt[headerSize:]).Code)
	}
	require.NoError(t, open(t, addr, "").Ping(), "they need none either")
}

func TestProxyHeaderThatDoesNotCome(t *testing.T) {
	srv := &Server{ProxyNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, HandshakeTimeout: 100 * time.Millisecond}
	addr := startRelay(t, srv)
	for _, said := range []string{"", "PROXY TCP4 1.2", "GET / HTTP/1.0\r\n\r\n"} {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte(said))
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		for err == nil {
			_, err = conn.Read(make([]byte, 100))
		}
		require.False(t, isTimeout(err))
	}
}

// TestBehindHAProxy has a real balancer say who the client is, with TLS behind
// that and without.
func TestBehindHAProxy(t *testing.T) {
	a := newAuthority(t)
	addr := startRelay(t, &Server{
		ProxyNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		TLS:           &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}},
		Handler: &testHandler{handle: func(_ context.Context, c *Conn, _ Statement) Reply {
			return &ResultSet{Columns: []Column{{Name: "client"}}, Rows: [][]any{{c.RemoteAddr().String()}}}
		}},
	})
	for _, send := range []string{"send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"} {
		balancer := startHAProxy(t, addr, send)
		for _, caps := range []Capability{capsMySQL, capsMySQL | ClientSSL} {
			conn, err := net.Dial("tcp", balancer)
			require.NoError(t, err)
			c := loginRaw(t, conn, caps)
			pkts := c.must("TEST who")
			require.Equal(t, conn.LocalAddr().String(), string(pkts[2].payload[1:]))
		}
	}
}

// startHAProxy starts a balancer before addr until the test ends.
func startHAProxy(t *testing.T, addr, send string) (balancer string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	balancer = ln.Addr().String()
	ln.Close()
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	config := "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\nlisten relay\n bind " + balancer + "\n server relay " + addr + " " + send + "\n"
	require.NoError(t, os.WriteFile(file, []byte(config), 0o644))
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy" // not everybody's PATH has it
	}
	cmd := exec.Command(program, "-q", "-db", "-f", file)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", balancer)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	return balancer
}

func FuzzProxyHeader(f *testing.F) {
	f.Add(appendProxyHeader(nil, 1, someone, somewhere))
	f.Add(appendProxyHeader(nil, 2, someone6, somewhere))
	f.Add([]byte("PROXY UNKNOWN ::1\r\nrest"))
	f.Add(asFamily(0x31, make([]byte, 216)))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, size, err := parseProxyHeader(b)
		if err != nil {
			return
		}
		if size > len(b) {
			require.LessOrEqual(t, size, proxyV2Max)
			return
		}
		require.Positive(t, size)
		again, _, err := parseProxyHeader(b[:size])
		require.NoError(t, err)
		require.Equal(t, h, again)
		if !h.Source.IsValid() {
			return
		}
		for version := 1; version <= 2; version++ {
			p := appendProxyHeader(nil, version, net.TCPAddrFromAddrPort(h.Source), net.TCPAddrFromAddrPort(h.Destination))
			got, size, err := parseProxyHeader(p)
			require.NoError(t, err)
			require.Equal(t, len(p), size)
			require.Equal(t, h.Source.Addr().Unmap(), got.Source.Addr().Unmap())
			require.Equal(t, h.Source.Port(), got.Source.Port())
		}
	})
}
