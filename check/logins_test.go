package check

import (
	"encoding/json"
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
		require.Equal(t, c.want, Login{Host: c.host}.ReachableBy(c.seen, c.proxied), c)
	}
}
