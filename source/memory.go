package source

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// What lists take of a node's memory. Anybody with a table may have one read, from a
// store of his own, and as many at once as he has sessions.
const (
	listMemory = 80 << 20 // bytes for all lists of a policy together: the longest one, and some
	freeAnswer = 64 << 10 // bytes of an answer that are not counted
	freeList   = 1 << 20  // and of a list

	// mostTags bounds the "<" of an answer. A page of 1000 objects, as we ask for,
	// has up to 70 for each; one that is nothing but tags takes forty times the memory of its text.
	mostTags = 100_000
	perTag   = 128 // bytes: half of what the largest of the clients' structures for one object takes
	perFile  = 128 // bytes of a File in a slice that grows, without its texts
)

var (
	errLongAnswer = errors.New("the answer is too long")
	errListMemory = errors.New("too much is being listed at once on this node; please try again later")
)

// memory is what the lists of a policy have taken.
type memory struct {
	mu    sync.Mutex
	taken int64
}

// A share is what one of them has; the zero value has nothing yet.
type share struct {
	of    *memory
	taken int64
}

// grow takes care that it has so many bytes. Nobody waits for more: who holds some
// would wait for others that do the same.
func (s *share) grow(to int64) error {
	const step = 1 << 20 // few would ask for a byte at a time
	if s.of == nil || to <= s.taken {
		return nil
	}
	to = (to + step - 1) / step * step
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.of.taken+to-s.taken > listMemory {
		return errListMemory
	}
	s.of.taken += to - s.taken
	s.taken = to
	return nil
}

// release gives everything back.
func (s *share) release() {
	if s.of != nil {
		s.of.mu.Lock()
		defer s.of.mu.Unlock()
		s.of.taken -= s.taken
		s.taken = 0
	}
}

// bounded is an answer of which at most so many bytes are read, and tags.
type bounded struct {
	body  io.ReadCloser
	read  int
	tags  int
	share share
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.read == largestAnswer {
		return 0, errLongAnswer
	}
	n, err := b.body.Read(p[:min(len(p), largestAnswer-b.read)])
	b.read += n
	if b.tags += bytes.Count(p[:n], []byte("<")); b.tags > mostTags {
		return 0, errLongAnswer
	}
	// The clients hold a text up to three times: as it came, as it is kept, and as it was before that grew.
	if held := 3*int64(b.read) + perTag*int64(b.tags); b.read > freeAnswer {
		if err := b.share.grow(held); err != nil {
			return 0, err
		}
	}
	return n, err
}

func (b *bounded) Close() error {
	b.share.release()
	return b.body.Close()
}
