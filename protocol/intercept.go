package protocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"go.uber.org/zap"
)

// maxCandidate is the longest statement that may be ours. Longer ones are
// relayed unseen: the relay would have to hold them in memory.
const maxCandidate = 1 << 20

// query relays or answers a COM_QUERY.
func (c *Conn) query(n int) error {
	sql, err := c.text(n, c.caps.Has(ClientQueryAttributes))
	if err != nil {
		return err
	}
	if c.matches(sql) {
		pkt := c.takePacket(n)
		return c.intercept(pkt, len(pkt)-len(sql))
	}
	if k, ok := parseKill(sql); ok {
		return c.relayKill(k, respQuery)
	}
	return c.relay(respQuery)
}

// text returns the statement of the request at the head of the buffer, or of a
// long one its beginning, or nil when nobody need see it. It is valid until the
// next read.
func (c *Conn) text(n int, attributes bool) ([]byte, error) {
	if c.server.Handler == nil && n > smallSize {
		return nil, nil // not even a KILL
	}
	if n > maxCandidate-headerSize {
		return nil, nil
	}
	size := min(headerSize+n, blockSize)
	if err := c.need(size); err != nil {
		return nil, err
	}
	body := c.in[c.r+headerSize+1 : c.r+size]
	if attributes {
		at, ok := skipAttributes(body)
		if !ok {
			return nil, nil
		}
		body = body[at:]
	}
	if size == headerSize+n || !c.match(body) {
		return body, nil
	}
	if !c.takeLong(n) {
		return nil, nil
	}
	skipped := size - headerSize - 1 - len(body)
	if err := c.need(headerSize + n); err != nil {
		return nil, err
	}
	return c.in[c.r+headerSize+1+skipped : c.r+headerSize+n], nil
}

// maxLong bounds the bytes of all statements that may be ours and are longer than a block.
// A client may send one slowly, or wait long for its answer. With more of them the next are
// relayed unseen.
const maxLong = 64 << 20

// takeLong takes the room for a long statement until the command ends, and reports whether
// there is some.
func (c *Conn) takeLong(n int) bool {
	if c.server.long.Add(int64(n)) > maxLong {
		c.server.long.Add(-int64(n))
		return false
	}
	c.long += n
	return true
}

// giveLong gives it back.
func (c *Conn) giveLong() {
	if c.long > 0 {
		c.server.long.Add(-int64(c.long))
		c.long = 0
	}
}

func (c *Conn) match(sql []byte) bool {
	h := c.server.Handler
	return h != nil && sql != nil && h.Match(sql, c.Status())
}

// matches reports whether the Handler shall see the statement. Several in one
// packet are the store's, unless it has something against them.
func (c *Conn) matches(sql []byte) bool {
	if !c.match(sql) {
		return false
	}
	if !multiple(sql, c.Status()) {
		return true
	}
	h, ok := c.server.Handler.(SeveralMatcher)
	return ok && h.MatchSeveral(sql, c.Status())
}

// takePacket takes a whole request out of the buffer.
func (c *Conn) takePacket(n int) []byte {
	pkt := bytes.Clone(c.in[c.r : c.r+headerSize+n])
	c.r += headerSize + n
	c.settle() // it may wait for long
	return pkt
}

// intercept asks the Handler about the statement at pkt[at:] and does what it
// says.
func (c *Conn) intercept(pkt []byte, at int) error {
	reply, err := c.handle(Statement{SQL: pkt[at:], Status: c.Status()})
	if err != nil {
		return err
	}
	switch r := reply.(type) {
	case nil:
		return c.pass(pkt, respQuery, nil)
	case Forward:
		return c.pass(pkt, respQuery, r.Done)
	case ForwardSQL:
		return c.pass(replaceText(pkt, at, r.SQL), respQuery, r.Done)
	}
	return c.answer(reply, false)
}

// answer sends a reply that is an answer by itself. binaryRows is how the client wants rows.
func (c *Conn) answer(reply Reply, binaryRows bool) error {
	switch r := reply.(type) {
	case OK:
		return c.sendOK(r)
	case *Error:
		return c.sendError(r)
	case *ResultSet:
		return c.sendRows(r, binaryRows)
	}
	return c.sendError(fmt.Errorf("handler answered a statement with %T", reply))
}

// replaceText returns a request like pkt with other text from at on.
func replaceText(pkt []byte, at int, sql []byte) []byte {
	seq := pkt[3]
	return appendPacket(nil, &seq, append(bytes.Clone(pkt[headerSize:at]), sql...))
}

// pass relays a request that was taken out of the buffer.
func (c *Conn) pass(pkt []byte, kind responseKind, done func(ok bool)) error {
	if done == nil {
		done = func(bool) {}
	}
	c.warnings = nil
	if _, err := c.store.Write(pkt); err != nil {
		done(false)
		return c.hungUp(fmt.Errorf("send a request: %w", err), pkt[3])
	}
	if err := c.respond(kind, pkt[3]); err != nil {
		done(false)
		return err
	}
	done(!c.scan.Failed)
	return nil
}

// handle calls the Handler, while watching whether anybody still waits for the
// reply. An error ends the session.
func (c *Conn) handle(stmt Statement) (Reply, error) {
	c.intercepted.Add(1)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	if c.cut.Load() {
		cancel(ErrShutdown)
	}

	w := c.watch(cancel)
	reply := c.callHandler(ctx, stmt)
	w.stop()

	c.mu.Lock()
	c.cancel = nil
	c.mu.Unlock()
	if c.broken {
		if told, ok := reply.(*Error); ok {
			return nil, fmt.Errorf("%w: %w", ErrStoreLost, told) // which the client hears, see explain
		}
		return nil, fmt.Errorf("%w: a statement on the client's session was abandoned", errStoreGone)
	}
	switch cause := context.Cause(ctx); {
	case cause == nil:
	case errors.Is(cause, ErrQueryKilled):
		if _, forward := reply.(Forward); reply == nil || forward {
			reply = &Error{Code: errQueryInterrupted, State: "70100", Message: "Query execution was interrupted"}
		}
	default:
		if told, ok := reply.(*Error); ok && storeLeft(cause) {
			return nil, fmt.Errorf("%w: %w", cause, told) // which the client hears, see explain
		}
		return nil, cause
	}
	return reply, nil
}

// storeLeft says whether a session ends because its other half has.
func storeLeft(cause error) bool {
	return errors.Is(cause, ErrStoreLost) || errors.Is(cause, ErrConnectionKilled)
}

// callHandler turns a panic of the Handler into an error for this client alone.
func (c *Conn) callHandler(ctx context.Context, stmt Statement) (reply Reply) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("handler panicked", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			reply = &Error{Code: errUnknown, Message: fmt.Sprintf("dxfproxy met a bug of its own: %v", r)}
		}
	}()
	return c.server.Handler.Handle(ctx, c, stmt)
}

// A watcher reads from the client while its statement waits, to notice when it
// goes away. What the client sends meanwhile stays in the request buffer.
type watcher struct {
	c    *Conn
	done chan struct{}
	quit chan struct{}
}

func (c *Conn) watch(cancel context.CancelCauseFunc) *watcher {
	w := &watcher{c: c, done: make(chan struct{}), quit: make(chan struct{})}
	go w.run(cancel)
	return w
}

func (w *watcher) run(cancel context.CancelCauseFunc) {
	defer close(w.done)
	for {
		if w.c.w-w.c.r >= blockSize {
			return // a client that pipelines this much is alive
		}
		w.c.room(w.c.w - w.c.r + 1)
		err := w.c.read()
		switch {
		case err == nil:
		case errors.Is(err, errWoken), errors.Is(err, os.ErrDeadlineExceeded):
			select {
			case <-w.quit:
				return
			default: // shutdown wants to know whether we are idle: we are not
			}
		default:
			if w.c.cut.Load() {
				err = ErrShutdown
			} else {
				err = ErrClientGone
			}
			cancel(err)
			return
		}
	}
}

// stop ends the watcher and waits for it.
func (w *watcher) stop() {
	close(w.quit)
	_ = w.c.client.SetReadDeadline(past)
	<-w.done
	_ = w.c.client.SetReadDeadline(timeNever)
	if w.c.cut.Load() {
		_ = w.c.client.SetReadDeadline(past)
	}
}
