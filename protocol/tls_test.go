package protocol

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// startTLSStore starts a MariaDB server that has TLS, with one account of every
// kind, all with the password "secret".
func startTLSStore(t *testing.T, a *authority, options ...string) *mariadbd.Server {
	t.Helper()
	cert, key, ca := a.files(t, a.sign(t, "store"))
	srv := mariadbdtest.StartT(t, append(options, "ssl_cert="+cert, "ssl_key="+key, "ssl_ca="+ca, "plugin_load_add=auth_ed25519")...)
	root := open(t, srv.Addr(), "")
	for _, statement := range []string{
		"CREATE USER native@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret')",
		"CREATE USER edward@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret')",
		"CREATE USER secured@'%' IDENTIFIED BY 'secret' REQUIRE SSL",
		"CREATE USER certified@'%' IDENTIFIED BY 'secret' REQUIRE X509",
		"CREATE USER os@'%' IDENTIFIED VIA unix_socket",
	} {
		_, err := root.Exec(statement)
		require.NoError(t, err)
	}
	return srv
}

func dialer(addr string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
}

// refusal is the number of the error that a login met; 0 is none.
func refusal(t *testing.T, err error) uint16 {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		t.Logf("no error of the server's: %v", err)
		return 1
	}
	return e.Number
}

var configs atomic.Int64

// register names a TLS configuration for DSNs.
func register(t *testing.T, cfg *tls.Config) (param string) {
	t.Helper()
	name := fmt.Sprint("config", configs.Add(1))
	require.NoError(t, mysql.RegisterTLSConfig(name, cfg))
	t.Cleanup(func() { mysql.DeregisterTLSConfig(name) })
	return "?tls=" + name
}

// TestTLSOnEitherLeg logs in with every kind of account that MariaDB has, with
// and without TLS, for every way to use TLS towards the store.
func TestTLSOnEitherLeg(t *testing.T) {
	a := newAuthority(t)
	store := startTLSStore(t, a)
	// The store's certificate and its name are looked at, as with --store-ca.
	verify := &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1"}
	const denied = 1045
	for _, mode := range []struct {
		name        string
		mode        StoreTLS
		client      bool
		storeSecure bool
		secured     uint16 // what an account that requires TLS gets
	}{
		{"as client, plain", TLSAsClient, false, false, denied},
		{"as client, TLS", TLSAsClient, true, true, 0},
		{"required, plain", TLSRequire, false, true, 0},
		{"required, TLS", TLSRequire, true, true, 0},
		{"disabled, plain", TLSDisable, false, false, denied},
		{"disabled, TLS", TLSDisable, true, false, denied},
	} {
		t.Run(mode.name, func(t *testing.T) {
			addr := startRelay(t, &Server{
				Dial: dialer(store.Addr()), Handler: &testHandler{},
				TLS:      &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}},
				StoreTLS: mode.mode, StoreTLSConfig: verify,
			})
			params := ""
			if mode.client {
				params = register(t, &tls.Config{RootCAs: a.pool})
			}
			for account, want := range map[string]uint16{
				"root": 0, "native:secret": 0, "edward:secret": 0, "native:wrong": denied, "edward:wrong": denied,
				"secured:secret": mode.secured, "certified:secret": denied,
				"os": 1698, // over TCP there is no account of the system to see
			} {
				db := openAs(t, addr, account, params)
				require.Equal(t, want, refusal(t, mariadbdtest.Login(db)), account)
				if want != 0 {
					continue
				}
				var name, cipher, text string
				require.NoError(t, db.QueryRow("SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
				require.Equal(t, mode.storeSecure, cipher != "", cipher)
				require.NoError(t, db.QueryRow("SELECT REPEAT('x', ?)", 1_000_000).Scan(&text))
				require.Len(t, text, 1_000_000)
			}
		})
	}
}

// TestTLSOverTheStoresSocket logs in with an account that wants TLS, which a socket
// of the same machine does not stand in for.
func TestTLSOverTheStoresSocket(t *testing.T) {
	a := newAuthority(t)
	store := startTLSStore(t, a)
	addr := startRelay(t, &Server{TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", store.Socket())
	}})
	trust := register(t, &tls.Config{RootCAs: a.pool})
	var cipher string
	const query = `SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'`
	require.NoError(t, openAs(t, addr, "secured:secret", trust).QueryRow(query).Scan(&cipher))
	require.NotEmpty(t, cipher)
	err := openAs(t, addr, "secured:secret").Ping()
	require.Equal(t, uint16(1045), refusal(t, err))
}

func TestStoreWithoutTLS(t *testing.T) {
	a := newAuthority(t)
	relay := &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}

	addr := startRelay(t, &Server{TLS: relay, StoreTLS: TLSRequire})
	e := parseError(dialGreeting(t, addr).read().payload)
	require.EqualValues(t, errTLS, e.Code)
	require.Contains(t, e.Message, "does not offer it")

	// A store on this machine: nothing crosses a network.
	addr = startRelay(t, &Server{TLS: relay})
	require.NoError(t, openAs(t, addr, "root", "?tls=skip-verify").Ping())

	// One elsewhere, which is here too and does not look so.
	addr = startRelay(t, &Server{TLS: relay, Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := dialStore(ctx)
		return remoteConn{c}, err
	}})
	require.NoError(t, open(t, addr, "").Ping())
	require.ErrorContains(t, openAs(t, addr, "root", "?tls=skip-verify").Ping(), "TLS requested but server does not support TLS")
}

// A remoteConn looks as if its other end were far away.
type remoteConn struct{ net.Conn }

func (remoteConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 3306} }

func TestStoreWithACertificateNobodyKnows(t *testing.T) {
	a := newAuthority(t)
	store := startTLSStore(t, a)
	addr := startRelay(t, &Server{
		Dial: dialer(store.Addr()), StoreTLS: TLSRequire,
		StoreTLSConfig: &tls.Config{RootCAs: newAuthority(t).pool, ServerName: "127.0.0.1"},
	})
	var e *mysql.MySQLError
	require.ErrorAs(t, open(t, addr, "").Ping(), &e)
	require.EqualValues(t, errTLS, e.Number)
	require.Contains(t, e.Message, "certificate signed by unknown authority")
}

func TestTLSIsRequired(t *testing.T) {
	a := newAuthority(t)
	addr := startRelay(t, &Server{TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}, RequireTLS: true})
	require.EqualValues(t, errTLSRequired, refusal(t, open(t, addr, "").Ping()))
	require.NoError(t, openAs(t, addr, "root", "?tls=skip-verify").Ping())
}

func TestClientCertificates(t *testing.T) {
	a := newAuthority(t)
	addr := startRelay(t, &Server{TLS: &tls.Config{
		Certificates: []tls.Certificate{a.sign(t, "relay")}, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	for name, c := range map[string]struct {
		certs []tls.Certificate
		ok    bool
	}{
		"good":  {[]tls.Certificate{a.sign(t, "client")}, true},
		"none":  {nil, false},
		"alien": {[]tls.Certificate{newAuthority(t).sign(t, "client")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := openAs(t, addr, "root", register(t, &tls.Config{RootCAs: a.pool, Certificates: c.certs})).Ping()
			require.Equal(t, c.ok, err == nil, "%v", err)
		})
	}
}

// TestCertificateChangesUnderClients gives new connections another certificate;
// the old ones go on.
func TestCertificateChangesUnderClients(t *testing.T) {
	a := newAuthority(t)
	var current atomic.Pointer[tls.Config]
	current.Store(&tls.Config{Certificates: []tls.Certificate{a.sign(t, "first")}})
	addr := startRelay(t, &Server{TLS: &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return current.Load(), nil },
	}})
	var seen atomic.Value
	db := openAs(t, addr, "root", register(t, &tls.Config{RootCAs: a.pool, VerifyConnection: func(s tls.ConnectionState) error {
		seen.Store(s.PeerCertificates[0].Subject.CommonName)
		return nil
	}}))
	first, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer first.Close()
	require.Equal(t, "first", seen.Load())
	current.Store(&tls.Config{Certificates: []tls.Certificate{a.sign(t, "second")}})
	second, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer second.Close()
	require.Equal(t, "second", seen.Load())
	for _, c := range []*sql.Conn{first, second} {
		require.NoError(t, c.PingContext(t.Context()))
	}
}

// TestTLSWithRealClients runs programs that bring their own TLS.
func TestTLSWithRealClients(t *testing.T) {
	a := newAuthority(t)
	store := startTLSStore(t, a)
	addr := startRelay(t, &Server{
		Dial: dialer(store.Addr()), Handler: &testHandler{}, TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}},
	})
	_, port, _ := net.SplitHostPort(addr)
	_, _, ca := a.files(t, a.sign(t, "unused"))
	out := run(t, "mariadb", "--no-defaults", "-h127.0.0.1", "-P"+port, "-usecured", "-psecret", "--ssl-ca="+ca, "--ssl-verify-server-cert", "-e",
		"SHOW STATUS LIKE 'Ssl_version'; SELECT CURRENT_USER(), REPEAT('x', 100000)")
	require.Contains(t, out, "TLSv1.3")
	require.Contains(t, out, "secured@%")
	out = run(t, "mariadb", "--no-defaults", "-h127.0.0.1", "-P"+port, "-uedward", "-psecret", "--ssl", "--tls-version=TLSv1.2", "-e", "SELECT CURRENT_USER()")
	require.Contains(t, out, "edward@%")
	out = run(t, "/usr/bin/python3", "-c", `
import pymysql, sys
c = pymysql.connect(host="127.0.0.1", port=int(sys.argv[1]), user="secured", password="secret", ssl={"ca": sys.argv[2]})
cur = c.cursor()
for n in (1, 100, 100000, 17 << 20):
    cur.execute("SELECT LENGTH(%s)", ("x" * min(n, 900000),))
    cur.execute("SELECT REPEAT('y', %s)", (min(n, 16000000),))
    print(len(cur.fetchone()[0]))
c.close()`, port, ca)
	require.Equal(t, "1\n100\n100000\n16000000", strings.TrimSpace(out))
}

// TestChangeUserUnderTLS: sequence numbers differ between the legs while
// somebody logs in, and no more after that.
func TestChangeUserUnderTLS(t *testing.T) {
	a := newAuthority(t)
	store := startTLSStore(t, a)
	cfg := &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}
	for _, mode := range []StoreTLS{TLSAsClient, TLSRequire, TLSDisable} {
		addr := startRelay(t, &Server{Dial: dialer(store.Addr()), TLS: cfg, StoreTLS: mode})
		for _, caps := range []Capability{capsMySQL, capsMySQL | ClientSSL} {
			c := dialRaw(t, addr, caps)
			require.False(t, c.changeUser("native", "secret").Failed)
			pkts := c.must("SELECT CURRENT_USER()")
			require.Equal(t, "\x08native@%", string(pkts[2].payload))
		}
	}
}

func TestTLSHandshakesThatAreNone(t *testing.T) {
	a := newAuthority(t)
	srv := &Server{TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}, HandshakeTimeout: 200 * time.Millisecond}
	addr := startRelay(t, srv)
	request := append([]byte{0, 0x8a, 0, 0}, make([]byte, 28)...)
	for name, after := range map[string][]byte{
		"silence":  nil,
		"garbage":  []byte(strings.Repeat("garbage", 1000)),
		"no hello": {0x16, 3, 1, 0xff, 0xff},
		"again":    appendPacket(nil, new(byte), request),
	} {
		t.Run(name, func(t *testing.T) {
			c := dialGreeting(t, addr)
			c.read()
			seq := byte(1)
			_, err := c.conn.Write(append(appendPacket(nil, &seq, request), after...))
			require.NoError(t, err)
			for err == nil { // an alert, perhaps, and the end
				_, err = c.conn.Read(make([]byte, 100))
			}
			require.False(t, isTimeout(err))
		})
	}
	require.Eventually(t, func() bool { return srv.Stats().Connections == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, openAs(t, addr, "root", "?tls=skip-verify").Ping())
}
