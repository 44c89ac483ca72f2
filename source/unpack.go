package source

import (
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
// command takes without being told to (2^27). It bounds the memory.
const largestWindow = 128 << 20

// unpackers are the compressions by the suffix of a file.
var unpackers = map[string]func(io.Reader) (io.ReadCloser, error){
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
// was cut exactly between two frames looks whole.)
func Unpack(name string, r io.Reader) (io.ReadCloser, error) {
	open := unpackers[suffix(name)]
	if open == nil {
		return io.NopCloser(r), nil
	}
	in := &packed{r: r}
	u := &unpacked{name: name, in: in}
	var err error
	if u.content, err = open(in); err != nil {
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
	return &broken{cantRead(fmt.Sprintf("unpack %s: %v", u.name, err), "Please check that the file is complete"), err}
}

func (u *unpacked) Close() error { return u.content.Close() }

func gunzip(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

func unzstd(r io.Reader) (io.ReadCloser, error) {
	// One goroutine and little memory: there are as many readers as slots.
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(largestWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

func unsnappy(r io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(s2.NewReader(r, s2.ReaderMaxBlockSize(64<<10))), nil
}
