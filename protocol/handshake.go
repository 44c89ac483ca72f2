package protocol

import (
	"bytes"
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
	return h, nil
}

// isSSLRequest reports whether a payload is only the beginning of a handshake
// response: the rest follows under TLS.
func isSSLRequest(b []byte) bool {
	return len(b) == handshakeFixed && Capability(binary.LittleEndian.Uint32(b)).Has(ClientSSL|ClientProtocol41)
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

// announceTLS sets the bit in the payload b of a handshake response that says it
// is, or will be, under TLS.
func announceTLS(b []byte) {
	binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)|uint32(ClientSSL))
}

// A changeUser is a COM_CHANGE_USER, as far as the relay needs it.
type changeUser struct {
	User   string
	Plugin string // whose answer it carries
}

// parseChangeUser reads a COM_CHANGE_USER, behind the command byte. What is
// missing is left empty: the store judges.
func parseChangeUser(b []byte, caps Capability) (u changeUser) {
	c := cursor{b: b}
	u.User = string(c.cstring())
	if caps.Has(ClientSecureConnection) {
		c.take(int(c.u8()))
	} else {
		c.cstring()
	}
	c.cstring() // schema
	c.u16()     // collation
	u.Plugin = string(c.cstring())
	return u
}

// parseAuthSwitch reads an AuthSwitchRequest: the plugin the store asks for, and
// the salt for it.
func parseAuthSwitch(b []byte) (plugin string, salt []byte) {
	c := cursor{b: b}
	c.u8()
	plugin = string(c.cstring())
	return plugin, bytes.TrimSuffix(c.rest(), []byte{0})
}
