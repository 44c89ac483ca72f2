package protocol

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// lastWordsWait is how long to look for what the store said before it closed
// the connection under a request, and how long a client may take to read why
// its session ends.
const lastWordsWait = 200 * time.Millisecond

// hungUp is called when the store would take no more of a request: it may have
// said why (packet too large, connection killed), and the client should read it.
func (c *Conn) hungUp(cause error, seq byte) error {
	c.next, c.asked = seq+1+c.injected, true
	return c.listen(cause, seq)
}

// farewell ends an idle session the store has hung up on.
func (c *Conn) farewell() error {
	c.next = 0
	return c.listen(errors.New("session was idle"), 0)
}

// listen passes on what the store has said last.
func (c *Conn) listen(cause error, seq byte) error {
	_ = c.store.SetReadDeadline(time.Now().Add(lastWordsWait))
	p := make([]byte, 1<<10)
	if n, _ := c.store.Read(p); n > 0 {
		_ = c.lastWords(p[:n], seq)
	}
	return fmt.Errorf("%w: %w", errStoreGone, cause)
}

// lastWords passes on an ERR the store sent unasked, such as the one before it
// closes an idle session. It is numbered 0; a client that has just sent a
// request takes it only as the answer.
func (c *Conn) lastWords(p []byte, requestSeq byte) error {
	if len(p) > headerSize && p[headerSize] == 0xff {
		if p[3] == 0 {
			p[3] = requestSeq + 1
		}
		c.next = 0
		if _, err := c.client.Write(p); err != nil {
			return err
		}
	}
	return errStoreGone
}

// explain tells the client why its session ends under a statement. Numbers and
// SQLSTATE are those by which drivers know that the connection is lost and the
// outcome unknown: a statement the store has been sent may have run. In the
// middle of a response nothing can be said, but to the log.
func (c *Conn) explain(why error) {
	orphan := errors.Is(why, errStands) && c.orphan.Load()
	lost := (errors.Is(why, errStoreGone) && c.asked || orphan) && !c.gone.Load()
	if lost {
		c.log.Warn("the store hung up on a statement", zap.Error(why), zap.Uint32("id", c.id), zap.String("user", c.user))
	}
	var e *Error
	switch {
	case c.next == 0:
		return
	case storeLeft(why) && errors.As(why, &e):
	case errors.Is(why, ErrShutdown):
		e = &Error{Code: errServerShutdown, State: "08S01", Message: "Server shutdown in progress"}
	case lost:
		e = &Error{Code: errServerLost, State: "08S01", Message: "Lost connection to the store behind dxfproxy during query"}
	default:
		return
	}
	seq := c.next
	_ = c.client.SetWriteDeadline(time.Now().Add(lastWordsWait))
	_, _ = c.client.Write(appendPacket(nil, &seq, e.append(nil)))
}
