package mariadbdtest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

func TestSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	srv := StartT(t)
	running := filepath.Dir(filepath.Dir(srv.LogFile()))
	young, err := os.MkdirTemp("", dirPattern)
	require.NoError(t, err)
	left, err := os.MkdirTemp("", dirPattern)
	require.NoError(t, err)
	yesterday := time.Now().Add(-24 * time.Hour)
	require.NoError(t, os.Chtimes(left, yesterday, yesterday))
	require.NoError(t, os.Chtimes(running, yesterday, yesterday))

	mariadbd.Sweep(dirPattern)
	require.DirExists(t, running)
	require.DirExists(t, young)
	require.NoDirExists(t, left)
}
