package mariadbd

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Sweep removes what programs left in the system's temporary directory that were
// killed: their servers are gone with them, their directories are not. prefix
// names the directories, in which a server has its place under "store". The
// young ones are let alone, for some program may be about to lock one.
func Sweep(prefix string) {
	const young = time.Hour
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range dirs {
		st, err := os.Lstat(dir)
		if err != nil || !st.IsDir() || time.Since(st.ModTime()) < young || inUse(dir) {
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

// inUse says whether somebody runs a server in dir/store.
func inUse(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, "store", "dxfproxy.lock"))
	if err != nil {
		return false
	}
	defer lock.Close()
	return flock(lock, unix.LOCK_SH|unix.LOCK_NB) != nil
}
