package main

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// No two machines' nodes have one name by default.
func TestNodeName(t *testing.T) {
	machine, err := os.Hostname()
	require.NoError(t, err)
	for listen, want := range map[string]string{
		"0.0.0.0:4000":   machine + ":7",
		"[::]:4000":      machine + ":7",
		":4000":          machine + ":7",
		"127.0.0.1:0":    "127.0.0.1:7",
		"db-1.lan:4000":  "db-1.lan:7",
		"[2001:db8::1]:": "[2001:db8::1]:7",
	} {
		name, err := nodeName(listen, &net.TCPAddr{IP: net.IPv6zero, Port: 7})
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
	require.Equal(t, "127.0.0.1:7", reachable(&net.TCPAddr{IP: net.IPv6zero, Port: 7}))
}
