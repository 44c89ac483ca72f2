package protocol

import "sync"

// Buffer sizes. An idle session holds smallSize bytes and nothing from the
// pools: a request of everyday length fits, and thousands of idle clients cost
// little. A session waiting for the store borrows a chunk, and a block once the
// response has filled the chunk.
const (
	smallSize = 2 << 10
	chunkSize = 16 << 10
	blockSize = 64 << 10
)

type (
	chunk [chunkSize]byte
	block [blockSize]byte
)

var (
	chunks = sync.Pool{New: func() any { return new(chunk) }}
	blocks = sync.Pool{New: func() any { return new(block) }}
)

// A requestBuffer holds what the client has sent and nobody has forwarded yet:
// part of a request, a request, or several.
type requestBuffer struct {
	small [smallSize]byte
	in    []byte // small, a borrowed block, or something larger still
	block *block
	r, w  int // in[r:w] is unread
}

func (b *requestBuffer) init() { b.in = b.small[:] }

// buffered returns the unread bytes.
func (b *requestBuffer) buffered() []byte { return b.in[b.r:b.w] }

// room makes sure that n bytes from the first unread one on fit.
func (b *requestBuffer) room(n int) {
	if b.r+n <= len(b.in) {
		return
	}
	old := b.in[b.r:b.w]
	if n > len(b.in) {
		returned := b.block
		b.block = nil
		if n <= blockSize {
			b.block = blocks.Get().(*block)
			b.in = b.block[:]
		} else {
			b.in = make([]byte, n)
		}
		if returned != nil {
			defer blocks.Put(returned)
		}
	}
	b.w = copy(b.in, old)
	b.r = 0
}

// settle returns what is borrowed as soon as the unread bytes fit without it.
func (b *requestBuffer) settle() {
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
	if len(b.in) == smallSize || b.w-b.r > smallSize {
		return
	}
	b.w = copy(b.small[:], b.in[b.r:b.w])
	b.r, b.in = 0, b.small[:]
	if b.block != nil {
		blocks.Put(b.block)
		b.block = nil
	}
}

// release gives back everything; the buffer is of no further use.
func (b *requestBuffer) release() {
	b.r, b.w = 0, 0
	b.settle()
}

// wipe clears what has been read: it may be a password.
func (b *requestBuffer) wipe() {
	clear(b.in[:b.r])
	clear(b.in[b.w:])
	if len(b.in) != smallSize {
		clear(b.small[:])
	}
}
