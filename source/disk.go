package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// stat looks at one file, and whether we may read it.
func (d *disk) stat(file string) (File, error) {
	f, info, err := d.open(file)
	if err != nil {
		return File{}, err
	}
	_ = f.Close() // nothing was written
	return File{Path: d.name(file), Size: info.Size()}, nil
}

// open opens a file that has an end. Opening a pipe would wait for somebody who
// writes to it, so what became one since we looked is opened without waiting.
func (d *disk) open(file string) (*os.File, fs.FileInfo, error) {
	name := d.name(file)
	notRegular := func() error {
		return cantRead(fmt.Sprintf("open %s: not a regular file", name), checkLocation)
	}
	if info, err := d.root.Stat(d.path(file)); err == nil && !info.Mode().IsRegular() {
		return nil, nil, notRegular()
	}
	f, err := d.root.OpenFile(d.path(file), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, cantRead(d.wrong("open", name, err).Error(), checkLocation)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = cantRead(d.wrong("stat", name, err).Error(), checkLocation)
	case !info.Mode().IsRegular():
		err = notRegular()
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// namesAtOnce is how many entries of a directory are read at a time.
const namesAtOnce = 1000

// list is the regular files of the directory that match, links to files among
// them. Every one of them must be readable.
func (d *disk) list(ctx context.Context, at *Location, all *listing) error {
	if !at.globbed() {
		// A name that has "?" in it may be meant as it is.
		if f, err := d.stat(at.file); err == nil {
			return all.add(f)
		}
	}
	dir, err := d.root.Open(d.sub)
	if err != nil {
		return cantRead(d.wrong("open", d.dir, err).Error(), whileWalking)
	}
	defer dir.Close() //nolint:errcheck // only read
	for {
		names, err := dir.Readdirnames(namesAtOnce)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return cantRead(d.wrong("read", d.dir, err).Error(), whileWalking)
		}
		for _, name := range names {
			if err := d.look(ctx, at, name, all); err != nil {
				return err
			}
		}
	}
}

// look adds an entry of the directory to the list, if it is one of the files.
func (d *disk) look(ctx context.Context, at *Location, name string, all *listing) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := all.seen(); err != nil || !at.glob.match(name) {
		return err
	}
	if info, err := d.root.Stat(d.path(name)); err == nil && !info.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist) {
		return nil // a directory, a pipe, a link to nowhere
	}
	f, err := d.stat(name)
	if err != nil {
		return err
	}
	return all.add(f)
}

// file is the name in the directory of a path that the location holds.
func (d *disk) file(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// openFile reads a range of a file.
func (d *disk) openFile(ctx context.Context, want File, offset, length int64) (io.ReadCloser, error) {
	f, info, err := d.open(d.file(want.Path))
	if err != nil {
		return nil, err
	}
	r := &diskReader{ctx: ctx, file: f, name: want.Path, size: info.Size(), time: info.ModTime()}
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
func (d *disk) openFileAt(ctx context.Context, want File) (ReaderAt, error) {
	f, info, err := d.open(d.file(want.Path))
	if err != nil {
		return nil, err
	}
	if want.Size >= 0 && want.Size != info.Size() {
		_ = f.Close()
		return nil, changedFile(want.Path)
	}
	return &diskReader{ctx: ctx, file: f, name: want.Path, size: info.Size(), time: info.ModTime()}, nil
}

// diskReader is an open file that must stay as it is.
type diskReader struct {
	ctx       context.Context
	file      *os.File
	name      string
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
		return 0, changedFile(r.name) // it was longer
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
		return changedFile(r.name)
	}
	return nil
}

func (r *diskReader) Close() error { return r.file.Close() }
