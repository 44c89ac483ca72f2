package main

import (
	"encoding/json"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestS12PasswordlessAccounts(t *testing.T) {
	for text, open := range map[string]bool{
		`{"access":18446744073709551615}`:                                                                                                  true,
		`{"access":1,"plugin":"mysql_native_password","authentication_string":""}`:                                                         true,
		`{"plugin":"mysql_native_password","authentication_string":"*6BB4837EB74329105EE4568DDA7DC67ED2CA2AD9"}`:                           false,
		`{"plugin":"mysql_native_password","authentication_string":"invalid","auth_or":[{},{"plugin":"unix_socket"}]}`:                     false,
		`{"plugin":"mysql_native_password","authentication_string":"","auth_or":[{"plugin":"unix_socket","authentication_string":""},{}]}`: true,
		`{"plugin":"unix_socket","authentication_string":"","auth_or":[{},{"plugin":"mysql_native_password","authentication_string":""}]}`: true,
		`{"plugin":"unix_socket","authentication_string":""}`:                                                                              false,
		`{"plugin":"mysql_native_password","authentication_string":"","account_locked":true}`:                                              false,
		`{"plugin":"mysql_native_password","authentication_string":"","ssl_type":2}`:                                                       false,
		`{"plugin":"mysql_native_password","authentication_string":"","ssl_type":1}`:                                                       true,
	} {
		var a authentication
		require.NoError(t, json.Unmarshal([]byte(text), &a))
		require.Equal(t, open, a.open(), text)
	}
	for _, c := range []struct {
		host, seen string
		proxied    bool
		want       bool
	}{
		{"%", "10.0.0.7", false, true},
		{"10.0.%", "10.0.0.7", false, true},
		{"10.0.0.0/255.255.255.0", "10.0.0.7", false, true},
		{"10.0.1.0/255.255.255.0", "10.0.0.7", false, false},
		{"10.0.0.0/24", "10.0.0.7", false, true},
		{"10.0.1.0/24", "10.0.0.7", false, false},
		{"localhost", "10.0.0.7", false, false},
		{"LocalHost", "127.0.0.1", false, true},
		{"localhost", "localhost", true, false},
		{"%", "localhost", true, true},
	} {
		require.Equal(t, c.want, login{host: c.host}.reachableBy(c.seen, c.proxied), c)
	}
}

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
