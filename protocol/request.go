package protocol

import (
	"errors"
	"fmt"
	"time"
)

// forward sends the request at the head of the buffer to the store, all its
// fragments, and returns the sequence number of the last one.
func (c *Conn) forward() (seq byte, err error) {
	_, seq, err = c.forwardPacket()
	return seq, err
}

// forwardPacket forwards one packet with its continuations. size tells an empty
// one from others.
func (c *Conn) forwardPacket() (size int, seq byte, err error) {
	for {
		if err := c.need(headerSize); err != nil {
			return size, seq, err
		}
		n := payloadLen(c.buffered())
		seq = c.in[c.r+3]
		size += n
		left := headerSize + n
		if left > len(c.in) {
			c.room(min(left, blockSize))
		}
		for left > 0 {
			k := min(left, c.w-c.r)
			if k == 0 {
				c.r, c.w = 0, 0
				if err := c.read(); err != nil && !errors.Is(err, errWoken) {
					return size, seq, err
				}
				continue
			}
			if _, err := c.store.Write(c.in[c.r : c.r+k]); err != nil {
				return size, seq, c.hungUp(fmt.Errorf("send a request: %w", err), seq)
			}
			c.bytesIn.Add(uint64(k))
			c.r += k
			left -= k
		}
		if n < maxPayload {
			return size, seq, nil
		}
	}
}

// upload forwards the file the store asked for: packets up to an empty one.
func (c *Conn) upload() (seq byte, err error) {
	c.room(blockSize)
	for {
		size, seq, err := c.forwardPacket()
		if err != nil || size == 0 {
			return seq, err
		}
	}
}

// lastWordsWait is how long to look for what the store said before it closed
// the connection under a request.
const lastWordsWait = 200 * time.Millisecond

// hungUp is called when the store would take no more of a request: it may have
// said why (packet too large, connection killed), and the client should read it.
func (c *Conn) hungUp(cause error, seq byte) error {
	_ = c.store.SetReadDeadline(time.Now().Add(lastWordsWait))
	p := make([]byte, 1<<10)
	if n, _ := c.store.Read(p); n > 0 {
		_ = c.lastWords(p[:n], seq)
	}
	return fmt.Errorf("%w: %w", errStoreGone, cause)
}

// farewell ends an idle session the store has hung up on.
func (c *Conn) farewell() error {
	return c.hungUp(errors.New("session was idle"), 0)
}

// lastWords passes on an ERR the store sent unasked, such as the one before it
// closes an idle session. It is numbered 0; a client that has just sent a
// request takes it only as the answer.
func (c *Conn) lastWords(p []byte, requestSeq byte) error {
	if len(p) > headerSize && p[headerSize] == 0xff {
		if p[3] == 0 {
			p[3] = requestSeq + 1
		}
		if _, err := c.client.Write(p); err != nil {
			return err
		}
	}
	return errStoreGone
}
