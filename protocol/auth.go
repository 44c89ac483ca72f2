package protocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Limits before anybody has logged in.
const (
	// maxLoginPacket bounds every packet of the connection phase, both ways:
	// the client's response with attributes is the longest.
	maxLoginPacket = blockSize

	// maxLoginBytes bounds what a client may send until the store says OK.
	maxLoginBytes = 1 << 20
)

// login dials the store, relays its greeting and the authentication, and
// returns nil when the store has said OK.
func (c *Conn) login(ctx context.Context) error {
	deadline := time.Now().Add(c.server.handshakeTimeout())
	if err := c.limit(deadline); err != nil {
		return err
	}
	if c.server.mustIntroduce(c.socket) {
		if err := c.readProxyHeader(); err != nil {
			return err
		}
	}
	greet, err := c.reach(ctx, deadline)
	if err != nil {
		return err
	}
	exchange, err := c.forwardLogin(greet, deadline)
	if err != nil {
		return err
	}
	ok, err := exchange.run()
	c.wipe()
	if err != nil {
		exchange.abandon()
		return err
	}
	if !ok {
		return errRefused
	}
	c.loggedIn = true
	c.server.amends.refused.Store(0)
	if exchange.compress {
		c.compress()
	}
	_ = c.client.SetDeadline(time.Time{})
	_ = c.store.SetDeadline(time.Time{})
	if c.cut.Load() {
		return ErrShutdown // the deadlines just cleared were its own
	}
	return nil
}

// limit bounds what the client does next. A deadline that came from abort or drain
// meanwhile would be lost.
func (c *Conn) limit(deadline time.Time) error {
	_ = c.client.SetDeadline(deadline)
	switch {
	case c.cut.Load():
		return ErrShutdown
	case c.draining.Load():
		return errDrained
	}
	return nil
}

// reach gets a connection to the store for the client, when it is its turn, and
// relays the store's greeting.
func (c *Conn) reach(ctx context.Context, deadline time.Time) (g greeting, err error) {
	if err := c.takeTurn(deadline); err != nil {
		return g, err
	}
	if c.mine != nil {
		err = c.attach(c.mine.socket, deadline)
	} else {
		c.mine, err = c.meet(ctx, deadline)
	}
	if err != nil {
		return g, err
	}
	return c.greet(deadline)
}

// meet connects to the store and reads its greeting. A store that has no room for
// another connection is tried again if that could be made.
func (c *Conn) meet(ctx context.Context, deadline time.Time) (*unanswered, error) {
	for began := time.Now(); ; {
		u, err := c.connect(ctx, deadline)
		if err != nil {
			return nil, err
		}
		if u.greeting[headerSize] != 0xff {
			return u, nil
		}
		if isFull(u.greeting) && c.awaitRoom(began) {
			u.socket.Close()
			continue
		}
		// Host blocked, not allowed, too many connections.
		e := parseError(u.greeting[headerSize:])
		c.server.storeRefused(e)
		_, err = c.client.Write(u.greeting)
		return nil, errors.Join(errRefused, err)
	}
}

// awaitRoom has room made in a full store, and waits for that: at most until the
// other clients that are at their logins are overdue.
func (c *Conn) awaitRoom(began time.Time) bool {
	const pause = 20 * time.Millisecond
	for time.Since(began) < loginPatience+10*pause && !c.cut.Load() {
		freed := c.server.squeeze(c)
		if !freed && !c.server.othersGreeted(c) {
			return false
		}
		time.Sleep(pause) // the store has to notice
		if freed {
			return true
		}
	}
	return false
}

// isFull reports whether the store has greeted with "Too many connections".
func isFull(pkt []byte) bool {
	return len(pkt) > headerSize && pkt[headerSize] == 0xff && parseError(pkt[headerSize:]).Code == errTooManyConnections
}

// connect dials the store, tells it, where that is wished, who the client is, and
// reads what it says first.
func (c *Conn) connect(ctx context.Context, deadline time.Time) (*unanswered, error) {
	u := &unanswered{since: time.Now()}
	var err error
	u.socket, err = c.dial(ctx)
	c.server.unreachable.Store(err != nil)
	if err != nil {
		c.refuse(&Error{Code: errStoreUnreachable, Message: "Can't connect to the store behind dxfproxy (" + err.Error() + ")"})
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	if err := c.attach(u.socket, deadline); err != nil {
		return nil, err
	}
	if v := c.server.StoreProxyHeader; v != 0 {
		if _, err := u.socket.Write(appendProxyHeader(nil, v, c.RemoteAddr(), c.localAddr())); err != nil {
			return nil, fmt.Errorf("%w: send a PROXY header: %w", errStoreGone, err)
		}
	}
	u.greeting, err = readPacket(c.store, make([]byte, 0, 256), maxLoginPacket)
	if err == nil && len(u.greeting) == headerSize {
		err = errMalformed
	}
	if err != nil {
		c.refuse(&Error{Code: errStoreUnreachable, Message: "The store behind dxfproxy sent no greeting (" + err.Error() + ")"})
		return nil, fmt.Errorf("read the store's greeting: %w", err)
	}
	return u, nil
}

// attach makes a connection to the store that of the session.
func (c *Conn) attach(store net.Conn, deadline time.Time) error {
	c.mu.Lock()
	c.store, c.storeSecure = direct(store), isSocket(store)
	c.wakeup = func() { _ = store.SetDeadline(past) }
	c.mu.Unlock()
	_ = store.SetDeadline(deadline)
	if c.cut.Load() {
		return ErrShutdown // it came before there was a store to wake
	}
	return nil
}

func (c *Conn) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.server.dialTimeout())
	defer cancel()
	return c.server.Dial(ctx)
}

// greet hands the store's greeting to the client, with what cannot be relayed
// left out of it. The client has until deadline for its answer, or until the
// connection is old.
func (c *Conn) greet(deadline time.Time) (g greeting, err error) {
	pkt := bytes.Clone(c.mine.greeting) // as it came it is still needed
	if g, err = parseGreeting(pkt[headerSize:]); err != nil {
		return g, err
	}
	c.storeHasTLS = g.Caps.Has(ClientSSL)
	if c.server.StoreTLS == TLSRequire && !c.storeHasTLS {
		c.refuse(&Error{Code: errTLS, Message: "TLS to the store behind dxfproxy is required, and the store does not offer it"})
		return g, fmt.Errorf("greeting without TLS: %w", errStoreTLS)
	}
	caps := g.Caps & relayable
	if c.offersTLS() {
		caps |= ClientSSL
	}
	g.offer(pkt[headerSize:], caps)
	if old := c.mine.since.Add(answerAge); old.Before(deadline) {
		deadline = old
	}
	if err := c.limit(deadline); err != nil {
		return g, err
	}
	c.hasGreeting()
	if _, err := c.client.Write(pkt); err != nil {
		return g, fmt.Errorf("send the greeting: %w", err)
	}
	return g, nil
}

// refuse tells the client why it gets no greeting.
func (c *Conn) refuse(e *Error) {
	var seq byte
	_, _ = c.client.Write(appendPacket(nil, &seq, e.appendEarly(nil)))
}

// forwardLogin reads the client's handshake response, goes over to TLS on both
// legs as agreed, and forwards the response with the capabilities both sides
// have.
func (c *Conn) forwardLogin(greet greeting, deadline time.Time) (*authExchange, error) {
	body, err := c.handshakePacket()
	if err != nil {
		return nil, err
	}
	c.spoke = true
	if isSSLRequest(body) {
		if !greet.Caps.Has(ClientSSL) {
			return nil, c.badHandshake()
		}
		c.r += headerSize + len(body)
		if err := c.secureClient(); err != nil {
			return nil, err
		}
		if body, err = c.handshakePacket(); err != nil {
			return nil, err
		}
	}
	h, err := parseHandshakeResponse(body)
	if err != nil || isSSLRequest(body) {
		return nil, c.badHandshake()
	}
	c.user = h.User
	if c.server.RequireTLS && !c.clientSecure {
		const message = "Connections using insecure transport are prohibited by dxfproxy's --require-secure-transport"
		_ = c.refuseResponse(errTLSRequired, "HY000", message)
		c.server.incidents.refused(c.server.log(), c, &Error{Code: errTLSRequired, Message: message})
		return nil, errRefused
	}
	if !h.Caps.Has(ClientCompress) && h.Caps.Has(ClientZstdCompression) {
		return nil, c.refuseResponse(errHandshake, "08S01", "dxfproxy does not offer compression by zstd")
	}
	c.id, c.version, c.salt = greet.ConnectionID, greet.Version, greet.Salt
	c.caps = h.Caps & greet.Caps &^ ClientSSL
	c.scan.caps = c.caps
	c.scan.Status = greet.Status

	if err := c.limit(deadline); err != nil {
		return nil, err
	}
	if err := c.answered(); err != nil {
		return nil, err
	}
	narrow(body, c.caps)
	seq := byte(1)
	if c.wantsStoreTLS() {
		announceTLS(body)
		if err := c.secureStore(body[:handshakeFixed]); err != nil {
			_ = c.refuseResponse(errTLS, "HY000", "TLS to the store behind dxfproxy: "+err.Error())
			return nil, err
		}
		seq = 2
	}
	a := &authExchange{c: c, plugin: h.Plugin, compress: h.Caps.Has(ClientCompress), shift: c.in[c.r+3] - seq, seq: seq}
	c.in[c.r+3] = seq
	_, err = c.forward()
	return a, err
}

// handshakePacket buffers the next packet of the client and returns its payload,
// valid until the next read.
func (c *Conn) handshakePacket() ([]byte, error) {
	if err := c.need(headerSize); err != nil {
		return nil, fmt.Errorf("read the handshake response: %w", err)
	}
	n := payloadLen(c.buffered())
	if n > maxLoginPacket-headerSize || n < handshakeFixed {
		return nil, c.badHandshake()
	}
	if err := c.need(headerSize + n); err != nil {
		return nil, fmt.Errorf("read the handshake response: %w", err)
	}
	return c.in[c.r+headerSize : c.r+headerSize+n], nil
}

// badHandshake answers what MariaDB answers to an unreadable response.
func (c *Conn) badHandshake() error {
	return c.refuseResponse(errHandshake, "08S01", "Bad handshake")
}

// refuseResponse answers the handshake response at the head of the buffer with
// an error, and ends the session.
func (c *Conn) refuseResponse(code uint16, state, message string) error {
	seq := c.in[c.r+3] + 1
	_, _ = c.client.Write(appendPacket(nil, &seq, (&Error{Code: code, State: state, Message: message}).append(nil)))
	return fmt.Errorf("handshake response: %s: %w", message, errMalformed)
}

// changeUser relays COM_CHANGE_USER and the authentication that follows it.
func (c *Conn) changeUser(n int) error {
	to := changeUser{User: c.user}
	if n < maxLoginPacket-headerSize {
		if err := c.need(headerSize + n); err != nil {
			return err
		}
		to = parseChangeUser(c.in[c.r+headerSize+1:c.r+headerSize+n], c.caps)
	}
	if _, err := c.forward(); err != nil {
		return err
	}
	was := c.user
	c.user = to.User // as whom the log knows a refusal
	ok, err := (&authExchange{c: c, plugin: to.Plugin}).run()
	c.wipe()
	if err != nil {
		return err
	}
	if !ok {
		c.user = was // MariaDB goes on, with a session that it has reset all the same
	}
	c.forget()
	return nil
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
