package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestStoreDSNs(t *testing.T) {
	for dsn, want := range map[string][]string{
		"root@tcp(a:1)/":                   {"a:1"},
		"root@tcp(a:1,b:2, c:3)/":          {"a:1", "b:2", "c:3"},
		"u:p@ss(wor,d)/@tcp(a,[::1]:2)/?x": {"a:3306", "[::1]:2"},
		"root@tcp/":                        {"127.0.0.1:3306"},
		"/":                                {"127.0.0.1:3306"},
	} {
		all, err := storeDSNs(dsn)
		require.NoError(t, err, dsn)
		var got []string
		for _, c := range all {
			got = append(got, c.Addr)
			if len(want) > 1 && c.User == "u" {
				require.Equal(t, "p@ss(wor,d)/", c.Passwd)
			}
		}
		require.Equal(t, want, got, dsn)
	}
	for _, dsn := range []string{"localhost", "root@tcp(a:1"} {
		_, err := storeDSNs(dsn)
		require.Error(t, err, dsn)
	}
}

// TestStoreDialerGoesBack to the first address when it answers again; an address
// that swallows packets leaves time for the next one.
func TestStoreDialerGoesBack(t *testing.T) {
	listenOn := func(addr string) net.Listener {
		ln, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { ln.Close() })
		return ln
	}
	first, second := listenOn("127.0.0.1:0"), listenOn("127.0.0.1:0")
	d := newStoreDialer([]string{first.Addr().String(), second.Addr().String()}, zap.NewNop())
	reaches := func(d *storeDialer, ln net.Listener) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := d.dial(ctx)
		require.NoError(t, err)
		defer c.Close()
		require.Equal(t, ln.Addr().String(), c.RemoteAddr().String())
	}
	reaches(d, first)
	first.Close()
	reaches(d, second)
	first = listenOn(first.Addr().String())
	reaches(d, second) // for a moment
	d.avoid[0].Store(time.Now().UnixNano())
	reaches(d, first)
	require.Zero(t, d.avoid[0].Load())
	first.Close()
	second.Close()
	_, err := d.dial(t.Context())
	require.ErrorContains(t, err, "connection refused")
	_, err = d.dial(t.Context())
	require.Error(t, err)
}
