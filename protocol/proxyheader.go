package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// The PROXY protocol, versions 1 (a line of text) and 2 (binary), as in "The
// PROXY protocol" of HAProxy's documentation: what a balancer says first about
// the client behind it.
const (
	proxyV1Prefix = "PROXY "
	proxyV1Max    = 107 // bytes of the longest line, its end included
	proxyV2Prefix = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Fixed  = 16        // bytes before the addresses
	proxyV2Max    = smallSize // bytes of the longest header we read; addresses take 52, the rest is of no interest
)

// A proxyHeader is what a header says. Both addresses are zero when it names
// none of the network: the connection's own are meant then.
type proxyHeader struct {
	Source, Destination netip.AddrPort
}

// parseProxyHeader reads the header at the beginning of b. size is its length;
// more than b has says that b must grow to that before anything can be said.
func parseProxyHeader(b []byte) (h proxyHeader, size int, err error) {
	switch {
	case startsLike(b, proxyV1Prefix):
		return parseProxyV1(b)
	case startsLike(b, proxyV2Prefix):
		return parseProxyV2(b)
	}
	return h, 0, fmt.Errorf("read a PROXY header: %w", errMalformed)
}

// startsLike reports whether b may be the beginning of something with the prefix.
func startsLike(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

func parseProxyV1(b []byte) (h proxyHeader, size int, err error) {
	malformed := fmt.Errorf("read a PROXY header of version 1: %w", errMalformed)
	end := bytes.Index(b[:min(len(b), proxyV1Max)], []byte("\r\n"))
	if end < 0 {
		if len(b) >= proxyV1Max {
			return h, 0, malformed
		}
		return h, len(b) + 1, nil
	}
	size = end + 2
	words := strings.Split(string(b[:end]), " ")
	if len(words) < 2 || words[0] != "PROXY" {
		return h, 0, malformed
	}
	switch words[1] {
	case "UNKNOWN":
		return h, size, nil
	case "TCP4", "TCP6":
		if len(words) != 6 {
			return h, 0, malformed
		}
	default:
		return h, 0, malformed
	}
	if h.Source, err = parseAddrPort(words[2], words[4]); err != nil {
		return h, 0, malformed
	}
	if h.Destination, err = parseAddrPort(words[3], words[5]); err != nil {
		return h, 0, malformed
	}
	if v4 := words[1] == "TCP4"; h.Source.Addr().Is4() != v4 || h.Destination.Addr().Is4() != v4 {
		return h, 0, malformed
	}
	return h, size, nil
}

func parseAddrPort(addr, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	p, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a.WithZone(""), uint16(p)), err
}

// Commands, families and transports of version 2.
const (
	proxyV2Local = 0x20
	proxyV2Proxy = 0x21
	proxyV2TCP4  = 0x11
	proxyV2TCP6  = 0x21
)

func parseProxyV2(b []byte) (h proxyHeader, size int, err error) {
	if len(b) < proxyV2Fixed {
		return h, proxyV2Fixed, nil
	}
	malformed := fmt.Errorf("read a PROXY header of version 2: %w", errMalformed)
	command, family := b[12], b[13]
	size = proxyV2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case size > proxyV2Max, command != proxyV2Local && command != proxyV2Proxy:
		return h, 0, malformed
	case len(b) < size, command == proxyV2Local:
		return h, size, nil
	}
	c := cursor{b: b[proxyV2Fixed:size]}
	switch family {
	case proxyV2TCP4:
		h = readAddrs(&c, 4)
	case proxyV2TCP6:
		h = readAddrs(&c, 16)
		// Unix sockets and unknown families name nobody on the network. To take
		// the name of one for a client would make it a client of this machine.
	}
	if c.bad {
		return h, 0, malformed
	}
	return h, size, nil
}

func readAddrs(c *cursor, n int) (h proxyHeader) {
	source, _ := netip.AddrFromSlice(c.take(n))
	destination, _ := netip.AddrFromSlice(c.take(n))
	ports := cursor{b: c.take(4)}
	if c.bad {
		return h
	}
	port := func() uint16 { return binary.BigEndian.Uint16(ports.take(2)) }
	h.Source = netip.AddrPortFrom(source, port())
	h.Destination = netip.AddrPortFrom(destination, port())
	return h
}

// appendProxyHeader appends the header, of version 1 or 2, about a client at
// source that connected to destination.
func appendProxyHeader(dst []byte, version int, source, destination net.Addr) []byte {
	s, d := tcpAddrPort(source), tcpAddrPort(destination)
	known := s.IsValid() && d.IsValid()
	v4 := known && s.Addr().Is4() && d.Addr().Is4()
	if known && !v4 { // one family for both
		s, d = asV6(s), asV6(d)
	}
	if version == 1 {
		switch {
		case !known:
			return append(dst, "PROXY UNKNOWN\r\n"...)
		case v4:
			return fmt.Appendf(dst, "PROXY TCP4 %s %s %d %d\r\n", s.Addr(), d.Addr(), s.Port(), d.Port())
		}
		return fmt.Appendf(dst, "PROXY TCP6 %s %s %d %d\r\n", s.Addr(), d.Addr(), s.Port(), d.Port())
	}
	dst = append(dst, proxyV2Prefix...)
	if !known {
		return append(dst, proxyV2Local, 0, 0, 0)
	}
	family := byte(proxyV2TCP6)
	if v4 {
		family = proxyV2TCP4
	}
	addrs := append(s.Addr().AsSlice(), d.Addr().AsSlice()...)
	dst = append(dst, proxyV2Proxy, family, 0, byte(len(addrs)+4))
	dst = append(dst, addrs...)
	dst = binary.BigEndian.AppendUint16(dst, s.Port())
	return binary.BigEndian.AppendUint16(dst, d.Port())
}

// tcpAddrPort is the address of a TCP socket; not valid for others.
func tcpAddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

func asV6(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// mustIntroduce reports whether a connection has to begin with a PROXY header:
// those from the listed networks have to, and no others may.
func (s *Server) mustIntroduce(socket net.Conn) bool {
	if len(s.ProxyNetworks) == 0 {
		return false
	}
	a := tcpAddrPort(socket.RemoteAddr()).Addr()
	for _, n := range s.ProxyNetworks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// readProxyHeader reads the header a connection begins with.
func (c *Conn) readProxyHeader() error {
	for want := 1; ; {
		if err := c.need(want); err != nil {
			return fmt.Errorf("read a PROXY header: %w", err)
		}
		h, size, err := parseProxyHeader(c.buffered())
		if err != nil {
			c.refuse(&Error{Code: errHandshake, Message: "Bad PROXY protocol header"})
			return err
		}
		if size > len(c.buffered()) {
			want = size
			continue
		}
		c.r += size
		if h.Source.IsValid() {
			c.source, c.destination = net.TCPAddrFromAddrPort(h.Source), net.TCPAddrFromAddrPort(h.Destination)
			c.log = c.server.log().With(zap.Stringer("client", c.source), zap.Stringer("through", c.socket.RemoteAddr()))
			if !c.server.introduced(c) {
				c.refuse(&Error{Code: errTooManyConnections, Message: "Too many connections"})
				return errOverdue
			}
		}
		return nil
	}
}
