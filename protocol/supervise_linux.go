package protocol

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A supervisor notices when the store hangs up on a session that is not talking
// to it: a client's idle connection must not look alive when its other half is
// gone, or connection pools hand it out. One descriptor and one goroutine do
// this for all sessions. Data makes no event, so a busy session costs nothing.
// It also looks after clients that hang up while the store is at work, see look.
type supervisor struct {
	epoll *os.File
	fd    int
	quit  chan struct{}
	done  sync.WaitGroup

	mu    sync.Mutex
	last  int32
	conns map[int32]*Conn
}

// supervise starts a supervisor. It may be nil, which is one that sees nothing.
func supervise() *supervisor {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	s := &supervisor{fd: fd, epoll: os.NewFile(uintptr(fd), "epoll"), quit: make(chan struct{}), conns: make(map[int32]*Conn)}
	raw, err := s.epoll.SyscallConn()
	if err != nil {
		_ = s.epoll.Close()
		return nil
	}
	s.done.Go(func() { s.run(raw) })
	s.done.Go(func() { s.look(s.quit) })
	return s
}

// run waits for events: on the poller of the runtime, in no thread of its own.
func (s *supervisor) run(raw syscall.RawConn) {
	events := make([]unix.EpollEvent, 64)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:n] {
			s.mu.Lock()
			c := s.conns[e.Fd]
			s.mu.Unlock()
			if c != nil {
				c.storeHungUp()
			}
		}
	}
}

// add watches the store's leg of c until remove.
func (s *supervisor) add(c *Conn) (token int32) {
	sc, ok := socketOf(c.store).(syscall.Conn)
	if s == nil || !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	s.mu.Lock()
	s.last++ // not the descriptor: that may be another connection's by the time the event is read
	token = s.last
	s.conns[token] = c
	s.mu.Unlock()
	_ = raw.Control(func(fd uintptr) {
		_ = unix.EpollCtl(s.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: token})
	})
	return token
}

// remove forgets a session; closing its leg has ended, or will end, its events.
func (s *supervisor) remove(token int32) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, token)
}

func (s *supervisor) stop() {
	if s == nil {
		return
	}
	close(s.quit)
	_ = s.epoll.Close()
	s.done.Wait()
}
