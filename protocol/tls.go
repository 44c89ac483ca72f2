package protocol

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// StoreTLS says when the leg to the store is under TLS.
type StoreTLS uint8

const (
	// TLSAsClient does on one leg what is done on the other: what a client sent
	// under TLS does not cross a network in the clear. Clients are offered TLS
	// if the store has it, or is on this machine.
	TLSAsClient StoreTLS = iota

	// TLSRequire refuses a store that does not offer TLS.
	TLSRequire

	// TLSDisable never uses it, whatever clients do.
	TLSDisable
)

// errStoreTLS says that the store's leg cannot be secured as it must be.
var errStoreTLS = errors.New("store without TLS")

// offersTLS reports whether the client may use TLS.
func (c *Conn) offersTLS() bool {
	s := c.server
	return s.TLS != nil && (s.StoreTLS != TLSAsClient || c.storeHasTLS || isLocal(c.store.RemoteAddr()))
}

// wantsStoreTLS reports, after the client has decided, whether the store's leg
// goes over to TLS. A socket of this machine is secure as it is; but an account
// that REQUIREs SSL is let in under TLS only, whatever it comes by.
func (c *Conn) wantsStoreTLS() bool {
	if !c.storeHasTLS {
		return false
	}
	switch c.server.StoreTLS {
	case TLSRequire:
		return !c.storeSecure
	case TLSAsClient:
		return underTLS(c.client)
	}
	return false
}

func underTLS(c net.Conn) bool {
	if z, ok := c.(*compressed); ok {
		c = z.Conn
	}
	_, ok := c.(*tls.Conn)
	return ok
}

// secureClient goes over to TLS on the client's leg. Bytes that came with the
// request for it belong to the TLS handshake, and to nothing else.
func (c *Conn) secureClient() error {
	early := append([]byte(nil), c.buffered()...)
	c.r, c.w = 0, 0
	t := tls.Server(&earlyConn{Conn: c.client, early: early}, c.server.TLS)
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("go over to TLS with the client: %w", err)
	}
	c.client, c.clientSecure = t, true
	return nil
}

// secureStore goes over to TLS on the store's leg; request is the beginning of
// the handshake response.
func (c *Conn) secureStore(request []byte) error {
	seq := byte(1)
	if _, err := c.store.Write(appendPacket(nil, &seq, request)); err != nil {
		return fmt.Errorf("%w: ask the store for TLS: %w", errStoreGone, err)
	}
	cfg := c.server.StoreTLSConfig
	if cfg == nil {
		cfg = unverified
	}
	t := tls.Client(c.store, cfg)
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("%w: %w", errStoreTLS, err)
	}
	c.mu.Lock()
	c.store, c.storeSecure = t, true
	c.mu.Unlock()
	return nil
}

// unverified keeps listeners out, not impostors: what a server without a known
// certificate can have.
var unverified = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}

// isLocal reports whether what goes to the address stays on this machine.
func isLocal(a net.Addr) bool {
	switch a := a.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	}
	return false
}

// isSocket reports whether the connection is a Unix socket, which clients and
// servers take for as secure as TLS.
func isSocket(c net.Conn) bool {
	_, ok := c.RemoteAddr().(*net.UnixAddr)
	return ok
}

// earlyConn reads what was read too early before it reads on.
type earlyConn struct {
	net.Conn
	early []byte
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

// socketOf is the connection below TLS.
func socketOf(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if d, ok := c.(interface{ under() net.Conn }); ok {
		return d.under()
	}
	return c
}
