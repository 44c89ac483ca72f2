package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zlib"
)

// A compressed connection speaks the protocol's compression, of the kind zlib, after
// the login: packets travel in frames, which need not begin or end where packets do. A
// frame has a header of seven bytes: its length, its number, and the length of what is
// packed in it, 0 if that is not packed.
//
// It is not offered. PHP compresses all the same when it is told to: what it then says
// would be no request, and it would wait for an answer for ever.
//
// A Read may be interrupted anywhere and done again. So a packed frame is read whole
// before it is unpacked: it has 16 MiB at most, which take memory when they have come.
type compressed struct {
	net.Conn
	early []byte // came before there was a compressed connection

	header [frameHeader]byte
	have   int    // bytes of the header that are there
	left   int    // of the frame, still to come
	packed []byte // of a packed frame, as far as it is there
	whole  int    // bytes that are packed in it; 0: in none
	give   int    // bytes still to be given out of it
	source bytes.Reader
	reader io.ReadCloser // unpacks from source; nil until it is needed

	next atomic.Uint32 // number of the next frame that is written
	mu   sync.Mutex    // guards what follows
	out  bytes.Buffer
	w    *zlib.Writer
}

const (
	frameHeader = 7
	// frameMost is how much is packed into a frame.
	frameMost = 1 << 20
	// frameLeast is what is worth packing: the servers' number.
	frameLeast = 50
	// frameKept is the buffer that is kept for frames to come.
	frameKept = 64 << 10
)

var errFrame = errors.New("a compressed packet is broken")

// compress goes over to compression on the client's leg, when the store has said OK.
func (c *Conn) compress() {
	c.frames = &compressed{Conn: c.client, early: bytes.Clone(c.buffered())}
	c.r, c.w = 0, 0
	c.client = c.frames
}

// Read implements net.Conn.
func (z *compressed) Read(p []byte) (int, error) {
	for len(p) > 0 {
		switch {
		case z.give > 0:
			return z.unpacked(p)
		case z.left > 0 && z.whole == 0:
			n, err := z.below(p[:min(len(p), z.left)])
			z.left -= n
			return n, err
		case z.left > 0:
			if err := z.fill(); err != nil {
				return 0, err
			}
		default:
			n, err := z.below(z.header[z.have:])
			if z.have += n; z.have == frameHeader {
				z.begin()
			} else if err != nil {
				return 0, err
			}
		}
	}
	return 0, nil
}

// below reads what is on the wire.
func (z *compressed) below(p []byte) (int, error) {
	if len(z.early) > 0 {
		n := copy(p, z.early)
		z.early = z.early[n:]
		return n, nil
	}
	return z.Conn.Read(p)
}

// begin begins with the frame whose header is there.
func (z *compressed) begin() {
	h := z.header
	z.have, z.left, z.whole = 0, int(h[0])|int(h[1])<<8|int(h[2])<<16, int(h[4])|int(h[5])<<8|int(h[6])<<16
	z.next.Store(uint32(h[3]) + 1)
	if z.packed = z.packed[:0]; cap(z.packed) > frameKept {
		z.packed = nil
	}
}

// fill reads on in a packed frame, and begins to unpack it when it is there.
func (z *compressed) fill() error {
	at := len(z.packed)
	z.packed = append(z.packed, make([]byte, min(z.left, max(at, 4<<10)))...)
	n, err := z.below(z.packed[at:])
	z.packed = z.packed[:at+n]
	if z.left -= n; z.left > 0 {
		return err
	}
	z.source.Reset(z.packed)
	if z.reader == nil {
		z.reader, err = zlib.NewReader(&z.source)
	} else {
		err = z.reader.(zlib.Resetter).Reset(&z.source, nil)
	}
	if err != nil {
		return fmt.Errorf("%w: %v", errFrame, err) //nolint:errorlint // the end of a frame is none of the connection
	}
	z.give = z.whole
	return nil
}

// unpacked gives what is in the frame, and looks for its end behind that.
func (z *compressed) unpacked(p []byte) (int, error) {
	n, err := z.reader.Read(p[:min(len(p), z.give)])
	if z.give -= n; z.give == 0 {
		var more [1]byte
		if extra, end := z.reader.Read(more[:]); extra > 0 || !errors.Is(end, io.EOF) {
			return n, fmt.Errorf("%w: it holds more than it says", errFrame)
		}
		return n, nil
	}
	if n == 0 && err != nil {
		return 0, fmt.Errorf("%w: %v", errFrame, err) //nolint:errorlint // likewise
	}
	return n, nil
}

// Write implements net.Conn.
func (z *compressed) Write(b []byte) (int, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for done := 0; done < len(b); {
		part := b[done:min(len(b), done+frameMost)]
		if _, err := z.Conn.Write(z.frame(part)); err != nil {
			return done, err
		}
		done += len(part)
	}
	if z.out.Cap() > frameKept {
		z.out = bytes.Buffer{}
	}
	return len(b), nil
}

// frame makes a frame of some bytes.
func (z *compressed) frame(b []byte) []byte {
	z.out.Reset()
	z.out.Write(make([]byte, frameHeader))
	whole := len(b)
	if whole >= frameLeast {
		if z.w == nil {
			z.w, _ = zlib.NewWriterLevel(&z.out, zlib.BestSpeed) // there is this level
		} else {
			z.w.Reset(&z.out)
		}
		_, _ = z.w.Write(b) // to memory
		_ = z.w.Close()
	}
	if whole < frameLeast || z.out.Len()-frameHeader >= whole {
		z.out.Truncate(frameHeader)
		z.out.Write(b)
		whole = 0
	}
	f := z.out.Bytes()
	n, seq := len(f)-frameHeader, byte(z.next.Add(1)-1)
	copy(f, []byte{byte(n), byte(n >> 8), byte(n >> 16), seq, byte(whole), byte(whole >> 8), byte(whole >> 16)})
	return f
}
