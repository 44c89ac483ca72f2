package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// largestWindow is how far back a zstd stream may refer: as much as the zstd
// command takes without being told to (2^27). Few need more than freeWindow, which is
// what the command makes without being told to, at its highest level.
const (
	largestWindow = 128 << 20
	freeWindow    = 8 << 20
)

// A hold is asked before so many bytes are held in memory, and may refuse.
type hold func(bytes int64) error

// unpackers are the compressions by the suffix of a file.
var unpackers = map[string]func(io.Reader, hold) (io.ReadCloser, error){
	".gz": gunzip, ".gzip": gunzip,
	".zst": unzstd, ".zstd": unzstd,
	".snappy": unsnappy,
}

func suffix(name string) string { return strings.ToLower(path.Ext(name)) }

// Packed says whether a file is compressed, by its suffix. Such a file cannot
// be read from the middle.
func Packed(name string) bool { return unpackers[suffix(name)] != nil }

// Unpack gives a file's content from its stored bytes: .gz and .gzip, .zst and
// .zstd, .snappy (in frames) are decompressed, members that follow each other
// as one; everything else is as it is. Closing it does not close r. Errors of r
// come through unchanged; a packed file that is broken is a *dxf.Error 8160, and
// io.ErrUnexpectedEOF if it ends too early. (Snappy has no end mark: a file that
// was cut exactly between two frames looks whole.) Beyond 8 MiB hold is asked before
// memory is taken, and its error is that of Unpack; nil lets it have what it needs.
func Unpack(name string, r io.Reader, hold func(bytes int64) error) (io.ReadCloser, error) {
	open := unpackers[suffix(name)]
	if open == nil {
		return io.NopCloser(r), nil
	}
	in := &packed{r: r}
	u := &unpacked{name: name, in: in}
	var err error
	refused := error(nil)
	u.content, err = open(in, func(bytes int64) error {
		if hold != nil && bytes > freeWindow {
			refused = hold(bytes)
		}
		return refused
	})
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, u.wrap(err)
	}
	return u, nil
}

// packed remembers what reading the stored bytes came to, so that an error of
// the store is not taken for one of the compression.
type packed struct {
	r     io.Reader
	some  bool // any byte at all
	fault error
}

func (p *packed) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.some = p.some || n > 0
	if err != nil && !errors.Is(err, io.EOF) {
		p.fault = err
	}
	return n, err
}

type unpacked struct {
	name    string
	in      *packed
	content io.ReadCloser
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.content.Read(p)
	if err == nil {
		return n, nil
	}
	return n, u.wrap(err)
}

// broken is a packed file that cannot be unpacked; still the decompressor's error.
type broken struct {
	error // *dxf.Error
	cause error
}

func (b *broken) Unwrap() []error { return []error{b.error, b.cause} }

func (u *unpacked) wrap(err error) error {
	switch {
	case u.in.fault != nil:
		return u.in.fault
	case errors.Is(err, io.EOF) && (u.in.some || suffix(u.name) == ".snappy"):
		return io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF // gzip and zstd have frames around nothing, too
	}
	advice := "Please check that the file is complete"
	var wide *wideWindow
	if errors.As(err, &wide) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		advice = fmt.Sprintf("Please pack it with a window of %d MiB at most, as zstd --long=27 does, and all its frames alike",
			largestWindow>>20)
	}
	return &broken{cantRead(fmt.Sprintf("unpack %s: %v", u.name, err), advice), err}
}

// wideWindow is a zstd stream that refers back further than we keep.
type wideWindow struct{ bytes uint64 }

func (w *wideWindow) Error() string {
	return fmt.Sprintf("it needs a window of %d MiB, and at most %d are kept", w.bytes>>20, largestWindow>>20)
}

func (w *wideWindow) Unwrap() error { return zstd.ErrWindowSizeExceeded }

func (u *unpacked) Close() error { return u.content.Close() }

func gunzip(r io.Reader, _ hold) (io.ReadCloser, error) { return gzip.NewReader(r) }

// unzstd takes the window that the first frame needs for that of all: files are written
// by one command, or by several of a kind.
func unzstd(r io.Reader, hold hold) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	first, err := in.Peek(zstd.HeaderMaxSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	window := uint64(freeWindow)
	var h zstd.Header
	if err := h.Decode(first); err == nil {
		window = max(window, h.WindowSize)
		if h.SingleSegment {
			window = max(window, h.FrameContentSize)
		}
	}
	if window > largestWindow {
		return nil, &wideWindow{window}
	}
	if err := hold(int64(window)); err != nil {
		return nil, err
	}
	// One goroutine and little memory: there are as many readers as slots.
	d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

func unsnappy(r io.Reader, _ hold) (io.ReadCloser, error) {
	return io.NopCloser(s2.NewReader(r, s2.ReaderMaxBlockSize(64<<10))), nil
}
