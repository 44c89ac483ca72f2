package protocol

import (
	"context"
	"database/sql"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"
)

// startRelay serves srv in front of the test store until the test ends, and
// checks that nothing of it is left then. It returns the address.
func startRelay(t testing.TB, srv *Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	startRelayOn(t, srv, ln)
	return ln.Addr().String()
}

// startRelayOn does the same on a listener of the caller's.
func startRelayOn(t testing.TB, srv *Server, ln net.Listener) {
	t.Helper()
	if srv.Dial == nil {
		srv.Dial = dialStore
	}
	if srv.Log == nil {
		srv.Log = zaptest.NewLogger(t)
	}
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(30 * time.Second):
			t.Fatal("Serve does not end")
		}
		require.Zero(t, srv.Stats().Connections)
		require.Zero(t, srv.Stats().Handshakes)
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
}

func dialStore(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", testStore.Addr())
}

// open is a pool of connections through the relay, closed before the relay stops.
func open(t testing.TB, addr, params string) *sql.DB {
	t.Helper()
	return openAs(t, addr, "root", params)
}

func openAs(t testing.TB, addr, account string, params ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", account+"@tcp("+addr+")/"+strings.Join(params, ""))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestTextAndPreparedStatementsThroughTheRelay(t *testing.T) {
	addr := startRelay(t, &Server{})
	db := open(t, addr, "")
	var n int
	require.NoError(t, db.QueryRow("SELECT 1+1").Scan(&n))
	require.Equal(t, 2, n)
	require.NoError(t, db.QueryRow("SELECT ?+1", 5).Scan(&n))
	require.Equal(t, 6, n)
	_, err := db.Exec("SELECT nonsense")
	require.ErrorContains(t, err, "1054")
}
