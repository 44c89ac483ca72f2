package lifeline

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// A wire is the socket of a session, and knows how long an answer has been waited for.
type wire struct {
	net.Conn
	watch *watch

	asked atomic.Int64 // when the read began that has not returned, by our own clock; 0: none
	heard atomic.Int64 // when bytes came last
	dead  atomic.Pointer[silent]

	// Of the session, once it is set up; under watch.mu.
	id     int64
	server host
	seenIn int64 // the read that a look was last about
	// The read in which a look found the server waiting for us, and when it did.
	quietIn, quietAt int64
}

func (w *wire) Read(b []byte) (int, error) {
	w.asked.Store(now())
	n, err := w.Conn.Read(b)
	w.asked.Store(0)
	if n > 0 {
		w.heard.Store(now())
	}
	return n, err
}

// impatient is how long nothing may have come when a caller gives an answer up, for it
// to say something about the other connections.
const impatient = time.Second

// Close ends the connection; the driver does it too when a caller's context ends.
func (w *wire) Close() error {
	if asked := w.asked.Load(); asked != 0 && time.Duration(now()-asked) > impatient {
		w.watch.doubt(asked)
	}
	w.watch.forget(w)
	return w.Conn.Close()
}

// SyscallConn lets the driver see, before it uses an idle connection, that the
// server has closed it.
func (w *wire) SyscallConn() (syscall.RawConn, error) {
	if c, ok := w.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, syscall.EINVAL
}
