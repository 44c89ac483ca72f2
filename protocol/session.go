package protocol

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// How a session ends when nothing went wrong.
var (
	errQuit    = errors.New("client said goodbye")
	errRefused = errors.New("the store refused the login")
	errDrained = errors.New("session was idle at shutdown")
)

// errStands says that a session was ended because its client does nothing that
// others wait for.
var errStands = errors.New("the session stood still for too long")

// errStoreGone wraps what ended the store's leg.
var errStoreGone = errors.New("store hung up")

// past is a deadline that has always expired: setting it wakes whoever blocks.
var past = time.Unix(1, 0)

// Conn is a client's session: its connection, and the one in the store that
// belongs to it alone. Its methods are for Handler.Handle, on the goroutine it
// was called on.
type Conn struct {
	server *Server
	log    *zap.Logger

	client net.Conn // front, or TLS over it, or frames
	store  net.Conn
	socket net.Conn    // of the client
	front  net.Conn    // socket, read and written directly
	frames *compressed // nil unless the client compresses
	requestBuffer
	scan  scanner
	extra []byte // what the store sent behind the end of a response, unasked

	id      uint32
	version string
	caps    Capability
	user    string
	salt    []byte // the store's last, for the authentication

	source, destination       net.Addr // what a PROXY header said of the client; nil: the socket's own are true
	storeHasTLS               bool     // its greeting offered it
	clientSecure, storeSecure bool     // under TLS, or a socket of this machine

	stmts     map[uint32]*prepared // those we answer for
	last      *prepared            // what statement id -1 means, if it is one of those
	kept      int64                // bytes of stmts
	long      int                  // bytes of the statement in hand, if it is a long one
	lastLocal uint32
	warnings  []Warning
	value     any

	next     byte // number of a packet that may be sent to the client now; 0: none may be
	asked    bool // a request is with the store, which has not answered
	injected byte // packets of our own sent in answer to the current command
	broken   bool // a Query was abandoned: what the store says next is unknown

	counters
	admission
	loggedIn bool
	lastCall bool        // a shutdown waits for the rest of a request
	idle     atomic.Bool // blocked on the client, between commands
	orphan   atomic.Bool // the store has hung up
	draining atomic.Bool
	cut      atomic.Bool
	gone     atomic.Bool // the client has hung up on a statement, see passHangUp
	looked   uint64      // commands when the supervisor looked last
	moved    uint64      // commands and bytes then
	movedAt  time.Time   // since when they are the same

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the Handle in flight, else nil
	cause  error                   // of cut
	wakeup func()                  // wakes both legs; nil until the store is dialled
}

func newConn(s *Server, client net.Conn) *Conn {
	c := &Conn{server: s, front: direct(client), socket: client, lastLocal: firstLocalID - 1, clientSecure: isSocket(client)}
	c.client = c.front
	c.log = s.log().With(zap.Stringer("client", client.RemoteAddr()))
	c.init()
	return c
}

// run is the whole life of a session.
func (c *Conn) run(ctx context.Context, watch *supervisor) error {
	defer func() { c.client.Close() }()
	defer c.release()
	if err := c.login(ctx); err != nil {
		if c.holds {
			c.leaveTurn(err)
		}
		if c.store != nil {
			c.store.Close()
		}
		return err
	}
	defer c.store.Close()
	defer c.forgetPrepared()
	defer c.giveLong()
	if err := c.server.register(c); err != nil {
		return err
	}
	defer c.server.unregister(c)
	token := watch.add(c)
	defer watch.remove(token)
	c.settle()
	for {
		c.next, c.asked = 1, false // as if in answer to the request to come
		if c.frames != nil {
			c.frames.next.Store(1)
		}
		if err := c.await(); err != nil {
			c.explain(err)
			return err
		}
		c.heldBack()
		if err := c.command(); err != nil {
			c.explain(err)
			return err
		}
		c.settle()
		c.giveLong()
	}
}

// await blocks until the header of the next request is there.
func (c *Conn) await() error {
	for c.w-c.r < headerSize {
		c.idle.Store(true) // before the flags are read, see storeHungUp
		if c.w == c.r {
			if c.orphan.Load() {
				return c.farewell()
			}
			if c.draining.Load() && !c.InTransaction() {
				return errDrained
			}
		}
		c.room(headerSize)
		begun := c.w > c.r
		err := c.read()
		c.idle.Store(false)
		if begun {
			err = c.patience(err)
		} else if errors.Is(err, errWoken) {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errWoken says that read was interrupted to look at draining.
var errWoken = errors.New("woken")

// read reads once from the client, behind what is buffered.
func (c *Conn) read() error {
	n, err := c.client.Read(c.in[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if c.loggedIn && isTimeout(err) {
		// The flag is set before the deadline, so whoever clears the deadline
		// and looks at the flag afterwards cannot miss it.
		_ = c.client.SetReadDeadline(time.Time{})
		if c.cut.Load() {
			return c.cutFor()
		}
		return errWoken
	}
	return err
}

// need blocks until n bytes of the request are buffered.
func (c *Conn) need(n int) error {
	c.room(n)
	for c.w-c.r < n {
		if err := c.readMore(); err != nil {
			return err
		}
	}
	return nil
}

// drainPatience is how long a client may stand still, at a shutdown, in the middle of a
// request or of an answer. Who is slow goes on, within DrainTimeout.
const drainPatience = 2 * time.Second

// readMore reads from the client, which has begun a request.
func (c *Conn) readMore() error { return c.patience(c.read()) }

// patience is what an error of read means in the middle of a request.
func (c *Conn) patience(err error) error {
	switch {
	case !errors.Is(err, errWoken):
		c.lastCall = false
		return err
	case !c.draining.Load():
		return nil
	case c.lastCall:
		return ErrShutdown
	}
	c.lastCall = true
	_ = c.client.SetReadDeadline(time.Now().Add(drainPatience))
	if c.cut.Load() {
		_ = c.client.SetReadDeadline(past)
	}
	return nil
}

// command relays or answers one request, of which the header is buffered.
func (c *Conn) command() error {
	n := payloadLen(c.buffered())
	if len(c.extra) > 0 {
		return c.lastWords(c.extra, c.in[c.r+3])
	}
	c.commands.Add(1)
	c.injected = 0
	if n == 0 {
		return c.relay(respOne) // the store knows what to say to this
	}
	if err := c.need(headerSize + 1); err != nil {
		return err
	}
	cmd := c.in[c.r+headerSize]
	switch cmd {
	case comQuery:
		return c.query(n)
	case comStmtPrepare:
		return c.prepare(n)
	case comStmtExecute, comStmtSendLongData, comStmtClose, comStmtReset, comStmtFetch, comStmtBulkExecute:
		if c.last != nil || len(c.stmts) > 0 {
			return c.statement(cmd, n)
		}
		if cmd == comStmtExecute {
			return c.relayExecute(n)
		}
	case comQuit:
		if _, err := c.forward(); err != nil {
			return err
		}
		return errQuit
	case comProcessKill:
		return c.processKill(n)
	case comChangeUser:
		return c.changeUser(n)
	case comResetConnection:
		err := c.relay(respOne)
		if err == nil && !c.scan.Failed {
			c.forget()
		}
		return err
	}
	kind := responses[cmd]
	if kind == respStream {
		return c.tunnel()
	}
	return c.relay(kind)
}

// relay forwards the request and its response.
func (c *Conn) relay(kind responseKind) error {
	if kind == respQuery || kind == respPrepare {
		c.warnings = nil
	}
	seq, err := c.forward()
	if err != nil || kind == respNone {
		return err
	}
	return c.respond(kind, seq)
}

// forget drops what a reset session no longer has.
func (c *Conn) forget() {
	c.forgetPrepared()
	c.warnings, c.value = nil, nil
}

// drain asks the session, from another goroutine, to end as soon as it is idle
// and in no transaction.
func (c *Conn) drain() {
	c.draining.Store(true)
	_ = c.socket.SetReadDeadline(past)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeWaiting()
}

// storeHungUp tells the session, from another goroutine, that the store has
// ended its leg. One that is waiting for the store notices by itself. A server
// that is told to KILL ends a connection in order; a reset comes from elsewhere.
func (c *Conn) storeHungUp() {
	c.orphan.Store(true)
	cause := ErrConnectionKilled
	if wasReset(socketOf(c.store)) {
		cause = ErrStoreLost
	}
	c.mu.Lock()
	if c.cancel != nil {
		c.cancel(cause)
	}
	c.mu.Unlock()
	if c.idle.Load() {
		_ = c.socket.SetReadDeadline(past)
	}
}

// abort ends the session from another goroutine, whatever it is doing.
func (c *Conn) abort(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut.CompareAndSwap(false, true) {
		c.cause = cause
	}
	if c.cancel != nil {
		c.cancel(cause)
	}
	_ = c.socket.SetDeadline(past)
	if c.wakeup != nil {
		c.wakeup()
	}
	c.wakeWaiting()
}

// cutFor is what abort was called for.
func (c *Conn) cutFor() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// ID is the connection id, the store's own: what KILL takes.
func (c *Conn) ID() uint32 { return c.id }

// User is the name the client logged in with.
func (c *Conn) User() string { return c.user }

// ServerVersion is what the store calls itself in its greeting.
func (c *Conn) ServerVersion() string { return c.version }

// RemoteAddr is the client's address, as the balancer before us gives it if we
// listen to one.
func (c *Conn) RemoteAddr() net.Addr {
	if c.source != nil {
		return c.source
	}
	return c.socket.RemoteAddr()
}

// localAddr is the address the client connected to.
func (c *Conn) localAddr() net.Addr {
	if c.destination != nil {
		return c.destination
	}
	return c.socket.LocalAddr()
}

// Status is the status of the session after its last response.
func (c *Conn) Status() StatusFlags { return c.scan.Status & sessionStatus }

// StoreWarnings is how many warnings the store counted for the statement that
// ended last.
func (c *Conn) StoreWarnings() uint16 { return c.scan.Warnings }

// InTransaction reports whether a transaction is open.
func (c *Conn) InTransaction() bool { return c.scan.Status.Has(StatusInTrans) }

// Value is what SetValue kept, nil at first and after the client has reset its
// session (COM_RESET_CONNECTION, COM_CHANGE_USER).
func (c *Conn) Value() any { return c.value }

// SetValue keeps the Handler's own state of the session.
func (c *Conn) SetValue(v any) { c.value = v }

// Warnings are those of the last reply of ours, nil as soon as another
// statement has been relayed: then the store has the list.
func (c *Conn) Warnings() []Warning { return c.warnings }
