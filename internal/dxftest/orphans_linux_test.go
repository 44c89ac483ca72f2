package dxftest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/clustertest"
)

// TestOrphans kills a demo in the middle of its work. Its store and its nodes
// end with it, also one that is frozen. Only Linux has the signal for it.
func TestOrphans(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.Command(clustertest.Binary, "demo", "--rows", "2000000")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	var nodes, stores []int
	look := func() {
		nodes, stores = nil, nil
		for pid, line := range commandLines(t) {
			switch {
			case strings.Contains(line, "--datadir="+temp):
				stores = append(stores, pid)
			case strings.HasPrefix(line, clustertest.Binary+" serve"):
				nodes = append(nodes, pid)
			}
		}
	}
	require.Eventually(t, func() bool {
		look()
		return len(nodes) == 3 && len(stores) == 1
	}, time.Minute, 20*time.Millisecond, "the demo does not start")
	require.NoError(t, syscall.Kill(nodes[0], syscall.SIGSTOP))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Eventually(t, func() bool {
		look()
		return len(nodes)+len(stores) == 0
	}, 20*time.Second, 20*time.Millisecond, "nodes or stores outlive the demo")
}

// commandLines lists the running processes.
func commandLines(t *testing.T) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	lines := make(map[int]string)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")); err == nil {
			lines[pid] = strings.ReplaceAll(string(text), "\x00", " ")
		}
	}
	return lines
}
