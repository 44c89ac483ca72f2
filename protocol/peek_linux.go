package protocol

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quiet reports whether the other side of an idle connection is there and has
// said nothing, without waiting for it.
func quiet(socket net.Conn) bool { return peek(socket) == unix.EAGAIN }

// wasReset reports whether a connection has ended by a reset.
func wasReset(socket net.Conn) bool { return peek(socket) == unix.ECONNRESET }

// peek is the error of a read that takes nothing and waits for nothing; nil: there
// are data, or the end, or it cannot be told.
func peek(socket net.Conn) (err error) {
	sc, ok := socket.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	return err
}
