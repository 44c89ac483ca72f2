package protocol

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	// headerSize is three bytes of payload length and one of sequence.
	headerSize = 4

	// maxPayload is the longest payload one packet can carry. A payload of
	// exactly this length says that another packet continues it.
	maxPayload = 1<<24 - 1
)

// errMalformed says that a peer sent what the protocol does not allow here.
// The session cannot go on: where the next packet starts is unknown.
var errMalformed = errors.New("malformed packet")

// payloadLen returns the payload length in the header at the start of h.
func payloadLen(h []byte) int {
	_ = h[2]
	return int(h[0]) | int(h[1])<<8 | int(h[2])<<16
}

// appendPacket frames payload as one packet, or as several when it is longer
// than a packet can be, and advances seq past them.
func appendPacket(dst []byte, seq *byte, payload []byte) []byte {
	for {
		n := min(len(payload), maxPayload)
		dst = append(dst, byte(n), byte(n>>8), byte(n>>16), *seq)
		dst = append(dst, payload[:n]...)
		*seq++
		payload = payload[n:]
		if n < maxPayload {
			return dst
		}
	}
}

// readPacket reads one packet, header included, into buf, which grows up to
// limit bytes. It reads no byte beyond the packet. Only the connection phase
// uses it: two reads a packet are too many for commands.
func readPacket(r io.Reader, buf []byte, limit int) ([]byte, error) {
	buf = append(buf[:0], 0, 0, 0, 0)
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	n := payloadLen(buf)
	if n > limit-headerSize {
		return nil, errMalformed
	}
	for read := headerSize; read < headerSize+n; {
		// Grow by what has arrived, not by what the peer declares.
		step := min(headerSize+n-read, 4096)
		buf = append(buf, make([]byte, step)...)
		if _, err := io.ReadFull(r, buf[read:read+step]); err != nil {
			return nil, err
		}
		read += step
	}
	return buf, nil
}

// A cursor reads a payload from left to right. After the first read beyond the
// end, bad is set and every read returns zero, so a decoder checks once.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad = true
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u8() byte {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.take(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// lenenc reads a length-encoded integer. null is true for 0xFB, which stands
// for NULL in a text row and is an error elsewhere; 0xFF is always one.
func (c *cursor) lenenc() (n uint64, null bool) {
	switch b := c.u8(); b {
	case 0xfb:
		return 0, true
	case 0xfc:
		return uint64(c.u16()), false
	case 0xfd:
		if p := c.take(3); p != nil {
			return uint64(payloadLen(p)), false
		}
		return 0, false
	case 0xfe:
		return c.u64(), false
	case 0xff:
		c.bad = true
		return 0, false
	default:
		return uint64(b), false
	}
}

// count reads a length-encoded integer that may not be NULL.
func (c *cursor) count() uint64 {
	n, null := c.lenenc()
	if null {
		c.bad = true
	}
	return n
}

// bytes reads a length-encoded string; nil is NULL.
func (c *cursor) bytes() []byte {
	n, null := c.lenenc()
	if null {
		return nil
	}
	if n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	return c.take(int(n))
}

// cstring reads up to a NUL byte and past it.
func (c *cursor) cstring() []byte {
	for i, b := range c.b {
		if b == 0 {
			p := c.take(i)
			c.take(1)
			return p
		}
	}
	c.bad = true
	return nil
}

// rest reads all that is left.
func (c *cursor) rest() []byte { return c.take(len(c.b)) }

func appendLenenc(dst []byte, n uint64) []byte {
	switch {
	case n < 0xfb:
		return append(dst, byte(n))
	case n < 1<<16:
		return append(dst, 0xfc, byte(n), byte(n>>8))
	case n < 1<<24:
		return append(dst, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
	return binary.LittleEndian.AppendUint64(append(dst, 0xfe), n)
}

func appendString(dst []byte, s string) []byte {
	return append(appendLenenc(dst, uint64(len(s))), s...)
}
