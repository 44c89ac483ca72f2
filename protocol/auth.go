package protocol

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
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
	_ = c.client.SetDeadline(deadline)

	store, err := c.dial(ctx)
	if err != nil {
		c.refuse(&Error{Code: errStoreUnreachable, Message: "Can't connect to the store behind dxfproxy (" + err.Error() + ")"})
		return fmt.Errorf("connect to the store: %w", err)
	}
	c.mu.Lock()
	c.store = store
	c.wakeup = func() { _ = store.SetDeadline(past) }
	c.mu.Unlock()
	_ = store.SetDeadline(deadline)

	pkt, err := readPacket(store, make([]byte, 0, 256), maxLoginPacket)
	if err != nil {
		c.refuse(&Error{Code: errStoreUnreachable, Message: "The store behind dxfproxy sent no greeting (" + err.Error() + ")"})
		return fmt.Errorf("read the store's greeting: %w", err)
	}
	if len(pkt) > headerSize && pkt[headerSize] == 0xff { // too many connections, host blocked, …
		_, err := c.client.Write(pkt)
		return errors.Join(errRefused, err)
	}
	greet, err := parseGreeting(pkt[headerSize:])
	if err != nil {
		return err
	}
	greet.offer(pkt[headerSize:], relayable)
	if _, err := c.client.Write(pkt); err != nil {
		return fmt.Errorf("send the greeting: %w", err)
	}

	if err := c.forwardLogin(greet); err != nil {
		return err
	}
	ok, err := c.authenticate()
	if err != nil {
		return err
	}
	if !ok {
		return errRefused
	}
	c.loggedIn = true
	_ = c.client.SetDeadline(time.Time{})
	_ = store.SetDeadline(time.Time{})
	if c.cut.Load() {
		return ErrShutdown // the deadlines just cleared were its own
	}
	return nil
}

func (c *Conn) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.server.dialTimeout())
	defer cancel()
	return c.server.Dial(ctx)
}

// refuse tells the client why it gets no greeting.
func (c *Conn) refuse(e *Error) {
	var seq byte
	_, _ = c.client.Write(appendPacket(nil, &seq, e.appendEarly(nil)))
}

// forwardLogin reads the client's handshake response and forwards it with the
// capabilities both sides have.
func (c *Conn) forwardLogin(greet greeting) error {
	if err := c.need(headerSize); err != nil {
		return fmt.Errorf("read the handshake response: %w", err)
	}
	n := payloadLen(c.buffered())
	if n > maxLoginPacket-headerSize || n < handshakeFixed {
		return c.badHandshake()
	}
	if err := c.need(headerSize + n); err != nil {
		return fmt.Errorf("read the handshake response: %w", err)
	}
	body := c.in[c.r+headerSize : c.r+headerSize+n]
	h, err := parseHandshakeResponse(body)
	if err != nil || h.Caps.Has(ClientSSL) && n == handshakeFixed {
		return c.badHandshake()
	}
	narrow(body, greet.Caps)
	c.id, c.version = greet.ConnectionID, greet.Version
	c.user, c.attrs = h.User, h.Attrs
	c.caps = h.Caps & greet.Caps
	c.scan.caps = c.caps
	c.scan.Status = greet.Status
	_, err = c.forward()
	return err
}

// badHandshake answers what MariaDB answers to an unreadable response.
func (c *Conn) badHandshake() error {
	seq := c.in[c.r+3] + 1
	_, _ = c.client.Write(appendPacket(nil, &seq, (&Error{Code: errHandshake, State: "08S01", Message: "Bad handshake"}).append(nil)))
	return fmt.Errorf("handshake response: %w", errMalformed)
}

// authenticate relays packets both ways until the store says OK or ERR. Who
// speaks next is the plugins' business, so nobody's turn is assumed: after the
// store's first question the client's bytes are copied as they come.
func (c *Conn) authenticate() (ok bool, err error) {
	var copier *authCopier
	defer func() {
		if copier != nil {
			copier.stop()
		}
	}()
	buf := make([]byte, 0, 256)
	for {
		pkt, err := readPacket(c.store, buf, maxLoginPacket)
		if err != nil {
			return false, fmt.Errorf("%w: read an authentication packet: %w", errStoreGone, err)
		}
		// Plugins' own data never starts with 00 or ff: it is escaped with 01.
		verdict := len(pkt) > headerSize && (pkt[headerSize] == 0x00 || pkt[headerSize] == 0xff)
		if verdict && copier != nil {
			// Before the client reads the verdict, so that its next command
			// cannot be taken for an answer to a plugin.
			copier.stop()
			copier = nil
		}
		if _, err := c.client.Write(pkt); err != nil {
			return false, fmt.Errorf("send an authentication packet: %w", err)
		}
		if verdict {
			if pkt[headerSize] == 0xff {
				return false, nil
			}
			return true, c.scan.ok(pkt[headerSize:])
		}
		if copier == nil {
			copier = c.copyAuth()
		}
		buf = pkt
	}
}

// An authCopier copies the client's side of an authentication exchange.
type authCopier struct {
	c        *Conn
	done     chan struct{}
	stopping atomic.Bool
}

func (c *Conn) copyAuth() *authCopier {
	a := &authCopier{c: c, done: make(chan struct{})}
	go a.run()
	return a
}

func (a *authCopier) run() {
	defer close(a.done)
	c := a.c
	if _, err := c.store.Write(c.buffered()); err != nil {
		return // the reader of the store notices
	}
	c.r, c.w = 0, 0
	buf := make([]byte, 1<<10)
	for total := 0; total < maxLoginBytes; {
		n, err := c.client.Read(buf)
		if n > 0 {
			total += n
			if _, err := c.store.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if a.stopping.Load() && isTimeout(err) {
				return
			}
			break
		}
	}
	_ = c.store.SetReadDeadline(past) // nothing more will be asked or answered
}

// stop ends the copier and waits for it. No byte is lost: a read that came too
// late for the deadline has been forwarded.
func (a *authCopier) stop() {
	a.stopping.Store(true)
	_ = a.c.client.SetReadDeadline(past)
	<-a.done
	_ = a.c.client.SetReadDeadline(time.Time{})
	if a.c.cut.Load() {
		_ = a.c.client.SetReadDeadline(past)
	}
}

// changeUser relays COM_CHANGE_USER and the authentication that follows it.
func (c *Conn) changeUser(n int) error {
	user := c.user
	if n < maxLoginPacket-headerSize {
		if err := c.need(headerSize + n); err != nil {
			return err
		}
		p := cursor{b: c.in[c.r+headerSize+1 : c.r+headerSize+n]}
		user = string(p.cstring())
	}
	if _, err := c.forward(); err != nil {
		return err
	}
	ok, err := c.authenticate()
	if err != nil {
		return err
	}
	if ok {
		c.user = user
		c.forget()
	}
	return nil
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
