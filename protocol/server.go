package protocol

import (
	"container/list"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Server accepts clients and runs a session for each.
type Server struct {
	// Dial opens a connection to the store. Every client has one of its own.
	Dial func(ctx context.Context) (net.Conn, error)

	// TLS is what clients are offered; nil is no TLS. Certificates that change
	// while it runs come from its GetConfigForClient.
	TLS *tls.Config

	// RequireTLS refuses clients that use neither TLS nor a Unix socket.
	RequireTLS bool

	// StoreTLS says when the store's leg is under TLS, StoreTLSConfig how; nil
	// encrypts without looking at the store's certificate.
	StoreTLS       StoreTLS
	StoreTLSConfig *tls.Config

	// ProxyNetworks are those whose connections begin with a PROXY protocol
	// header that says who the client is. It is believed.
	ProxyNetworks []netip.Prefix

	// StoreProxyHeader is the version, 1 or 2, of the PROXY protocol header that
	// tells the store who the client is; 0 is none.
	StoreProxyHeader int

	// Handler is asked about statements; nil relays all of them.
	Handler Handler

	// KilledElsewhere is told of a KILL that the store has agreed to and whose
	// victim is no session of this server; behind a balancer a client's Ctrl-C
	// comes in anywhere. nil: nobody is told.
	KilledElsewhere func(id uint32)

	// Log gets sessions that end badly. nil is silent.
	Log *zap.Logger

	// MaxConnections refuses more clients than that with error 1040; 0 is no
	// limit but the store's.
	MaxConnections int

	// MaxHandshakes refuses more clients than that at once on their way to a
	// login, with the same error. One that takes more than a second makes room for
	// the next, under either limit. 0 is 1024.
	MaxHandshakes int

	// MaxUnanswered is how many of the store's connections may wait for clients to
	// say who they are; others wait for their turn. 0 is 64.
	MaxUnanswered int

	// LogIn logs in over a connection to the store as the node itself, and says
	// goodbye: this is how connections end whose clients leave without a login, see
	// unanswered. nil: they end by a login that the store refuses.
	LogIn func(ctx context.Context, store net.Conn) error

	HandshakeTimeout time.Duration // from accept to the store's OK; 0: 10 s, as connect_timeout of the servers
	DialTimeout      time.Duration // 0: 5 s
	WriteTimeout     time.Duration // how long a client may take nothing of an answer; 0: 10 min
	DrainTimeout     time.Duration // how long busy sessions may go on after Serve was told to stop; 0: 15 s

	mu       sync.Mutex
	stats    Stats // without the counters of open sessions
	byID     map[uint32]*Conn
	sessions map[*Conn]struct{}
	logins   list.List // of *Conn on their way to a login; those first that have been greeted, or have waited, for longest
	turns
	amends    amends
	incidents incidents

	holds holds

	kept atomic.Int64 // bytes of prepared statements of ours, of all sessions
	long atomic.Int64 // bytes of long statements in hand that may be ours

	loginKeyOnce sync.Once
	rsaKey       *rsa.PrivateKey
	rsaErr       error
}

func (s *Server) handshakeTimeout() time.Duration {
	return orDefault(s.HandshakeTimeout, 10*time.Second)
}
func (s *Server) dialTimeout() time.Duration  { return orDefault(s.DialTimeout, 5*time.Second) }
func (s *Server) writeTimeout() time.Duration { return orDefault(s.WriteTimeout, 10*time.Minute) }
func (s *Server) drainTimeout() time.Duration { return orDefault(s.DrainTimeout, 15*time.Second) }

func (s *Server) maxHandshakes() int {
	if s.MaxHandshakes > 0 {
		return s.MaxHandshakes
	}
	return 1024
}

func (s *Server) maxUnanswered() int {
	if s.MaxUnanswered > 0 {
		return min(s.MaxUnanswered, maxUnanswered)
	}
	return maxUnanswered
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (s *Server) log() *zap.Logger {
	if s.Log == nil {
		return zap.NewNop()
	}
	return s.Log
}

// Serve accepts clients from ln until ctx is done, and closes ln. Then it ends
// sessions as they become idle outside a transaction, cuts the rest after
// DrainTimeout, and returns nil when all have ended. It may run for several
// listeners at once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	unhook := context.AfterFunc(ctx, func() { ln.Close() })
	defer unhook()
	s.beginTurns()
	defer s.incidents.flush(s.log())
	defer s.endTurns()
	sessions := sessionGroup{conns: make(map[*Conn]struct{}), watch: supervise()}
	defer sessions.watch.stop()
	err := s.accept(ctx, ln, &sessions)
	ln.Close()
	sessions.drain(s.drainTimeout())
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// accept starts sessions until ln fails for good.
func (s *Server) accept(ctx context.Context, ln net.Listener, sessions *sessionGroup) error {
	const maxPause = time.Second
	pause := time.Duration(0)
	for {
		client, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, most likely: sessions that end give some back.
			pause = min(max(2*pause, 5*time.Millisecond), maxPause)
			s.log().Warn("accept a client", zap.Error(err), zap.Duration("retry in", pause))
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return err
			}
			continue
		}
		pause = 0
		keepAlive(client)
		c := newConn(s, client)
		if !s.enter(c) {
			sessions.start(c, func() {
				defer client.Close()
				_ = client.SetDeadline(time.Now().Add(time.Second))
				c.refuse(&Error{Code: errTooManyConnections, Message: "Too many connections"})
			})
			continue
		}
		sessions.start(c, func() {
			defer s.leave(c)
			s.session(context.WithoutCancel(ctx), c, sessions.watch)
		})
	}
}

// session runs a session and logs how it ended. A panic costs this client its
// connection and nobody else theirs.
func (s *Server) session(ctx context.Context, c *Conn, watch *supervisor) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("session panicked", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
		}
	}()
	err := c.run(ctx, watch)
	switch {
	case errors.Is(err, errQuit), errors.Is(err, errDrained), errors.Is(err, errRefused):
	case !c.loggedIn && errors.Is(err, errMalformed):
		s.incidents.garbled(s.log(), c, err)
	case !c.loggedIn && !c.spoke && (c.greeted || errors.Is(err, errGoneAlready)) && !c.draining.Load():
		s.incidents.silent(s.log(), c)
	case errors.Is(err, errMalformed):
		c.log.Warn("session ended", zap.Error(err), zap.Uint32("id", c.id))
	default:
		c.log.Debug("session ended", zap.Error(err), zap.Uint32("id", c.id))
	}
}

// KeepAlive lets the kernel find peers that vanished without a word, within two
// minutes.
func KeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}
}

// keepAlive sets it. Go has switched Nagle's algorithm off already.
func keepAlive(c net.Conn) {
	if tc, ok := c.(*net.TCPConn); ok {
		_ = tc.SetKeepAliveConfig(KeepAlive())
	}
}

// kill cancels the Handle in flight on the session, if there is one.
func (s *Server) kill(k killing) {
	s.mu.Lock()
	victim := s.byID[k.id]
	s.mu.Unlock()
	if victim == nil {
		if s.KilledElsewhere != nil {
			s.KilledElsewhere(k.id)
		}
		return
	}
	victim.mu.Lock()
	defer victim.mu.Unlock()
	if victim.cancel != nil {
		victim.cancel(k.cause)
	}
}

// A sessionGroup is the sessions of one Serve.
type sessionGroup struct {
	watch *supervisor
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[*Conn]struct{}
}

func (g *sessionGroup) start(c *Conn, run func()) {
	g.mu.Lock()
	g.conns[c] = struct{}{}
	g.mu.Unlock()
	g.wg.Go(func() {
		defer func() {
			g.mu.Lock()
			delete(g.conns, c)
			g.mu.Unlock()
		}()
		run()
	})
}

// drain ends the sessions, gently first, and waits for them.
func (g *sessionGroup) drain(grace time.Duration) {
	g.each((*Conn).drain)
	force := time.AfterFunc(grace, func() {
		g.each(func(c *Conn) { c.abort(ErrShutdown) })
	})
	defer force.Stop()
	g.wg.Wait()
}

func (g *sessionGroup) each(f func(*Conn)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		f(c)
	}
}
