package protocol

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// descriptors is how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	return len(open)
}

// TestNothingIsLeftOfManyConnections comes and goes in every way, as often as
// DXFPROXY_CONNECTS says.
func TestNothingIsLeftOfManyConnections(t *testing.T) {
	a := newAuthority(t)
	srv := &Server{TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}, Handler: &testHandler{}, Log: zap.NewNop()}
	addr := startRelay(t, srv)
	gone := func() bool { return srv.Stats().Connections == 0 }
	dialRaw(t, addr, capsMySQL).conn.Close()
	require.Eventually(t, gone, 10*time.Second, time.Millisecond)
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	times := 2000
	if text := os.Getenv("DXFPROXY_CONNECTS"); text != "" {
		var err error
		times, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	workers := make(chan error)
	const abreast = 8
	for w := range abreast {
		go func() { workers <- comeAndGo(addr, w, times/abreast) }()
	}
	for range abreast {
		require.NoError(t, <-workers)
	}
	require.Eventually(t, gone, 30*time.Second, time.Millisecond)
	require.GreaterOrEqual(t, srv.Stats().Accepted, uint64(times))
	require.Eventually(t, func() bool {
		return descriptors(t) <= files && runtime.NumGoroutine() <= goroutines+1 // this one
	}, 10*time.Second, 10*time.Millisecond, "files were %d, goroutines %d", files, goroutines)
}

// comeAndGo connects n times and leaves at another point each time.
func comeAndGo(addr string, worker, n int) error {
	login := append(binary.LittleEndian.AppendUint32(nil, uint32(capsPyMySQL)), make([]byte, 28)...)
	login = append(login, "root\x00\x00mysql_native_password\x00"...)
	for i := range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if err := leaveAt(conn, login, (i+worker)%7); err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}

// leaveAt takes a connection to a point of its life.
func leaveAt(conn net.Conn, login []byte, point int) error {
	read := func() error {
		_, err := readPacket(conn, nil, 1<<20)
		return err
	}
	if point == 0 {
		return nil // not even the greeting
	}
	if err := read(); err != nil || point == 1 {
		return err
	}
	seq := byte(1)
	if point == 2 {
		_, err := conn.Write(login[:10])
		return err
	}
	if point == 3 { // TLS, and gone in the middle of it
		request := bytes.Clone(login[:handshakeFixed])
		announceTLS(request)
		_, err := conn.Write(append(appendPacket(nil, &seq, request), 0x16, 3, 1))
		return err
	}
	if _, err := conn.Write(appendPacket(nil, &seq, login)); err != nil {
		return err
	}
	if err := read(); err != nil || point == 4 {
		return err
	}
	seq = 0
	if point == 5 {
		_, err := conn.Write(appendPacket(nil, &seq, []byte("\x03SELECT SLEEP(0.01)")))
		return err
	}
	_, err := conn.Write(appendPacket(nil, &seq, []byte{comQuit}))
	return err
}
