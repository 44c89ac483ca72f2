package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
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
