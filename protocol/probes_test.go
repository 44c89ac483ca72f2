package protocol

import (
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// nodeAddress is where the relay of these tests dials from: the servers count
// nothing against 127.0.0.1.
const nodeAddress = "127.0.0.5"

// startCountingStore starts a server that blocks an address after 100 interrupted
// logins in a row, as servers do that are left at their defaults.
func startCountingStore(t *testing.T, options ...string) *mariadbd.Server {
	t.Helper()
	store := mariadbdtest.StartT(t, append([]string{"skip_name_resolve=OFF", "max_connect_errors=100", "performance_schema=ON"}, options...)...)
	root := open(t, store.Addr(), "")
	for _, sql := range []string{"CREATE USER app@'%' IDENTIFIED BY 'secret'", "CREATE USER node@'%' IDENTIFIED BY 'nodesecret'"} {
		_, err := root.Exec(sql)
		require.NoError(t, err)
	}
	return store
}

// dialerFrom dials from the node's address, and counts.
func dialerFrom(store string, dialled *atomic.Int64) func(context.Context) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(nodeAddress)}}
	return func(ctx context.Context) (net.Conn, error) {
		dialled.Add(1)
		return d.DialContext(ctx, "tcp", store)
	}
}

// logInAs is a Server's LogIn.
func logInAs(account string) func(context.Context, net.Conn) error {
	return func(ctx context.Context, store net.Conn) error {
		cfg, err := mysql.ParseDSN(account + "@tcp(store)/?maxAllowedPacket=1000")
		if err != nil {
			return err
		}
		cfg.Logger = &mysql.NopLogger{}
		cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return store, nil }
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return err
		}
		conn, err := connector.Connect(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// interruptedLogins is how many the store has counted of the node in a row.
func interruptedLogins(t *testing.T, root *sql.DB) (n int) {
	t.Helper()
	err := root.QueryRow("SELECT SUM_CONNECT_ERRORS FROM performance_schema.host_cache WHERE IP = ?", nodeAddress).Scan(&n)
	if err != sql.ErrNoRows {
		require.NoError(t, err)
	}
	return n
}

// requireUnblocked logs in from the node's address, to the store itself.
func requireUnblocked(t *testing.T, store string) {
	t.Helper()
	conn, err := dialerFrom(store, new(atomic.Int64))(t.Context())
	require.NoError(t, err)
	require.NoError(t, logInAs("app:secret")(t.Context(), conn))
}

// countsHere skips a test on a server that cannot count: MySQL forgets addresses
// that no name server knows, as here, and MariaDB does not.
func countsHere(t *testing.T) {
	if strings.Contains(os.Getenv("DXFPROXY_TEST_BASEDIR"), "mysql") {
		t.Skip("MySQL counts interrupted logins of addresses with a name only, and loopback addresses have none")
	}
}

// TestBareClosesGetTheNodeBlocked is what the tests below rely on: the store
// counts the node's address.
func TestBareClosesGetTheNodeBlocked(t *testing.T) {
	countsHere(t)
	store := startCountingStore(t)
	root := open(t, store.Addr(), "")
	dial := dialerFrom(store.Addr(), new(atomic.Int64))
	require.Eventually(t, func() bool {
		for range 50 {
			conn, err := dial(t.Context())
			require.NoError(t, err)
			_, _ = readPacket(conn, nil, 1000)
			conn.Close()
		}
		return interruptedLogins(t, root) >= 100
	}, 20*time.Second, 10*time.Millisecond)
	conn, err := dial(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, logInAs("app:secret")(t.Context(), conn), "1129")

	core, logs := observer.New(zap.WarnLevel)
	addr := startRelay(t, &Server{Dial: dial, Log: zap.New(core)})
	for range 3 {
		require.ErrorContains(t, openAs(t, addr, "app:secret").Ping(), "1129")
	}
	require.Equal(t, 1, logs.FilterMessageSnippet("run FLUSH HOSTS").Len())
}

// TestS7ProbesDoNotBlockTheNode connects and hangs up, over and over, beside
// clients that say nothing for long. Others log in meanwhile and afterwards, and
// the store holds nothing against the node.
func TestS7ProbesDoNotBlockTheNode(t *testing.T) {
	countsHere(t)
	store := startCountingStore(t)
	for name, logIn := range map[string]func(context.Context, net.Conn) error{"the node logs in": logInAs("node:nodesecret"), "nobody logs in": nil} {
		t.Run(name, func(t *testing.T) {
			probes, silent := 10_000, 300
			if testing.Short() {
				probes = 1000
			}
			var dialled atomic.Int64
			core, logs := observer.New(zap.InfoLevel)
			srv := &Server{Dial: dialerFrom(store.Addr(), &dialled), LogIn: logIn, Log: zap.New(core)}
			addr, stop, done := startStoppable(t, srv)
			root := open(t, store.Addr(), "")
			for range silent {
				conn, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				t.Cleanup(func() { conn.Close() })
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			const abreast = 4
			for w := range abreast {
				wg.Go(func() {
					for i := range probes / abreast {
						conn, err := net.Dial("tcp", addr)
						if err != nil {
							return // the relay is gone, and the test has said so
						}
						if (i+w)%10 == 0 { // some wait for the greeting
							_ = conn.SetDeadline(time.Now().Add(10 * time.Millisecond))
							_, _ = readPacket(conn, nil, 1000)
						}
						conn.Close()
					}
				})
			}
			probing := make(chan struct{})
			go func() { defer close(probing); wg.Wait() }()
			client := openAs(t, addr, "app:secret")
			client.SetMaxIdleConns(0)
			logins := 0
			var slowest time.Duration
			most := 0
			for over := false; !over; logins++ {
				select {
				case <-probing:
					over = true
				default:
				}
				began := time.Now()
				require.NoError(t, client.Ping())
				slowest = max(slowest, time.Since(began))
				most = max(most, interruptedLogins(t, root))
			}
			t.Logf("%d logins, the slowest in %v; the store was dialled %d times and counted %d errors at most", logins, slowest, dialled.Load(), most)
			require.GreaterOrEqual(t, srv.Stats().Accepted+srv.Stats().Refused, uint64(probes+silent))
			require.Less(t, most, 20)
			require.Less(t, slowest, 5*time.Second)
			stop()
			require.NoError(t, receive(t, done))
			require.Less(t, interruptedLogins(t, root), 20)
			requireUnblocked(t, store.Addr())
			require.Less(t, int(dialled.Load()), probes/2)
			require.NotZero(t, logs.FilterMessage("clients left without a word").Len())
		})
	}
}

// TestS7HalfLoginsDoNotBlockTheNode leaves at every point of a login, and sends
// answers that the store takes for interrupted logins.
func TestS7HalfLoginsDoNotBlockTheNode(t *testing.T) {
	countsHere(t)
	store := startCountingStore(t)
	a := newAuthority(t)
	var dialled atomic.Int64
	srv := &Server{Dial: dialerFrom(store.Addr(), &dialled), LogIn: logInAs("node:nodesecret"), Log: zap.NewNop(), TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}}
	addr := startRelay(t, srv)
	root := open(t, store.Addr(), "")
	response := func(user, plugin string, answer int) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(capsPyMySQL))
		b = append(b, make([]byte, 28)...)
		b = append(b, user+"\x00"...)
		b = append(append(b, byte(answer)), make([]byte, answer)...)
		seq := byte(1)
		return appendPacket(nil, &seq, append(b, plugin+"\x00"...))
	}
	whole := response("app", "mysql_native_password", 20)
	ways := map[string]struct {
		send  []byte
		reads int
	}{
		"garbage":                {[]byte("GET / HTTP/1.1\r\n\r\n"), 1},
		"half a response":        {whole[:40], 0},
		"an answer too long":     {response("app", "mysql_native_password", 32), 1},
		"a plugin to be changed": {response("app", "caching_sha2_password", 0), 1},
		"nobody":                 {response("nobody", "caching_sha2_password", 0), 1},
		"a wrong password":       {whole, 1},
	}
	for name, way := range ways {
		for range 150 {
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = readPacket(conn, nil, 1000)
			require.NoError(t, err, name)
			_, err = conn.Write(way.send)
			require.NoError(t, err)
			for range way.reads {
				_, _ = readPacket(conn, nil, 1000)
			}
			conn.Close()
		}
		require.Less(t, interruptedLogins(t, root), 50, name)
		requireUnblocked(t, store.Addr())
		require.NoError(t, openAs(t, addr, "app:secret").Ping(), name)
	}
	t.Logf("%d dials", dialled.Load())
}

// TestS7RefusedLogins: where the node has no account to log in with, and where it
// has told the store who the client is, connections end by a login that the store
// refuses, and does not count as interrupted.
func TestS7RefusedLogins(t *testing.T) {
	store := startCountingStore(t)
	root := open(t, store.Addr(), "")
	dial := dialerFrom(store.Addr(), new(atomic.Int64))
	for range 150 {
		conn, err := dial(t.Context())
		require.NoError(t, err)
		greet, err := readPacket(conn, nil, 1000)
		require.NoError(t, err)
		require.NoError(t, refuseLogin(conn, greet), "%q", greet)
		conn.Close()
	}
	require.Zero(t, interruptedLogins(t, root))
	requireUnblocked(t, store.Addr())
}

// TestS33LoginFailuresAreLogged: with user and client address, and not without end.
func TestS33LoginFailuresAreLogged(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	srv := &Server{Log: zap.New(core)}
	addr, stop, done := startStoppable(t, srv)
	for range 20 {
		require.Error(t, openAs(t, addr, "mallory:wrong").Ping())
	}
	stop()
	require.NoError(t, receive(t, done))
	one := logs.FilterMessage("login refused").All()
	require.Len(t, one, incidentsShown)
	fields := one[0].ContextMap()
	require.Equal(t, "mallory", fields["user"])
	require.EqualValues(t, 1045, fields["code"])
	require.Contains(t, fmt.Sprint(fields["client"]), "127.0.0.1:")
	more := logs.FilterMessage("more logins refused").All()
	require.Len(t, more, 1)
	require.EqualValues(t, 20-incidentsShown, more[0].ContextMap()["logins"])
}
