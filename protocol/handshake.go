package protocol

import (
	"encoding/binary"
	"fmt"
)

// handshakeFixed is the length of the part every HandshakeResponse41 and every
// SSLRequest has: capabilities, packet limit, collation, filler with MariaDB's
// extended capabilities in its last four bytes.
const handshakeFixed = 32

// A handshakeResponse is the client's answer to the greeting
// (HandshakeResponse41).
type handshakeResponse struct {
	Caps      Capability
	MaxPacket uint32
	Collation uint8
	User      string
	Schema    string
	Plugin    string
	Attrs     map[string]string
}

// parseHandshakeResponse reads a HandshakeResponse41 payload. Clients are known
// to get the parts behind the user name wrong, and the store judges those
// anyway: a response that ends early there is not an error.
func parseHandshakeResponse(b []byte) (h handshakeResponse, err error) {
	c := cursor{b: b}
	h.Caps = Capability(c.u32())
	h.MaxPacket = c.u32()
	h.Collation = c.u8()
	c.take(19)
	if ext := c.u32(); !h.Caps.Has(ClientLongPassword) {
		h.Caps |= Capability(ext) << 32
	}
	if c.bad || !h.Caps.Has(ClientProtocol41) {
		return h, fmt.Errorf("read the handshake response: %w", errMalformed)
	}
	if h.Caps.Has(ClientSSL) && len(c.b) == 0 {
		return h, nil // an SSLRequest
	}
	h.User = string(c.cstring())
	if c.bad {
		return h, fmt.Errorf("read the user of the handshake response: %w", errMalformed)
	}
	switch {
	case h.Caps.Has(ClientPluginAuthLenenc):
		c.bytes()
	case h.Caps.Has(ClientSecureConnection):
		c.take(int(c.u8()))
	default:
		c.cstring()
	}
	if h.Caps.Has(ClientConnectWithDB) && len(c.b) > 0 {
		h.Schema = string(c.cstring())
	}
	if h.Caps.Has(ClientPluginAuth) && len(c.b) > 0 {
		h.Plugin = string(c.cstring())
	}
	if h.Caps.Has(ClientConnectAttrs) && len(c.b) > 0 {
		h.Attrs = parseAttrs(c.bytes())
	}
	return h, nil
}

// parseAttrs reads a block of length-encoded names and values.
func parseAttrs(b []byte) map[string]string {
	attrs := make(map[string]string)
	for c := (cursor{b: b}); len(c.b) > 0; {
		name, value := c.bytes(), c.bytes()
		if c.bad {
			break
		}
		attrs[string(name)] = string(value)
	}
	return attrs
}

// narrow lowers the capabilities in the payload b of a handshake response to
// caps, so that the store believes what the relay believes. No bit it may clear
// changes how the store parses the rest.
func narrow(b []byte, caps Capability) {
	client := Capability(binary.LittleEndian.Uint32(b))
	// The lowest bit says which protocol the filler is written in: it stays.
	binary.LittleEndian.PutUint32(b, uint32(client&(caps|ClientLongPassword)))
	if !client.Has(ClientLongPassword) {
		ext := b[handshakeFixed-4 : handshakeFixed]
		binary.LittleEndian.PutUint32(ext, binary.LittleEndian.Uint32(ext)&uint32(caps>>32))
	}
}
