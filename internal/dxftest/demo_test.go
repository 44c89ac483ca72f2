package dxftest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/clustertest"
)

// TestDemo runs the demo as a user does, on a small table: it kills a node, imports
// files by all three, compares every row, says so and ends with status 0.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // the machine is busy
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, clustertest.Binary, "demo", "--rows", "80000")
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
	require.Regexp(t, `(?m)^mysql> IMPORT INTO shop\.archive FROM '/.*/orders-\*\.csv';$`, out.String())
	require.Regexp(t, `(?m)^1 row in set: job 1, 80,000 rows imported `, out.String())
	require.Regexp(t, `(?m)^reader .* saw no row or all of them$`, out.String())
	require.Regexp(t, `(?m)^nodes    node-1 imported \d.* rows .*, node-2 imported \d.* rows .*, node-3 imported \d.* rows `, out.String())
	require.Regexp(t, `(?m)^imported 80,000 rows compared with the files: none missing, none twice, none different$`, out.String())
}
