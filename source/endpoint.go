package source

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// errNotAllowed is the reason of an address that this node must not ask.
var errNotAllowed = errors.New("not public under https, and not listed in --import-endpoints")

// endpoint is an address that the operator has listed.
type endpoint struct {
	scheme string // empty: http and https
	host   string // lower case
	port   string // empty: the scheme's own
	path   string // empty, or begins and does not end with "/"
}

func parseEndpoint(text string) (endpoint, error) {
	full := text
	if !strings.Contains(text, "://") {
		full = "//" + text
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return endpoint{}, fmt.Errorf("--import-endpoints %q: host[:port] or a URL, as in minio:9000,https://s3.example.org", MaskText(text))
	}
	e := endpoint{scheme: u.Scheme, host: hostOf(u), port: u.Port(), path: strings.TrimRight(u.Path, "/")}
	if e.port == "" && e.scheme != "" {
		e.port = portOf(u)
	}
	return e, nil
}

func hostOf(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// at says whether the endpoint is at an address. Some stores have their buckets
// as hosts below their own.
func (e endpoint) at(host, port, bucket string) bool {
	if e.port != port && (e.port != "" || port != "80" && port != "443") {
		return false
	}
	return host == e.host || bucket != "" && host == strings.ToLower(bucket)+"."+e.host
}

// covers says whether a URL at its address is one of the endpoint's.
func (e endpoint) covers(u *url.URL) bool {
	if e.scheme != "" && e.scheme != u.Scheme || e.port == "" && portOf(u) != portOf(&url.URL{Scheme: u.Scheme}) {
		return false
	}
	return e.path == "" || !hasDots(u.Path) && (u.Path == e.path || strings.HasPrefix(u.Path, e.path+"/"))
}

// mayAsk says whether a URL may be requested, and whether the operator has
// listed it. An address of which a part is listed is open in that part alone;
// all others must be under https, and public, which only [guard.dial] can tell.
func (p *Policy) mayAsk(u *url.URL, bucket string) (listed bool, err error) {
	known := false
	for _, e := range p.endpoints {
		if !e.at(hostOf(u), portOf(u), bucket) {
			continue
		}
		if known = true; e.covers(u) {
			return true, nil
		}
	}
	if known || u.Scheme != "https" {
		return false, errNotAllowed
	}
	return false, nil
}

// mayDial says whether an address is listed, so that it need not be public.
func (p *Policy) mayDial(address, bucket string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	for _, e := range p.endpoints {
		if e.at(strings.ToLower(strings.TrimSuffix(host, ".")), port, bucket) {
			return true
		}
	}
	return false
}

// reserved are networks that are no part of the public Internet, beside those
// that package netip knows: IANA's registries of special-purpose addresses (RFC
// 6890), and where Azure's machines find their host.
var reserved = prefixes("0.0.0.0/8 100.64.0.0/10 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 " +
	"240.0.0.0/4 168.63.129.16/32 2001::/23 2001:db8::/32 2002::/16 3fff::/20")

var (
	global = netip.MustParsePrefix("2000::/3")     // all of IPv6 that is given out
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // IPv4 behind the last four bytes (RFC 6052)
)

func prefixes(list string) []netip.Prefix {
	var all []netip.Prefix
	for text := range strings.FieldsSeq(list) {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// public says whether an address is one of the public Internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, r := range reserved {
		if r.Contains(a) {
			return false
		}
	}
	return true
}
