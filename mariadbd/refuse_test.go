package mariadbd_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	cfg := small(t, newDir(t))
	cfg.Port = l.Addr().(*net.TCPAddr).Port
	_, err = mariadbd.Start(t.Context(), cfg)
	require.ErrorIs(t, err, mariadbd.ErrPortInUse)
	require.ErrorContains(t, err, l.Addr().String())

	require.NoError(t, l.Close())
	require.Equal(t, cfg.Port, start(t, cfg).Port())
}

// The port of the last run is a wish, not a demand.
func TestLastPortIsTaken(t *testing.T) {
	cfg := small(t, newDir(t))
	srv := start(t, cfg)
	addr := srv.Addr()
	stop(t, srv)
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	defer l.Close()
	require.NotEqual(t, addr, start(t, cfg).Addr())
}

func TestForeignDirectory(t *testing.T) {
	dir := newDir(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "mysql"), 0o755))
	_, err := mariadbd.Start(t.Context(), small(t, dir))
	require.ErrorIs(t, err, mariadbd.ErrForeign)
	require.ErrorContains(t, err, "it holds mysql")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing was left in it")
}

func TestDirectoryThatIsAFile(t *testing.T) {
	dir := newDir(t)
	require.NoError(t, os.WriteFile(dir, nil, 0o644))
	_, err := mariadbd.Start(t.Context(), small(t, dir))
	require.ErrorIs(t, err, mariadbd.ErrNotWritable)
}

func TestUnwritableDirectory(t *testing.T) {
	dir := "/sys/dxfproxy" // where even root may make nothing
	if os.Getuid() != 0 {
		dir = newDir(t)
		require.NoError(t, os.Mkdir(dir, 0o555))
	} else if _, err := os.Stat("/sys/kernel"); err != nil {
		t.Skip("root can write everywhere here")
	}
	_, err := mariadbd.Start(t.Context(), small(t, dir))
	require.ErrorIs(t, err, mariadbd.ErrNotWritable)
	require.ErrorContains(t, err, dir)
}

func TestDataOfANewerServer(t *testing.T) {
	cfg := small(t, newDir(t))
	stop(t, start(t, cfg))
	info := filepath.Join(cfg.DataDir, "data", "mysql_upgrade_info")
	require.NoError(t, os.WriteFile(info, []byte("99.1.0-MariaDB"), 0o644))
	_, err := mariadbd.Start(t.Context(), cfg)
	require.ErrorIs(t, err, mariadbd.ErrNewerData)
	require.ErrorContains(t, err, "MariaDB 99.1.0 wrote it")
}

func TestNoServerInstalled(t *testing.T) {
	mariadbd.OnlyPath(t, t.TempDir())
	_, err := mariadbd.Start(t.Context(), small(t, newDir(t)))
	require.ErrorIs(t, err, mariadbd.ErrNoServer)
	require.ErrorContains(t, err, "mariadb-server")
}

func TestOtherServerInstalled(t *testing.T) {
	bin := t.TempDir()
	mysqld := filepath.Join(bin, "mysqld")
	require.NoError(t, os.WriteFile(mysqld, []byte("#!/bin/sh\necho 'mysqld  Ver 9.7.0 for Linux on x86_64'\n"), 0o755))
	mariadbd.OnlyPath(t, bin)
	_, err := mariadbd.Start(t.Context(), small(t, newDir(t)))
	require.ErrorIs(t, err, mariadbd.ErrNoServer)
	require.ErrorContains(t, err, mysqld+" is not MariaDB")
}
