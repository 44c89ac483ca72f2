package protocol

import (
	"net"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// lookAfter is how often sessions that wait for the store are asked whether
// their clients are still there. The servers themselves look every five seconds,
// and only in SLEEP() and GET_LOCK().
const lookAfter = time.Second

// look passes on that clients have hung up under a statement. A session that
// waits for the store does not read from its client, and a server that meets the
// end of its connection breaks off what would wait for nobody.
//
// It looks from time to time and not when it happens: to be told of each end
// would cost every request of every client another turn in the kernel.
func (s *supervisor) look(quit <-chan struct{}) {
	ticker := time.NewTicker(lookAfter)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-quit:
			return
		}
		s.mu.Lock()
		for _, c := range s.conns {
			n := c.commands.Load()
			if n == c.looked && !c.idle.Load() && c.atEnd() {
				c.clientHungUp()
			}
			c.looked = n
			if c.stands(time.Now()) {
				c.log.Info("a session stood still and is ended", zap.Uint32("id", c.id), zap.String("user", c.user),
					zap.Bool("store hung up", c.orphan.Load()))
				if tc, ok := c.socket.(*net.TCPConn); ok {
					_ = tc.SetLinger(0) // nor will it take the rest
				}
				c.abort(errStands)
			}
		}
		s.mu.Unlock()
	}
}

// orphanTime is how long a session may stand still whose store has hung up. A
// server does that by itself, after net_write_timeout, which a session may set,
// to one whose answer nobody takes: where it has not, the node has longer patience.
const orphanTime = 30 * time.Second

// stands reports whether the session waits in vain for its client: to take an
// answer, or, when the store has hung up, to finish a request.
func (c *Conn) stands(now time.Time) bool {
	orphan := c.orphan.Load()
	limit := c.server.writeTimeout()
	if orphan {
		limit = min(limit, orphanTime)
	}
	if c.draining.Load() {
		limit = min(limit, drainPatience)
	}
	if d, ok := c.front.(*directConn); ok {
		if since := d.stuckSince(); !since.IsZero() {
			return now.Sub(since) > limit
		}
	}
	moved := c.commands.Load() + c.bytesIn.Load() + c.bytesOut.Load()
	if !orphan || c.idle.Load() || moved != c.moved || c.handling() {
		c.moved, c.movedAt = moved, now
		return false
	}
	return now.Sub(c.movedAt) > limit
}

// handling reports whether a Handle is in flight, which sees to its client itself.
func (c *Conn) handling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancel != nil
}

// atEnd reports whether the client has closed its end, and nothing that it sent
// before is left to read. A client that says COM_QUIT first has not asked for
// its statement to be broken off, and the servers do not.
func (c *Conn) atEnd() (yes bool) {
	sc, ok := c.socket.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(poll, 0); n != 1 || err != nil {
			return
		}
		unread, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		yes = err == nil && unread == 0
	})
	return yes
}

// clientHungUp wakes the session, from another goroutine, if it is waiting for
// the store. A Handle sees to its client itself.
func (c *Conn) clientHungUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		c.gone.Store(true)
		_ = c.store.SetReadDeadline(past)
	}
}
