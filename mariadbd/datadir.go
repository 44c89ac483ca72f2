package mariadbd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"go.uber.org/zap"
)

// prepareDir makes the directory, makes sure that it is one of ours, and locks it.
func (s *Server) prepareDir() error {
	if err := os.MkdirAll(s.cfg.DataDir, 0o755); err != nil {
		return dirError(err)
	}
	dir, err := filepath.Abs(s.cfg.DataDir)
	if err != nil {
		return err
	}
	if s.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return dirError(err)
	}
	if err := checkOurs(s.dir); err != nil {
		return err
	}
	if s.lock, err = lockFile(filepath.Join(s.dir, "dxfproxy.lock")); err != nil {
		return dirError(err)
	}
	return nil
}

// checkOurs refuses a directory that holds something, and no lock of ours.
func checkOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return dirError(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dxfproxy.lock")); errors.Is(err, fs.ErrNotExist) {
		for _, e := range entries {
			if e.Name() != "lost+found" { // a file system of its own
				return fmt.Errorf("%w: it holds %s", ErrForeign, e.Name())
			}
		}
	}
	return nil
}

// dirError marks errors of a directory that we may not use.
func dirError(err error) error {
	for _, e := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, fs.ErrExist} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrNotWritable, err)
		}
	}
	return err
}

// prepareData makes the server's data directory, or sees to it that the server
// can use the one that is there.
func (s *Server) prepareData(ctx context.Context, scratch, data string) error {
	_, err := os.Stat(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := install(ctx, s.prog, s.cfg, s.as, scratch, data); err != nil {
			return err
		}
	case err != nil:
		return dirError(err)
	default:
		if was, ok := dataVersion(data); ok && was.newerSeries(s.prog.version) {
			return fmt.Errorf("%w: MariaDB %s wrote it, %s is installed", ErrNewerData, was, s.prog.version)
		} else if ok && s.prog.version.newerSeries(was) {
			s.log.Warn("embedded store was made by an older server; run mariadb-upgrade on it",
				zap.Stringer("made by", was), zap.Stringer("server", s.prog.version))
		}
		if err := s.as.own(data); err != nil {
			return err
		}
	}
	tmp := filepath.Join(s.dir, "tmp")
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("empty the server's scratch space: %w", err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fmt.Errorf("make the server's scratch space: %w", err)
	}
	return s.as.own(tmp)
}
