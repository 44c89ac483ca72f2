package mariadbd

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"go.uber.org/zap"
)

// account is the system account that the server runs under.
type account struct {
	uid, gid int
	switched bool // it is not our own
}

// chooseAccount is our own account, or, when we are root, the account mysql if
// it exists and can get at dirs: a database need not own the machine. A server
// that must run as root has to be told so by asRoot.
func chooseAccount(log *zap.Logger, dirs ...string) account {
	own := account{uid: os.Getuid(), gid: os.Getgid()}
	if own.uid != 0 {
		return own
	}
	u, err := user.Lookup("mysql")
	if err != nil {
		log.Warn("embedded store runs as root: there is no account mysql")
		return own
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if uidErr != nil || gidErr != nil {
		return own
	}
	a := account{uid: uid, gid: gid, switched: true}
	for _, dir := range dirs {
		if closed := a.closedParent(dir); dir != "" && closed != "" {
			log.Warn("embedded store runs as root: the account mysql cannot enter its directory", zap.String("directory", closed))
			return own
		}
	}
	return a
}

// closedParent is the first directory on the way to dir, dir included, that the
// account may not pass through; empty if the way is free.
func (a account) closedParent(dir string) string {
	closed := ""
	for d := dir; ; d = filepath.Dir(d) {
		st, err := os.Stat(d)
		if err != nil || !a.mayEnter(st) {
			closed = d
		}
		if d == filepath.Dir(d) {
			return closed
		}
	}
}

func (a account) mayEnter(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case int(sys.Uid) == a.uid:
		return st.Mode()&0o100 != 0
	case int(sys.Gid) == a.gid:
		return st.Mode()&0o010 != 0
	default:
		return st.Mode()&0o001 != 0
	}
}

// credential makes a child run under the account. We change over before exec
// because the server's own --user would do it after, and the kernel forgets the
// parent-death signal of a process that changes its user (prctl(2)).
func (a account) credential() *syscall.Credential {
	if !a.switched {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: []uint32{}}
}

// asRoot are the options a server needs that really is to run as root.
func (a account) asRoot() []string {
	if a.uid == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// own gives dir and everything in it to the account.
func (a account) own(dir string) error {
	if os.Getuid() != 0 {
		return nil // whatever is there is ours, or we could not have made it
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) == a.uid && int(sys.Gid) == a.gid {
		return nil // the directory itself is given last, so the rest has been
	}
	var dirs []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			dirs = append(dirs, path)
			return nil
		}
		return os.Lchown(path, a.uid, a.gid)
	})
	if err != nil {
		return fmt.Errorf("give %s to the server's account: %w", dir, err)
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := os.Chown(dirs[i], a.uid, a.gid); err != nil {
			return fmt.Errorf("give %s to the server's account: %w", dir, err)
		}
	}
	return nil
}
