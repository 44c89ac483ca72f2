package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

// number is a variable of the environment, or otherwise.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

// TestChaos is a short form of make chaos, other faults each time.
func TestChaos(t *testing.T) {
	const prefix = "dxfproxy-test-chaos-"
	mariadbd.Sweep(prefix) // of tests that were killed
	dir, err := os.MkdirTemp("", prefix)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // the server's own account has to get in
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := config{
		binary: filepath.Join(dir, "dxfproxy"), baseDir: os.Getenv("DXFPROXY_TEST_BASEDIR"), rows: 30_000, faults: faults,
		seed: number(t, "DXFPROXY_SEED", uint64(time.Now().UnixNano())),
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-race", "-o", c.binary, "dxfproxy/cmd/dxfproxy").CombinedOutput()
	require.NoError(t, err, string(out))
	for i := range number(t, "DXFPROXY_FAULT_RUNS", 2) {
		r := c.new(c.seed+i, filepath.Join(dir, strconv.FormatUint(i, 10)))
		t.Run(fmt.Sprintf("%s with %s", r.job.name, r.fault.name), func(t *testing.T) {
			t.Logf("DXFPROXY_SEED=%d DXFPROXY_FAULT_RUNS=1 go test ./chaos", r.seed)
			began := time.Now()
			outcome, err := r.run(t.Context())
			if err != nil && r.cluster != nil {
				for _, n := range r.cluster.Nodes {
					t.Logf("%s (%s):\n%s", n.Name, n.Addr, n.LogTail())
				}
			}
			require.NoError(t, err, "at %s", r.moment)
			t.Logf("%s after %v, %s; %s", outcome, time.Since(began).Round(time.Millisecond), r.moment, r.told())
		})
	}
}
