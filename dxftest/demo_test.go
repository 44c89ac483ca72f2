package dxftest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"dxfproxy/cluster/clustertest"

	"github.com/stretchr/testify/require"
)

// TestDemo runs the demo as a user does, on a small table: it kills a node,
// compares every row, says so and ends with status 0.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, clustertest.Binary, "demo", "--rows", "200000")
	cmd.Stdout, cmd.Stderr = &out, &out
	temp := t.TempDir()
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	err := cmd.Run()
	require.NoError(t, err, out.String())
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
	for _, want := range []string{"kill -9 node-", "Query OK", "none missing, none twice, none different", "by_day is there", "nothing left behind"} {
		require.Contains(t, out.String(), want)
	}
}
