package server_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }

// TestTextUnderEveryMode: a literal is the text, whatever escapes and quotes are.
func TestTextUnderEveryMode(t *testing.T) {
	_, db := mariadbdtest.Schema(t, srv)
	s, err := server.OpenSession(t.Context(), db)
	require.NoError(t, err)
	defer s.Close()
	for _, mode := range []string{"''", "'ANSI_QUOTES'", "'NO_BACKSLASH_ESCAPES'"} {
		_, err := s.ExecContext(t.Context(), "SET SESSION sql_mode = "+mode)
		require.NoError(t, err)
		for _, text := range []string{"", "it's", `a\`, `\' OR 1 = 1 -- `, `"` + "`", "\x00\n", "ä😀", `ä\😀'`} {
			var got string
			require.NoError(t, s.QueryRowContext(t.Context(), "SELECT "+server.Text(text)).Scan(&got), "%s: %q", mode, text)
			require.Equal(t, text, got, mode)
		}
	}
}

// TestKill: a session that is ended is gone from the process list, and may be ended again.
func TestKill(t *testing.T) {
	_, db := mariadbdtest.Schema(t, srv)
	s, err := server.OpenSession(t.Context(), db)
	require.NoError(t, err)
	defer s.Close()
	is, ok, err := s.Process(t.Context(), db)
	require.NoError(t, err)
	require.True(t, ok, "%+v", is)
	require.NoError(t, server.Kill(t.Context(), db, s.ID))
	require.True(t, server.Lost(s.PingContext(t.Context())))
	require.Eventually(t, func() bool {
		_, ok, err := s.Process(t.Context(), db)
		return err == nil && !ok
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, server.Kill(t.Context(), db, s.ID))
}
