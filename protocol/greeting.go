package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A greeting is the store's first packet (HandshakeV10), as far as the relay
// needs it.
type greeting struct {
	Version      string
	ConnectionID uint32
	Caps         Capability
	Status       StatusFlags
	Salt         []byte // what the first plugin mixes with the password, without the NUL behind it

	lower, upper, extended int // where the capability words are in the payload; extended is 0 when there is none
}

// parseGreeting reads a HandshakeV10 payload.
func parseGreeting(b []byte) (g greeting, err error) {
	c := cursor{b: b}
	if v := c.u8(); v != 10 {
		return g, fmt.Errorf("read the store's greeting: protocol version %d, want 10", v)
	}
	at := func() int { return len(b) - len(c.b) }
	g.Version = string(c.cstring())
	g.ConnectionID = c.u32()
	salt := c.take(8) // its first part
	c.u8()            // NUL
	g.lower = at()
	g.Caps = Capability(c.u16())
	c.u8() // collation
	g.Status = StatusFlags(c.u16())
	g.upper = at()
	g.Caps |= Capability(c.u16()) << 16
	length := int(c.u8()) // of both parts of the salt
	c.take(6)             // filler
	extended := at()
	ext := c.u32()
	if c.bad {
		return g, fmt.Errorf("read the store's greeting: %w", errMalformed)
	}
	if !g.Caps.Has(ClientLongPassword) { // MariaDB: the rest of the filler is the extended word
		g.extended = extended
		g.Caps |= Capability(ext) << 32
	}
	g.Salt = append(g.Salt, salt...)
	if second := c.take(max(13, length-8)); second != nil {
		g.Salt = append(g.Salt, bytes.TrimSuffix(second, []byte{0})...)
	}
	return g, nil
}

// offer puts caps into the payload b of the greeting.
func (g *greeting) offer(b []byte, caps Capability) {
	g.Caps = caps
	binary.LittleEndian.PutUint16(b[g.lower:], uint16(g.Caps))
	binary.LittleEndian.PutUint16(b[g.upper:], uint16(g.Caps>>16))
	if g.extended > 0 {
		binary.LittleEndian.PutUint32(b[g.extended:], uint32(g.Caps>>32))
	}
}
