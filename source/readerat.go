package source

import (
	"container/list"
	"context"
	"fmt"
	"io"
	"sync"
)

// A Parquet file is read at many places at once, one per column. Blocks are
// large enough to pay for a request, and the memory holds one for each of 128
// columns.
const (
	blockSize = 256 << 10
	blocks    = 128 // 32 MiB for one file
)

// A ReaderAt reads anywhere in one version of a file. It is safe for use by
// several goroutines and holds 32 MiB at most.
type ReaderAt interface {
	io.ReaderAt
	io.Closer
}

// ReaderAt opens a file for reads anywhere in it. Size is the file's size as
// listed, or negative; a file of another size has changed (8160). The context
// ends the reads, too.
func (s *Source) ReaderAt(ctx context.Context, path string, size int64) (ReaderAt, error) {
	return s.FileAt(ctx, File{Path: path, Size: size})
}

// FileAt is ReaderAt for a file that must still be what it was when listed.
func (s *Source) FileAt(ctx context.Context, f File) (ReaderAt, error) {
	if !s.at.holds(f.Path) {
		return nil, cantRead(fmt.Sprintf("%s is no file of %s", s.name(f.Path), s.at), checkLocation)
	}
	if s.at.Local() {
		return s.disk.openFileAt(ctx, f)
	}
	now, err := s.stat(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	if f.Size >= 0 && f.Size != now.Size || f.Tag != "" && f.Tag != now.Tag {
		return nil, s.changed(f.Path)
	}
	return &readerAt{source: s, ctx: ctx, file: now, held: map[int64]*block{}, used: list.New()}, nil
}

// readerAt keeps the blocks that were read last.
type readerAt struct {
	source *Source
	ctx    context.Context
	file   File

	mu   sync.Mutex
	held map[int64]*block // by number
	used *list.List       // of *block, the one used last in front
}

// block is one piece of the file. Who makes it holds mu until it is filled.
type block struct {
	number int64
	place  *list.Element

	mu   sync.Mutex
	data []byte // nil: not filled
}

// ReadAt fills p from the offset on; fewer bytes only at the file's end, with
// io.EOF. What is larger than a block goes past the memory, in one request.
func (r *readerAt) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read %s: negative offset %d", r.source.name(r.file.Path), offset)
	}
	if offset >= r.file.Size {
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > r.file.Size-offset {
		p, end = p[:r.file.Size-offset], io.EOF
	}
	if len(p) >= blockSize {
		n, err := r.fetch(p, offset)
		if err != nil {
			return n, err
		}
		return n, end
	}
	n := 0
	for n < len(p) {
		data, err := r.block((offset + int64(n)) / blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], data[(offset+int64(n))%blockSize:])
	}
	return n, end
}

// block is the piece with this number, read if it is not held. Others that want
// the same one wait for it; the rest goes on.
func (r *readerAt) block(number int64) ([]byte, error) {
	r.mu.Lock()
	b := r.held[number]
	if b == nil {
		b = &block{number: number}
		b.place = r.used.PushFront(b)
		r.held[number] = b
		if r.used.Len() > blocks {
			oldest := r.used.Remove(r.used.Back()).(*block)
			delete(r.held, oldest.number)
		}
	} else {
		r.used.MoveToFront(b.place)
	}
	r.mu.Unlock()

	b.mu.Lock()
	defer b.mu.Unlock()
	if b.data == nil {
		start := number * blockSize
		data := make([]byte, min(blockSize, r.file.Size-start))
		if _, err := r.fetch(data, start); err != nil {
			return nil, err // the next one tries again
		}
		b.data = data
	}
	return b.data, nil
}

// fetch reads exactly len(p) bytes, in the version of the file that was opened.
func (r *readerAt) fetch(p []byte, offset int64) (int, error) {
	body, err := r.source.OpenFile(r.ctx, r.file, offset, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close() //nolint:errcheck // a reader's Close has no outcome
	return io.ReadFull(body, p)
}

// Close gives the memory back.
func (r *readerAt) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.used = map[int64]*block{}, list.New()
	return nil
}
