package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// unpackers unpack a page into exactly the bytes there are for it.
var unpackers = map[format.CompressionCodec]func(page, packed []byte) error{
	format.Uncompressed: stored,
	format.Snappy:       unsnappy,
	format.Gzip: func(page, packed []byte) error {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return err
		}
		return readPage(page, r)
	},
	format.Brotli: func(page, packed []byte) error { return readPage(page, brotli.NewReader(bytes.NewReader(packed))) },
	format.Zstd:   unzstd,
	// Up to v0.32.0 the library itself gives zeros for many of these pages (parquet-go issue 608).
	format.Lz4Raw: unlz4,
	format.Lz4:    unlz4Framed,
}

var errPageSize = errors.New("the page has not the size that its header says")

func stored(page, packed []byte) error {
	if copy(page, packed) < max(len(page), len(packed)) {
		return errPageSize
	}
	return nil
}

func unsnappy(page, packed []byte) error {
	if n, err := s2.DecodedLen(packed); err != nil || n != len(page) {
		return errors.Join(errPageSize, err)
	}
	out, err := s2.Decode(page, packed)
	if err == nil && (len(out) != len(page) || len(out) > 0 && &out[0] != &page[0]) {
		return errPageSize
	}
	return err
}

// zstdPages unpacks no further than there is room. Pages are their own windows.
var zstdPages = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(2*MaxRow))
})

func unzstd(page, packed []byte) error {
	d, err := zstdPages()
	if err != nil {
		return err
	}
	out, err := d.DecodeAll(packed, page[:0:len(page)])
	if err == nil && len(out) != len(page) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return errPageSize
	}
	return err
}

// unlz4 unpacks a block without a frame. One of no bytes has a token for that.
func unlz4(page, packed []byte) error {
	if len(page) == 0 {
		if len(packed) > 1 || len(packed) == 1 && packed[0] != 0 {
			return errPageSize
		}
		return nil
	}
	n, err := lz4.UncompressBlock(packed, page)
	if err != nil || n != len(page) {
		return errors.Join(errPageSize, err)
	}
	return nil
}

// unlz4Framed unpacks what files call LZ4 without saying which: blocks with their two sizes
// in front, as Hadoop's writers make them, or else one without. A page is of the first
// kind only where all sizes agree with it.
func unlz4Framed(page, packed []byte) error {
	const sizes = 8
	rest, in := page, packed
	for len(in) >= sizes {
		n, m := binary.BigEndian.Uint32(in), binary.BigEndian.Uint32(in[4:])
		in = in[sizes:]
		if uint64(n) > uint64(len(rest)) || uint64(m) > uint64(len(in)) || unlz4(rest[:n], in[:m]) != nil {
			return unlz4(page, packed)
		}
		rest, in = rest[n:], in[m:]
	}
	if len(rest) > 0 || len(in) > 0 {
		return unlz4(page, packed)
	}
	return nil
}

// readPage fills the page from r, which must end there.
func readPage(page []byte, r io.Reader) error {
	if _, err := io.ReadFull(r, page); err != nil {
		return fmt.Errorf("%w: %w", errPageSize, unexpected(err))
	}
	var more [1]byte
	switch n, err := r.Read(more[:]); {
	case n > 0:
		return errPageSize
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	return nil
}
