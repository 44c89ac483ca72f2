package protocol

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quiet reports whether the other side of an idle connection is there and has
// said nothing, without waiting for it.
func quiet(socket net.Conn) (yes bool) {
	sc, ok := socket.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		yes = err == unix.EAGAIN
	})
	return yes
}
