package mariadbdtest

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// dirPattern names the directories of test servers, in the system's temporary
// directory.
const dirPattern = "dxfproxy-test-"

// sweep removes what earlier tests left that were killed: their servers are gone
// with them, their directories are not. The young ones are let alone, for some
// test may be about to lock one.
func sweep() {
	const young = time.Hour
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPattern+"*"))
	for _, dir := range dirs {
		st, err := os.Lstat(dir)
		if err != nil || !st.IsDir() || time.Since(st.ModTime()) < young || inUse(dir) {
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

// inUse says whether somebody runs a server in a test's directory.
func inUse(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, "store", "dxfproxy.lock"))
	if err != nil {
		return false
	}
	defer lock.Close()
	return unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}
