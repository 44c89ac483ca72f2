package lifeline

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged is for how many milliseconds bytes may stay unacknowledged, and for how
// long a peer may acknowledge them but take none. Keep-alive does not run meanwhile.
const unacknowledged = 15_000

func control(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var err error
	cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unacknowledged)
	})
	if cerr != nil {
		return cerr
	}
	return err
}
