package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program builds the command, for tests of what the system does to a process.
func program(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dxfproxy-test-user-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "dxfproxy"), ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// threads are the users that a process's threads run as.
func threads(t *testing.T, pid int) map[string]int {
	t.Helper()
	found := map[string]int{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	require.NoError(t, err)
	for _, f := range files {
		text, _ := os.ReadFile(f) // the thread may be gone
		for line := range strings.Lines(string(text)) {
			if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
				found[strings.Join(strings.Fields(ids), " ")]++
			}
			if ids, ok := strings.CutPrefix(line, "Groups:"); ok {
				found["groups "+strings.TrimSpace(ids)]++
			}
		}
	}
	return found
}

// A node that root starts is not root, nor is its store; a child of somebody's that was
// to die with him still does.
func TestS11NodeIsNotRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change over")
	}
	mysqlUser, err := user.Lookup("mysql")
	if err != nil {
		t.Skip("there is no account mysql")
	}
	dir := program(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())

	// The shell is the parent that dies: it starts the node with a parent-death signal.
	begin := func(args ...string) (*exec.Cmd, *bufio.Reader) {
		cmd := exec.Command(filepath.Join(dir, "dxfproxy"), append([]string{"serve", "--listen", addr, "--data-dir", filepath.Join(dir, "data")}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGUSR1}
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd, bufio.NewReader(out)
	}
	end := func(cmd *exec.Cmd) {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
	}

	// As it was before: everything is root's, but what the server writes.
	cmd, out := begin("--user", "root")
	_, err = out.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, threads(t, cmd.Process.Pid), "0 0 0 0")
	end(cmd)

	cmd, out = begin()
	line, err := out.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "is ready")
	id := mysqlUser.Uid
	for ids := range threads(t, cmd.Process.Pid) {
		require.Contains(t, []string{strings.Join([]string{id, id, id, id}, " "), "groups " + mysqlUser.Gid}, ids)
	}
	for _, file := range []string{"client.cnf", "store.dsn", "certificate.pem", "dxfproxy.lock", "mariadbd.log", "data"} {
		st, err := os.Stat(filepath.Join(dir, "data", file))
		require.NoError(t, err)
		require.Equal(t, id, fmt.Sprint(st.Sys().(*syscall.Stat_t).Uid), file)
	}
	end(cmd)

	for _, refusal := range [][]string{
		{"--user", "no-such-account", "there is no account no-such-account"},
		{"--user", "mysql", "--tls-cert", "/root/none.pem", "--tls-key", "/root/none.key", "mysql cannot enter /root"},
	} {
		args, want := refusal[:len(refusal)-1], refusal[len(refusal)-1]
		text, err := exec.Command(filepath.Join(dir, "dxfproxy"), append([]string{"serve", "--listen", addr, "--data-dir", filepath.Join(dir, "other")}, args...)...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(text), want)
		require.Contains(t, string(text), " with --user\n", "the hint")
	}
	require.NoDirExists(t, filepath.Join(dir, "other"))
}

// The parent-death signal outlives the change of user.
func TestParentDeathSignalIsKept(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change over")
	}
	if _, err := user.Lookup("mysql"); err != nil {
		t.Skip("there is no account mysql")
	}
	dir := program(t)
	// A parent in between: this test, run again, starts the node and is killed.
	if node := os.Getenv("DXFPROXY_TEST_PARENT_OF"); node != "" {
		cmd := exec.Command(node, "serve", "--listen", "127.0.0.1:0", "--data-dir", os.Getenv("DXFPROXY_TEST_DATA"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Stdout = os.Stdout
		require.NoError(t, cmd.Start())
		fmt.Println("pid", cmd.Process.Pid)
		select {}
	}
	parent := exec.Command(os.Args[0], "-test.run", "^TestParentDeathSignalIsKept$")
	parent.Env = append(os.Environ(), "DXFPROXY_TEST_PARENT_OF="+filepath.Join(dir, "dxfproxy"), "DXFPROXY_TEST_DATA="+filepath.Join(dir, "data"))
	parent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	defer func() { _ = parent.Process.Kill(); _ = parent.Wait() }()
	pid := 0
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		_, _ = fmt.Sscanf(line, "pid %d", &pid)
		if strings.Contains(line, "is ready") {
			break
		}
	}
	require.NotZero(t, pid)
	require.NotContains(t, threads(t, pid), "0 0 0 0")
	require.NoError(t, parent.Process.Kill())
	_, _ = io.Copy(io.Discard, lines)
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || len(threads(t, pid)) == 0 }, 20*time.Second, 10*time.Millisecond)
}
