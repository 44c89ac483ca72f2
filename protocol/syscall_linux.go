package protocol

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
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
	raw syscall.RawConn
	in  transfer
	out transfer
}

// A transfer is one direction.
type transfer struct {
	mu   sync.Mutex
	buf  []byte // what is left to move
	n    int    // bytes moved
	err  syscall.Errno
	step func(fd uintptr) bool // made once: a closure would be allocated for each call
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
	d := &directConn{Conn: c, raw: raw}
	d.in.step, d.out.step = d.in.read, d.out.write
	return d
}

// under is the socket itself.
func (d *directConn) under() net.Conn { return d.Conn }

// Read implements net.Conn.
func (d *directConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	t := &d.in
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf, t.n, t.err = b, 0, 0
	err := d.raw.Read(t.step)
	t.buf = nil
	switch {
	case err != nil:
		return 0, err
	case t.err != 0:
		return 0, d.failure("read", t.err)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// Write implements net.Conn: it writes everything, or says why not.
func (d *directConn) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	t := &d.out
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf, t.n, t.err = b, 0, 0
	err := d.raw.Write(t.step)
	t.buf = nil
	if err == nil && t.err != 0 {
		err = d.failure("write", t.err)
	}
	return t.n, err
}

func (d *directConn) failure(op string, errno syscall.Errno) error {
	return &net.OpError{
		Op: op, Net: d.LocalAddr().Network(), Source: d.LocalAddr(), Addr: d.RemoteAddr(),
		Err: os.NewSyscallError(op, errno),
	}
}

// read makes one read(2); false: there is nothing yet.
func (t *transfer) read(fd uintptr) bool {
	for {
		n, errno := readSocket(fd, t.buf)
		switch errno {
		case 0:
			t.n = n
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = errno
			return true
		}
	}
}

// write makes write(2) until all is written; false: there is no room.
func (t *transfer) write(fd uintptr) bool {
	for len(t.buf) > 0 {
		n, errno := writeSocket(fd, t.buf)
		switch errno {
		case 0:
			t.n += n
			t.buf = t.buf[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = errno
			return true
		}
	}
	return true
}
