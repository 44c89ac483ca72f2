package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

func joinPath(dir, file string) string { return filepath.Join(dir, file) }

// checkDirectory refuses a directory that is not there.
func checkDirectory(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return invalidURI("%v", err)
	}
	return nil
}

// statFile looks at one file, and whether we may read it.
func statFile(name string) (File, error) {
	f, info, err := openRegular(name)
	if err != nil {
		return File{}, err
	}
	_ = f.Close() // nothing was written
	return File{Path: name, Size: info.Size()}, nil
}

// openRegular opens a file that has an end: opening a pipe would wait for
// somebody who writes to it.
func openRegular(name string) (*os.File, fs.FileInfo, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, nil, cantRead(fmt.Sprintf("open %s: not a regular file", name), checkLocation)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, cantRead(err.Error(), checkLocation)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, nil, cantRead(err.Error(), checkLocation)
	}
	return f, info, nil
}

// listDirectory is the regular files of one directory that match, links to
// files among them, in name order. Every one of them must be readable.
func listDirectory(ctx context.Context, at *Location) ([]File, error) {
	var files []File
	if !at.globbed() {
		// A name that has "?" in it may be meant as it is.
		if f, err := statFile(joinPath(at.dir, at.file)); err == nil {
			return []File{f}, nil
		}
	}
	entries, err := os.ReadDir(at.dir) // sorted by name
	if err != nil {
		return nil, cantRead(err.Error(), whileWalking)
	}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !at.glob.match(entry.Name()) {
			continue
		}
		name := joinPath(at.dir, entry.Name())
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist) {
			continue // a directory, a pipe, a link to nowhere
		}
		f, err := statFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// openFile reads a range of a file.
func openFile(ctx context.Context, want File, offset, length int64) (io.ReadCloser, error) {
	f, info, err := openRegular(want.Path)
	if err != nil {
		return nil, err
	}
	r := &diskReader{ctx: ctx, file: f, size: info.Size(), time: info.ModTime()}
	switch {
	case want.Size >= 0 && want.Size != r.size:
		err = changedFile(want.Path)
	case offset > r.size:
		err = cantRead(fmt.Sprintf("%s has %d bytes, offset %d is behind them", want.Path, r.size, offset), checkLocation)
	default:
		r.next, r.end = offset, r.size
		if length >= 0 && length < r.size-offset {
			r.end = offset + length
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return r, nil
}

// openFileAt reads anywhere in a file; the system buffers.
func openFileAt(ctx context.Context, want File) (ReaderAt, error) {
	f, info, err := openRegular(want.Path)
	if err != nil {
		return nil, err
	}
	if want.Size >= 0 && want.Size != info.Size() {
		_ = f.Close()
		return nil, changedFile(want.Path)
	}
	return &diskReader{ctx: ctx, file: f, size: info.Size(), time: info.ModTime()}, nil
}

// diskReader is an open file that must stay as it is.
type diskReader struct {
	ctx       context.Context
	file      *os.File
	size      int64
	time      time.Time
	next, end int64
}

func (r *diskReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	if r.next == r.end {
		// Whoever wrote into the file meanwhile is seen here at the latest.
		if err := r.unchanged(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n, err := r.file.ReadAt(p[:min(int64(len(p)), r.end-r.next)], r.next)
	r.next += int64(n)
	if n > 0 {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		return 0, changedFile(r.file.Name()) // it was longer
	}
	if err != nil {
		err = cantRead(err.Error(), checkLocation)
	}
	return 0, err
}

func (r *diskReader) ReadAt(p []byte, offset int64) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.file.ReadAt(p, offset)
	if err == nil || errors.Is(err, io.EOF) {
		if changed := r.unchanged(); changed != nil {
			return 0, changed
		}
		return n, err
	}
	return n, cantRead(err.Error(), checkLocation)
}

func (r *diskReader) unchanged() error {
	info, err := r.file.Stat()
	if err != nil {
		return cantRead(err.Error(), checkLocation)
	}
	if info.Size() != r.size || !info.ModTime().Equal(r.time) {
		return changedFile(r.file.Name())
	}
	return nil
}

func (r *diskReader) Close() error { return r.file.Close() }
