package seal_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/seal"
)

func TestSeal(t *testing.T) {
	const secret = "s3://b/k?secret-access-key=very/secret"
	key, same := seal.NewKey("password", "dxf"), seal.NewKey("password", "dxf")
	sealed, err := key.Seal(secret, "d", "t")
	require.NoError(t, err)
	require.NotContains(t, sealed, "secret")
	again, err := key.Seal(secret, "d", "t")
	require.NoError(t, err)
	require.NotEqual(t, sealed, again)
	text, err := same.Open(sealed, "d", "t")
	require.NoError(t, err)
	require.Equal(t, secret, text)

	for name, open := range map[string]func() (string, error){
		"another place":       func() (string, error) { return key.Open(sealed, "d", "u") },
		"other parts":         func() (string, error) { return key.Open(sealed, "d1:t") },
		"no place":            func() (string, error) { return key.Open(sealed) },
		"another password":    func() (string, error) { return seal.NewKey("Password", "dxf").Open(sealed, "d", "t") },
		"another cluster":     func() (string, error) { return seal.NewKey("password", "dxf2").Open(sealed, "d", "t") },
		"nothing":             func() (string, error) { return key.Open("", "d", "t") },
		"no base64":           func() (string, error) { return key.Open(secret, "d", "t") },
		"cut":                 func() (string, error) { return key.Open(sealed[:8], "d", "t") },
		"another version":     func() (string, error) { return key.Open(flip(t, sealed, 0), "d", "t") },
		"another nonce":       func() (string, error) { return key.Open(flip(t, sealed, 3), "d", "t") },
		"another text":        func() (string, error) { return key.Open(flip(t, sealed, 20), "d", "t") },
		"something behind it": func() (string, error) { return key.Open(sealed+"AAAA", "d", "t") },
	} {
		_, err := open()
		require.ErrorIs(t, err, seal.ErrOpen, name)
	}
	long, err := key.Seal(strings.Repeat("x", 1<<16))
	require.NoError(t, err)
	text, err = key.Open(long)
	require.NoError(t, err)
	require.Len(t, text, 1<<16)
}

func flip(t *testing.T, sealed string, at int) string {
	b, err := base64.StdEncoding.DecodeString(sealed)
	require.NoError(t, err)
	b[at] ^= 1
	return base64.StdEncoding.EncodeToString(b)
}
