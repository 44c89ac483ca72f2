package protocol

import "fmt"

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
				if err := c.readMore(); err != nil {
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
