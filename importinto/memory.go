package importinto

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// Limits bound what the imports of a node hold in memory, whatever their files
// are like.
type Limits struct {
	// Memory is for all of them together, in bytes: a quarter for the chunks on their
	// way to the store, the rest for what is read and unpacked before that.
	Memory int64
	// Row is the longest row, in bytes, a sixteenth of Memory at most: until it is sent
	// away it is there five times, as it is in the file, without its escapes, and in a
	// chunk. A page of Parquet may be twice as long.
	Row int64
}

// DefaultLimits are those of a node with so many slots. A row of 16 MiB is what
// a store takes from anybody else in one statement, by default.
func DefaultLimits(slots int) Limits {
	return Limits{Memory: max(256, 128*int64(slots)) << 20, Row: 16 << 20}
}

// chunks is what all chunks of a node may hold.
func (l Limits) chunks() int64 { return l.Memory / 4 }

// memory is what the readers of a node may hold, beside the MiB that each of them
// has freely. A part is for all to share. Nobody waits for more of it, for two that
// wait for each other would wait for ever: who finds nothing left waits for the rest,
// which one has at a time, and which is all that one may need.
type memory struct {
	Limits
	shared, rest *semaphore.Weighted
	whole        int64 // bytes of the rest
}

func newMemory(l Limits) *memory {
	whole := l.Memory / 2
	return &memory{
		Limits: l, whole: whole,
		shared: semaphore.NewWeighted(l.Memory - l.chunks() - whole), rest: semaphore.NewWeighted(1),
	}
}

// What of a subtask takes the memory.
const (
	byUnpacker = iota
	byReader
	byLongRow
	holders
)

// A holding is what a subtask has of a node's memory. It is used by one goroutine.
type holding struct {
	memory  *memory
	waiting func(text string)

	parts  [holders]int64
	shared int64
	alone  bool // it has the rest
}

// hold takes care that one part may hold so many bytes. Nothing is given back to others
// before the end.
func (h *holding) hold(ctx context.Context, part int, bytes int64) error {
	h.parts[part] = bytes
	total := int64(0)
	for _, n := range h.parts {
		total += n
	}
	m := h.memory
	switch {
	case total > m.whole:
		return &tooMuch{total, m.whole}
	case h.alone || total <= h.shared:
		return nil
	case m.shared.TryAcquire(total - h.shared):
		h.shared = total
		return nil
	case !m.rest.TryAcquire(1):
		h.waiting("import waits for memory, which others need for long rows or large pages")
		defer h.waiting("")
		if err := m.rest.Acquire(ctx, 1); err != nil {
			return context.Cause(ctx)
		}
	}
	h.alone = true
	return nil
}

// next forgets what the reader of a piece has held, which is no more.
func (h *holding) next() { h.parts[byUnpacker], h.parts[byReader] = 0, 0 }

// tooMuch is what a file needs, and what it may have.
type tooMuch struct{ needs, most int64 }

func (e *tooMuch) Error() string {
	return fmt.Sprintf("%d MiB are needed at once, and one file may have %d MiB of the node's memory: see --import-memory",
		(e.needs-1)>>20+1, e.most>>20)
}

// release gives everything back.
func (h *holding) release() {
	if h.shared > 0 {
		h.memory.shared.Release(h.shared)
	}
	if h.alone {
		h.memory.rest.Release(1)
	}
	h.shared, h.alone = 0, false
}
