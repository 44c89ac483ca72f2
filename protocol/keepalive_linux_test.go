package protocol

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeepAliveOnClients(t *testing.T) {
	got := make(chan net.Conn, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	srv := &Server{Dial: dialStore}
	go func() { done <- srv.Serve(ctx, tellingListener{ln, got}) }()
	dialRaw(t, ln.Addr().String(), capsMySQL)
	raw, err := (<-got).(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	idle := 0
	require.NoError(t, raw.Control(func(fd uintptr) {
		idle, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
	}))
	require.NoError(t, err)
	require.EqualValues(t, KeepAlive().Idle/time.Second, idle)
	cancel()
	require.NoError(t, <-done)
}

// A tellingListener tells whom it has accepted.
type tellingListener struct {
	net.Listener
	accepted chan net.Conn
}

func (l tellingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- c
	}
	return c, err
}
