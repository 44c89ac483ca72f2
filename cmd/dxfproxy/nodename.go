package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
)

// nodeName is what a node is called by default: host:port of --listen, by which
// the others find it. A listener for all addresses has that of no machine in its name, and every
// machine's is the same; such a node is called by its machine's.
func nodeName(listen string, at net.Addr) (string, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(at.String()) // a port of 0 was chosen by the system
	if err != nil {
		return "", err
	}
	if unspecified(host) {
		if host, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("name this node: %w; see --node", err)
		}
	}
	return net.JoinHostPort(host, port), nil
}

// unspecified reports whether a host means all addresses of the machine.
func unspecified(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}
