package executor

import (
	"time"
)

// Limits of a chunk. A client that wants to write a row of a chunk waits until
// the chunk is committed, so the target is what a person does not notice.
const (
	ChunkTarget = 150 * time.Millisecond
	ChunkStart  = 2000
	ChunkCap    = 100_000
	growth      = 1.5 // one slow chunk more is cheaper than one ten times too slow
	regrowth    = 4   // after a collision, until the former size is reached
)

// A ChunkSizer says how large the next chunk of a subtask should be, by how long the last ones
// took. It begins with Rows, aims at Target, and never exceeds Cap. The unit is the
// caller's: rows as a rule, bytes where rows are loaded.
type ChunkSizer struct {
	Target time.Duration // that a chunk should take
	Cap    int64
	Rows   int64 // of the next chunk
	former int64 // before collisions made it smaller
}

// Took is told that a chunk of the size Rows took d.
func (s *ChunkSizer) Took(d time.Duration) { s.TookFor(s.Rows, d) }

// TookFor is told that a chunk of so many rows took d. The way to the store and back is no
// part of d: smaller chunks do not make it shorter.
func (s *ChunkSizer) TookFor(rows int64, d time.Duration) {
	factor := float64(s.Target) / float64(max(d, time.Millisecond))
	most := growth
	if rows < s.former {
		most = regrowth
	}
	factor = max(0.1, min(factor, most))
	s.Rows = min(max(int64(float64(rows)*factor+0.5), 1), s.Cap)
	if s.Rows >= s.former {
		s.former = 0
	}
}

// Collided is told that somebody has locked a row of the chunk. The next one is half as large,
// so that the rest can go on; afterwards the size comes back quickly.
func (s *ChunkSizer) Collided() {
	s.former = max(s.former, s.Rows)
	s.Rows = max(s.Rows/2, 1)
}
