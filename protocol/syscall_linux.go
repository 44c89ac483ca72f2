package protocol

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A directConn reads and writes its socket without telling Go's scheduler.
//
// The scheduler believes that a system call may block, and gives the processor
// of one that takes more than 20 us to another thread, as a write that wakes
// the other side often does: it watches for them all the time, and the thread
// must ask for its processor again. These calls never block, the descriptor is
// O_NONBLOCK; what has to be waited for, the runtime's poller waits for.
type directConn struct {
	net.Conn
	in, out transfer
}

// A transfer is one direction. Its functions are made once: a closure would be
// allocated for each call.
type transfer struct {
	name string                                                  // of the system call
	call func(fd uintptr, b []byte) (n int, errno syscall.Errno) // makes it
	all  bool                                                    // until nothing is left
	wait func(step func(fd uintptr) bool) error                  // calls step whenever the descriptor is ready, until it is true
	step func(fd uintptr) bool

	mu      sync.Mutex
	buf     []byte // what is left to move
	n       int    // bytes moved
	err     syscall.Errno
	waiting bool // for the other side

	stuck atomic.Int64 // since when the other side has moved nothing, in nanoseconds; 0: it need not
}

// direct wraps a socket; anything else comes back as it is.
func direct(c net.Conn) net.Conn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return c
	}
	d := &directConn{Conn: c}
	d.in.name, d.in.call, d.in.wait, d.in.step = "read", readSocket, raw.Read, d.in.move
	d.out.name, d.out.call, d.out.wait, d.out.step = "write", writeSocket, raw.Write, d.out.move
	d.out.all = true
	return d
}

// stuckSince is since when what was written to it last waits for a peer that takes
// nothing, as a session's supervisor asks; zero: nothing does.
func (d *directConn) stuckSince() time.Time {
	if n := d.out.stuck.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// under is the socket itself.
func (d *directConn) under() net.Conn { return d.Conn }

// Read implements net.Conn.
func (d *directConn) Read(b []byte) (int, error) {
	n, err := d.run(&d.in, b)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements net.Conn: it writes everything, or says why not.
func (d *directConn) Write(b []byte) (int, error) { return d.run(&d.out, b) }

func (d *directConn) run(t *transfer, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf, t.n, t.err = b, 0, 0
	err := t.wait(t.step)
	t.buf = nil
	if t.waiting {
		t.waiting = false
		t.stuck.Store(0)
	}
	if err == nil && t.err != 0 {
		err = &net.OpError{
			Op: t.name, Net: d.LocalAddr().Network(), Source: d.LocalAddr(), Addr: d.RemoteAddr(),
			Err: os.NewSyscallError(t.name, t.err),
		}
	}
	return t.n, err
}

// move makes the system call; false: it has to wait for the other side.
func (t *transfer) move(fd uintptr) bool {
	for len(t.buf) > 0 {
		n, errno := t.call(fd, t.buf)
		switch errno {
		case 0:
			if t.waiting {
				t.stuck.Store(time.Now().UnixNano())
			}
			t.n += n
			if t.buf = t.buf[n:]; !t.all {
				return true
			}
		case syscall.EINTR:
		case syscall.EAGAIN:
			if !t.waiting {
				t.waiting = true
				t.stuck.Store(time.Now().UnixNano())
			}
			return false
		default:
			t.err = errno
			return true
		}
	}
	return true
}
