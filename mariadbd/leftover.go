package mariadbd

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// A left-over server gets this long to end by itself before it is killed, and as
// long again to be gone. It holds no clients: its node is dead.
const leftoverGrace = 10 * time.Second

// stopLeftovers ends servers, and installers, that an earlier node left running
// on one of dirs. The caller holds the lock of the directory, so none of them can
// belong to a node that lives.
func stopLeftovers(ctx context.Context, log *zap.Logger, dirs ...string) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		pids := serversOn(dirs...)
		for _, pid := range pids {
			log.Warn("stopping a server that an earlier run left behind", zap.Int("pid", pid), zap.Stringer("signal", sig))
			if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
				return fmt.Errorf("stop the server that an earlier run left behind (process %d): %w", pid, err)
			}
		}
		if len(pids) == 0 {
			return nil
		}
		gone := func() bool { return len(serversOn(dirs...)) == 0 }
		if err := poll(ctx, leftoverGrace, gone); err != nil {
			return err
		}
	}
	if pids := serversOn(dirs...); len(pids) > 0 {
		return fmt.Errorf("stop the server that an earlier run left behind: process %d does not end", pids[0])
	}
	return nil
}

// serversOn finds processes that run a server or its installer on one of dirs.
func serversOn(dirs ...string) []int {
	var pids []int
	for pid, args := range commands() {
		named := slices.ContainsFunc(args[:min(2, len(args))], func(arg string) bool {
			// The installer is a script: its interpreter comes first.
			switch filepath.Base(arg) {
			case "mariadbd", "mysqld", "tidb-server", "mariadb-install-db", "mysql_install_db":
				return true
			}
			return false
		})
		ours := slices.ContainsFunc(args, func(arg string) bool {
			dir, ok := strings.CutPrefix(arg, "--datadir=")
			if !ok {
				dir, ok = strings.CutPrefix(arg, "--path=") // TiDB
			}
			return ok && slices.Contains(dirs, dir)
		})
		if named && ours {
			pids = append(pids, pid)
		}
	}
	return pids
}

// poll waits until done or for the time given; only the end of ctx is an error.
func poll(ctx context.Context, limit time.Duration, done func() bool) error {
	deadline := time.Now().Add(limit)
	for wait := 5 * time.Millisecond; !done() && time.Now().Before(deadline); wait = min(2*wait, 200*time.Millisecond) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
	return nil
}
