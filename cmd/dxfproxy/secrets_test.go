package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestS19PasswordsOnTheCommandLine(t *testing.T) {
	const secret = "p@ss:w/rd#(x"
	for _, args := range [][]string{
		{"--store", "dxf:" + secret + "@tcp(db:3306)/"},
		{"--store=dxf:" + secret + "@tcp(a:1,b:2)/?tls=true"},
		{"--meta-account", "m:" + secret},
		{"--trial-account=t:" + secret},
		{"dxf:" + secret + "@tcp(db:3306)/"},
		{"serve", "dxf:" + secret + "@unix(/run/db.sock)/"},
		{"--log-level", "info", "dxf:" + secret + "@tcp(db)/"},
	} {
		found := 0
		eachSecret(args, func(i int, flag string, value int) {
			from, to := password(flag, args[i][value:])
			require.Equal(t, secret, args[i][value:][from:to], args)
			found++
		})
		require.Equal(t, 1, found, args)
		err := redacted(usagef("not %s and not %q", args[len(args)-1], args[len(args)-1]), args)
		require.NotContains(t, err.Error(), secret)
	}
	for _, args := range [][]string{
		{"--store", "dxf@tcp(db:3306)/"}, {"--store", "dxf@unix(/run/db.sock)/"}, {"--meta-account", "m"}, {"--listen", "a@b:1"}, {"--store"},
	} {
		eachSecret(args, func(i int, flag string, value int) {
			from, to := password(flag, args[i][value:])
			require.Equal(t, from, to, args)
		})
	}
}
