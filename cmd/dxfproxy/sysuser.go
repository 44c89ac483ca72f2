package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"go.uber.org/zap"

	"dxfproxy/mariadbd"
)

// sysUsers are the accounts of the system that a node started by root changes to,
// the first that is there: a node need not own the machine.
var sysUsers = []string{"dxfproxy", "mysql"}

// A sysUser is an account of the system.
type sysUser struct {
	name     string
	uid, gid int
	groups   []int
}

// errSysUser is an account that the node cannot run as.
var errSysUser = errors.New("change to another account of the system")

// changeUser gives root's rights up for those of --user, once the listeners are open and
// before anything else is. The default is to do so where nothing stands against it.
func changeUser(cfg config, log *zap.Logger) error {
	if os.Geteuid() != 0 {
		if me, err := user.Current(); cfg.User != "" && (err != nil || me.Username != cfg.User) {
			return fmt.Errorf("%w: only root can be started with --user %s", errSysUser, cfg.User)
		}
		return nil
	}
	if cfg.User == "root" {
		return nil
	}
	u, err := findSysUser(cfg.User)
	if err == nil {
		err = u.mayRun(cfg)
	}
	if err != nil && cfg.User == "" {
		log.Warn("node runs as root; see --user", zap.NamedError("reason", err))
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: %w", errSysUser, err)
	}
	if cfg.Store == "" {
		if err := mariadbd.Give(cfg.DataDir, u.uid, u.gid); err != nil {
			return err
		}
	}
	if err := u.become(); err != nil {
		return fmt.Errorf("%w: %w", errSysUser, err)
	}
	log.Info("node runs under an account of its own", zap.String("user", u.name))
	return nil
}

// findSysUser looks an account up; "" is the first of the usual ones.
func findSysUser(name string) (sysUser, error) {
	names := []string{name}
	if name == "" {
		names = sysUsers
	}
	for _, n := range names {
		found, err := user.Lookup(n)
		if err != nil {
			continue
		}
		u := sysUser{name: n}
		if u.uid, err = strconv.Atoi(found.Uid); err != nil {
			return u, err
		}
		if u.gid, err = strconv.Atoi(found.Gid); err != nil {
			return u, err
		}
		ids, err := found.GroupIds()
		if err != nil {
			return u, err
		}
		for _, id := range ids {
			if g, err := strconv.Atoi(id); err == nil {
				u.groups = append(u.groups, g)
			}
		}
		return u, nil
	}
	return sysUser{}, fmt.Errorf("there is no account %s", names[len(names)-1])
}

// mayRun makes sure that the account gets at what the node will open.
func (u sysUser) mayRun(cfg config) error {
	if cfg.Store == "" {
		dir, err := filepath.Abs(cfg.DataDir)
		if err != nil {
			return err
		}
		// The directory itself will be given to it.
		if closed := u.closed(filepath.Dir(dir), 0o1); closed != "" {
			return fmt.Errorf("%s cannot enter %s", u.name, closed)
		}
	}
	for _, file := range []string{cfg.TLSCert, cfg.TLSKey, cfg.TLSCA, cfg.StoreCA} {
		if file == "" || file == noTLS {
			continue
		}
		file, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		if closed := u.closed(filepath.Dir(file), 0o1); closed != "" {
			return fmt.Errorf("%s cannot enter %s", u.name, closed)
		}
		if st, err := os.Stat(file); err == nil && !u.may(st, 0o4) {
			return fmt.Errorf("%s cannot read %s", u.name, file)
		}
	}
	return nil
}

// closed is the first directory on the way to dir, dir included, that the account may
// not pass through; those that are not there yet will be made. Empty: the way is free.
func (u sysUser) closed(dir string, want fs.FileMode) (closed string) {
	for ; ; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil && !u.may(st, want) {
			closed = dir
		}
		if dir == filepath.Dir(dir) {
			return closed
		}
	}
}

// may reports whether the account has a right, 4 to read and 1 to enter.
func (u sysUser) may(st fs.FileInfo, want fs.FileMode) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return false
	case int(sys.Uid) == u.uid:
		return st.Mode()>>6&want != 0
	case int(sys.Gid) == u.gid || slices.Contains(u.groups, int(sys.Gid)):
		return st.Mode()>>3&want != 0
	}
	return st.Mode()&want != 0
}

// become changes all threads over, for good.
func (u sysUser) become() error {
	death := parentDeath
	if err := syscall.Setgroups(u.groups); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setgid(u.gid); err != nil {
		return fmt.Errorf("set group %d: %w", u.gid, err)
	}
	if err := syscall.Setuid(u.uid); err != nil {
		return fmt.Errorf("set user %d: %w", u.uid, err)
	}
	return keepParentDeath(death)
}
