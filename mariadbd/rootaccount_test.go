package mariadbd_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

// Who can open a loopback connection is not root yet; a directory of before that is
// mended at its next start.
func TestS12RootHasAPassword(t *testing.T) {
	dir := newDir(t)
	begin := func(password bool) *mariadbd.Server {
		cfg := small(t, dir)
		cfg.RootPassword = password
		return start(t, cfg)
	}
	login := func(dsn string) error {
		db, err := sql.Open("mysql", dsn)
		require.NoError(t, err)
		defer db.Close()
		return db.Ping()
	}
	refused := func(s *mariadbd.Server) {
		t.Helper()
		for _, dsn := range []string{"root@tcp(" + s.Addr() + ")/", "root@unix(" + s.Socket() + ")/", "@tcp(" + s.Addr() + ")/"} {
			var no *mysql.MySQLError
			require.ErrorAs(t, login(dsn), &no, dsn)
			require.EqualValues(t, 1045, no.Number)
		}
		require.NoError(t, login(s.DSN()))
		for _, file := range []string{s.ClientFile(), s.StoreDSNFile()} {
			st, err := os.Stat(file)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), st.Mode())
		}
	}
	old := begin(false)
	require.NoError(t, login(old.DSN()))
	old.Kill()

	s := begin(true)
	dsn, err := s.StoreDSN(t.Context(), "dxf")
	require.NoError(t, err)
	require.NoError(t, login(dsn))
	refused(s)
	require.NoFileExists(t, filepath.Join(dir, "tmp", "root.sql"))
	password := s.RootPassword()
	s.Kill()

	s = begin(true)
	again, err := s.StoreDSN(t.Context(), "dxf")
	require.NoError(t, err)
	require.Equal(t, password, s.RootPassword())
	require.NoError(t, login(again))
	refused(s)
	s.Kill()

	// The way back in for who has changed root's password and forgotten it.
	require.NoError(t, os.Remove(s.ClientFile()))
	s = begin(true)
	require.NotEqual(t, password, s.RootPassword())
	refused(s)
}
