package mariadbd_test

import (
	"context"
	"fmt"
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

	"dxfproxy/mariadbd"
)

func TestStartStop(t *testing.T) {
	dir := newDir(t)
	cfg := small(t, dir)
	cfg.TemplateDir = "" // this one makes its directory itself
	srv := start(t, cfg)

	require.Equal(t, "ROW,FULL,ON,1,1,2,utf8mb4,OFF", query(t, srv.DSN(), `
		SELECT CONCAT_WS(',', @@binlog_format, @@binlog_row_image, @@log_bin, @@sync_binlog,
			@@innodb_flush_log_at_trx_commit, @@innodb_autoinc_lock_mode, @@character_set_server, @@performance_schema)`))
	require.Equal(t, "root@localhost", query(t, "root@unix("+srv.Socket()+")/", "SELECT CURRENT_USER()"))
	require.Equal(t, "root@127.0.0.1", query(t, srv.DSN(), "SELECT CURRENT_USER()"))
	require.Equal(t, "127.0.0.1,::1,localhost", query(t, srv.DSN(), "SELECT host FROM mysql.user WHERE user = 'root' ORDER BY host"),
		"no account that is reachable from elsewhere")
	require.Equal(t, srv.Version(), query(t, srv.DSN(), "SELECT SUBSTRING_INDEX(VERSION(), '-', 1)"))
	write(t, srv.DSN())

	addr, pid := srv.Addr(), srv.PID()
	stop(t, srv)
	<-srv.Done()
	require.NoError(t, srv.Err())
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	require.NoError(t, srv.Stop(t.Context()), "stopping twice does nothing")

	again := start(t, cfg)
	require.Equal(t, addr, again.Addr(), "a restarted store is found where it was")
	requireKept(t, again.DSN())
}

func TestServerRunsAsMysqlUnderRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change over")
	}
	u, err := user.Lookup("mysql")
	if err != nil {
		t.Skip("there is no account mysql")
	}
	owner := func(srv *mariadbd.Server) string {
		st, err := os.Stat(fmt.Sprintf("/proc/%d", srv.PID()))
		require.NoError(t, err)
		return fmt.Sprint(st.Sys().(*syscall.Stat_t).Uid)
	}
	dir := newDir(t)
	srv := start(t, small(t, dir))
	require.Equal(t, u.Uid, owner(srv))
	write(t, srv.DSN())
	stop(t, srv)

	// The same data where mysql cannot get at it: root it is, and back again.
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o700))
	srv = start(t, small(t, dir))
	require.Equal(t, "0", owner(srv))
	requireKept(t, srv.DSN())
	stop(t, srv)

	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	srv = start(t, small(t, dir))
	require.Equal(t, u.Uid, owner(srv))
	requireKept(t, srv.DSN())
}

func TestOptions(t *testing.T) {
	cfg := small(t, newDir(t))
	cfg.Relaxed = true
	cfg.Options = []string{"max_connections=77", "--innodb-lock-wait-timeout=3"}
	srv := start(t, cfg)
	require.Equal(t, "77,3,2,0", query(t, srv.DSN(), `
		SELECT CONCAT_WS(',', @@max_connections, @@innodb_lock_wait_timeout, @@innodb_flush_log_at_trx_commit, @@sync_binlog)`))
}

func TestOptionsThatAreOurs(t *testing.T) {
	for _, option := range []string{"datadir=/elsewhere", "--pid_file=x", "skip-networking", "--defaults-file=/etc/my.cnf"} {
		cfg := small(t, newDir(t))
		cfg.Options = []string{option}
		_, err := mariadbd.Start(t.Context(), cfg)
		require.ErrorContains(t, err, "set by dxfproxy itself", option)
	}
}

func TestUnknownOptionIsQuotedFromTheLog(t *testing.T) {
	cfg := small(t, newDir(t))
	cfg.Options = []string{"no_such_option=1"}
	_, err := mariadbd.Start(t.Context(), cfg)
	require.ErrorIs(t, err, mariadbd.ErrExited)
	require.ErrorContains(t, err, "unknown variable 'no_such_option=1'")

	cfg.Options = nil
	start(t, cfg) // and the directory is free again
}

func TestSecondStartIsRefused(t *testing.T) {
	dir := newDir(t)
	srv := start(t, small(t, dir))
	_, err := mariadbd.Start(t.Context(), small(t, dir))
	require.ErrorIs(t, err, mariadbd.ErrInUse)
	require.ErrorContains(t, err, fmt.Sprintf("in use by process %d", os.Getpid()))
	require.Equal(t, "1", query(t, srv.DSN(), "SELECT 1"), "the first is not disturbed")
}

func TestSecondNodeIsRefused(t *testing.T) {
	dir := newDir(t)
	n := startNode(t, dir)
	_, err := mariadbd.Start(t.Context(), small(t, dir))
	require.ErrorIs(t, err, mariadbd.ErrInUse)
	require.ErrorContains(t, err, fmt.Sprintf("in use by process %d", n.cmd.Process.Pid))
}

// A node that is killed takes its server along, and the next one recovers.
func TestKilledNodeLeavesNoServer(t *testing.T) {
	dir := newDir(t)
	n := startNode(t, dir)
	write(t, n.dsn)
	require.Equal(t, []int{n.serverPID}, mariadbd.ServersOn(filepath.Join(dir, "data")))

	began := time.Now()
	n.kill()
	require.Eventually(t, func() bool { return len(mariadbd.ServersOn(filepath.Join(dir, "data"))) == 0 }, 10*time.Second, time.Millisecond)
	t.Logf("server gone %v after its node", time.Since(began).Round(time.Millisecond))

	requireKept(t, start(t, small(t, dir)).DSN())
}

// A server that was left behind all the same, by a system without a
// parent-death signal, is stopped before its data is touched.
func TestLeftoverIsStopped(t *testing.T) {
	dir := newDir(t)
	srv := start(t, small(t, dir))
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", srv.PID()))
	require.NoError(t, err)
	args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	stop(t, srv)

	if _, err := user.Lookup("mysql"); err == nil && os.Getuid() == 0 {
		args = append(args, "--user=mysql")
	}
	leftover := exec.Command(args[0], args[1:]...)
	require.NoError(t, leftover.Start())
	ended := make(chan error, 1)
	go func() { ended <- leftover.Wait() }()
	require.Eventually(t, func() bool {
		c, err := net.Dial("unix", srv.Socket())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	write(t, srv.DSN())

	again := start(t, small(t, dir))
	require.NoError(t, <-ended, "it was given the time to end in order")
	require.NotEqual(t, leftover.Process.Pid, again.PID())
	requireKept(t, again.DSN())
}

func TestUnexpectedEnd(t *testing.T) {
	dir := newDir(t)
	srv := start(t, small(t, dir))
	write(t, srv.DSN())
	require.NoError(t, syscall.Kill(srv.PID(), syscall.SIGKILL))
	select {
	case <-srv.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
	require.ErrorIs(t, srv.Err(), mariadbd.ErrExited)
	require.ErrorContains(t, srv.Err(), "signal: killed")
	require.ErrorContains(t, srv.Err(), "mariadbd.log")

	requireKept(t, start(t, small(t, dir)).DSN())
}

func TestStopThatTakesTooLongKills(t *testing.T) {
	srv := start(t, small(t, newDir(t)))
	require.NoError(t, syscall.Kill(srv.PID(), syscall.SIGSTOP)) // it cannot hear SIGTERM
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, srv.Stop(ctx), context.DeadlineExceeded)
	require.ErrorIs(t, syscall.Kill(srv.PID(), 0), syscall.ESRCH)
}

func TestInterruptedFirstStart(t *testing.T) {
	cfg := small(t, newDir(t))
	cfg.TemplateDir = ""
	for _, limit := range []time.Duration{100, 300, 600} {
		ctx, cancel := context.WithTimeout(t.Context(), limit*time.Millisecond)
		srv, err := mariadbd.Start(ctx, cfg)
		cancel()
		if err == nil {
			stop(t, srv)
			continue // a fast machine; the shorter limits have done their work
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	srv := start(t, cfg)
	require.Equal(t, "1", query(t, srv.DSN(), "SELECT 1"))
	require.NoDirExists(t, filepath.Join(cfg.DataDir, "data.new"))
}

// A node that is killed while it makes its data directory leaves a half-made one
// that nobody takes for a whole one.
func TestKilledFirstStart(t *testing.T) {
	dir := newDir(t)
	half := filepath.Join(dir, "data.new")
	n := nodeCommand(dir, "")
	require.NoError(t, n.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(half, "ibdata1"))
		return err == nil
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, n.Process.Kill())
	_ = n.Wait()
	require.DirExists(t, half)
	require.NoDirExists(t, filepath.Join(dir, "data"))

	srv := start(t, small(t, dir))
	require.Equal(t, "1", query(t, srv.DSN(), "SELECT 1"))
	require.NoDirExists(t, half)
}

func TestLongDirectoryName(t *testing.T) {
	cfg := small(t, filepath.Join(newDir(t), strings.Repeat("long", 30)))
	srv := start(t, cfg)
	require.LessOrEqual(t, len(srv.Socket()), 103)
	require.Equal(t, "1", query(t, "root@unix("+srv.Socket()+")/", "SELECT 1"))
	stop(t, srv)
	require.NoDirExists(t, filepath.Dir(srv.Socket()))
}
