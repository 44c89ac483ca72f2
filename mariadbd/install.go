package mariadbd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// install makes a data directory at dir in one step: it is complete, or it is
// not there. scratch is a name beside it for the half-made one; what an
// interrupted earlier attempt left under that name is thrown away.
func install(ctx context.Context, prog program, cfg Config, as account, scratch, dir string) error {
	if err := os.RemoveAll(scratch); err != nil {
		return fmt.Errorf("remove a half-made data directory: %w", err)
	}
	if prog.kind == TiDB {
		return mkdirFor(as, dir) // it makes the rest itself
	} else if cfg.TemplateDir != "" {
		from, err := template(ctx, prog, cfg)
		if err != nil {
			return err
		}
		if err := copyTree(from, scratch); err != nil {
			return fmt.Errorf("copy the template of a data directory: %w", err)
		}
	} else if err := runInstaller(ctx, prog, cfg, as, scratch); err != nil {
		return err
	}
	if err := as.own(scratch); err != nil {
		return err
	}
	if err := os.Rename(scratch, dir); err != nil {
		return fmt.Errorf("publish the new data directory: %w", err)
	}
	return nil
}

// mkdirFor makes an empty directory of the account's.
func mkdirFor(as account, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return as.own(dir)
}

// installer is the command that makes a data directory at dir, with tmp for
// what it needs on the way.
func installer(prog program, cfg Config, dir, tmp string) (*exec.Cmd, error) {
	args := []string{"--no-defaults", "--datadir=" + dir, "--tmpdir=" + tmp}
	if prog.baseDir != "" {
		args = append(args, "--basedir="+prog.baseDir)
	}
	if prog.kind == MySQL {
		own, err := cfg.mysqlInstaller(filepath.Join(tmp, "root.sql"))
		return exec.Command(prog.server, append(args, own...)...), err
	}
	args = append(args,
		// root comes in without a password; the installer's default would be an
		// account that only the system's root can use, and only on the socket.
		"--auth-root-authentication-method=normal",
		"--cross-bootstrap", // no account for this machine's name, which others could reach
		"--skip-test-db",
		fmt.Sprintf("--innodb-log-file-size=%d", cfg.RedoLog),
	)
	return exec.Command(prog.install, args...), nil
}

// runInstaller makes a data directory at dir, which must not exist.
func runInstaller(ctx context.Context, prog program, cfg Config, as account, dir string) error {
	if err := mkdirFor(as, dir); err != nil {
		return err
	}
	// Every server that starts sweeps #sql* out of its tmpdir: in one shared by
	// two installers the one takes the other's tables away.
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := mkdirFor(as, tmp); err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	cmd, err := installer(prog, cfg, dir, tmp)
	if err != nil {
		return err
	}
	cmd.Args = append(cmd.Args, as.asRoot()...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := spawn(cmd, as)
	if err != nil {
		return fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		// The script leads its own session; its server goes with it.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("make a data directory: %w", context.Cause(ctx))
	}
	if p.err != nil {
		return fmt.Errorf("make a data directory with %s: %w\n%s", cmd.Path, p.err, lastLines(out.String()))
	}
	return nil
}

// template returns an initialised data directory to copy, made on first use.
func template(ctx context.Context, prog program, cfg Config) (string, error) {
	if err := os.MkdirAll(cfg.TemplateDir, 0o700); err != nil {
		return "", fmt.Errorf("make the directory of templates: %w", err)
	}
	name := fmt.Sprintf("%s-%s-log%d", strings.ToLower(prog.kind.String()), prog.version, cfg.RedoLog/mib)
	dir := filepath.Join(cfg.TemplateDir, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	lock, err := os.OpenFile(filepath.Join(cfg.TemplateDir, name+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := flock(lock, unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // made while we waited
	}
	plain := cfg
	plain.TemplateDir = ""
	own := account{uid: os.Getuid(), gid: os.Getgid()}
	if err := install(ctx, prog, plain, own, dir+".new", dir); err != nil {
		return "", fmt.Errorf("make a template: %w", err)
	}
	return dir, nil
}

// copyTree copies directories and regular files. Blocks of zeros, which are most
// of a new data directory, become holes.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.Mkdir(target, 0o700)
		case rel == "auto.cnf": // MySQL's server_uuid: the copy gets one of its own
			return nil
		case d.Type().IsRegular():
			return copyFile(path, target)
		default:
			return nil
		}
	})
}

func copyFile(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()

	buf := make([]byte, 64<<10)
	zeros := make([]byte, len(buf))
	var size int64
	for {
		n, readErr := io.ReadFull(src, buf)
		if n > 0 && !bytes.Equal(buf[:n], zeros[:n]) {
			if _, err := dst.WriteAt(buf[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if readErr == io.EOF || readErr == io.ErrUnexpectedEOF {
			return dst.Truncate(size)
		}
		if readErr != nil {
			return readErr
		}
	}
}

// dataVersion reads which server a data directory was made by. The file has had
// two names.
func dataVersion(dir string) (version, bool) {
	for _, name := range []string{"mariadb_upgrade_info", "mysql_upgrade_info"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return parseVersion(MariaDB, strings.TrimSpace(string(text)))
		}
	}
	return version{}, false
}
