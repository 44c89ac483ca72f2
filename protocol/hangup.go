package protocol

import (
	"errors"
	"time"
)

// passHangUp is for a session whose read of a response has failed. If it was
// woken because its client hung up, it tells the store in the same way, and
// reports true: what the store says yet goes to the client, who may have closed
// one direction only.
func (c *Conn) passHangUp(err error) bool {
	if !isTimeout(err) || !c.gone.Load() {
		return false
	}
	_ = c.store.SetReadDeadline(time.Time{})
	if c.cut.Load() { // the deadline may have been that of abort
		return false
	}
	if c.r < c.w || !c.ended() {
		c.gone.Store(false) // there are requests before the end
		return true
	}
	// Under TLS without its goodbye, which to the server would be something left
	// to read, from a client that is there.
	if half, ok := socketOf(c.store).(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	return true
}

// ended reports whether nothing comes from the client but the end, which has
// reached the socket: it does not block. What does come is kept.
func (c *Conn) ended() bool {
	c.room(1)
	err := c.read()
	return err != nil && !errors.Is(err, errWoken)
}
