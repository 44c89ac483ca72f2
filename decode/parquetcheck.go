package decode

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// A page of a few bytes can stand for any number of values: "so many times the same",
// "all but the last bytes of the one before". The library makes what the bytes say, so
// it is seen here first that they say no more than the page's header does. What is
// wrong otherwise is for the library to find.

var errTooMany = errors.New("a page holds more values than its header says")

// check looks through an unpacked page.
func (c *chunkReader) check(h *format.PageHeader, page []byte) error {
	optional := c.element.RepetitionType.Valid && c.element.RepetitionType.V == format.Optional
	n := int(valuesOf(h))
	switch h.Type {
	case format.DictionaryPage:
		if e := h.DictionaryPageHeader.V.Encoding; e != format.PlainDictionary { // which is plain here
			return c.checkValues(e, n, page)
		}
		return nil
	case format.DataPage:
		if optional {
			if len(page) < 4 {
				return errPageSize
			}
			length := int64(binary.LittleEndian.Uint32(page))
			if page = page[4:]; length > int64(len(page)) {
				return errPageSize
			}
			if h.DataPageHeader.V.DefinitionLevelEncoding == format.RLE {
				if err := checkRuns(page[:length], 1, n); err != nil {
					return err
				}
			}
			page = page[length:]
		}
		return c.checkValues(h.DataPageHeader.V.Encoding, n, page)
	case format.DataPageV2:
		v := &h.DataPageHeaderV2.V
		repeats, all := int(v.RepetitionLevelsByteLength), int(v.RepetitionLevelsByteLength+v.DefinitionLevelsByteLength)
		if optional {
			if err := checkRuns(page[repeats:all], 1, n); err != nil {
				return err
			}
		}
		return c.checkValues(v.Encoding, n, page[all:])
	}
	return nil
}

// checkValues looks through n encoded values, of which some may be missing.
func (c *chunkReader) checkValues(e format.Encoding, n int, data []byte) error {
	switch e {
	case format.Plain, format.ByteStreamSplit:
		return nil
	case format.PlainDictionary, format.RLEDictionary:
		if len(data) == 0 || data[0] > 32 {
			return nil
		}
		return checkRuns(data[1:], uint(data[0]), n)
	case format.RLE: // of booleans, behind its length
		if len(data) < 4 {
			return nil
		}
		return checkRuns(data[4:], 1, n)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		_, _, err := checkDelta(data, n, false)
		return err
	case format.DeltaByteArray:
		rest, prefixes, err := checkDelta(data, n, true)
		if err != nil {
			return err
		}
		if _, suffixes, err := checkDelta(rest, n, true); err != nil {
			return err
		} else if most := 2 * int64(c.file.limit.row()); prefixes+suffixes > most {
			return fmt.Errorf("a page of %d bytes without its encoding: at most %d are read", prefixes+suffixes, most)
		} else {
			return c.file.hold(c.column, c.file.held[c.column]+prefixes+suffixes)
		}
	}
	return fmt.Errorf("encoding %s cannot be read", e)
}

// checkRuns counts the values in runs of equal ones, and of packed ones of width bits.
func checkRuns(data []byte, width uint, n int) error {
	bytesWide, count := int(width+7)/8, uint64(0)
	for len(data) > 0 {
		head, size := binary.Uvarint(data)
		if size <= 0 {
			return errTooMany
		}
		data = data[size:]
		values, length := head>>1, uint64(bytesWide)
		if head&1 == 1 { // in groups of eight
			length = values * uint64(width)
			values *= 8
		}
		// The last group is filled up. With a width of 0 it has no bytes at all.
		if count += values; head>>1 > uint64(n)+8 || count > uint64(n)+64 {
			return errTooMany
		}
		if length > uint64(len(data)) {
			return nil // not enough is the library's to find
		}
		data = data[length:]
	}
	return nil
}

// checkDelta looks at numbers that are kept as differences. Of lengths it gives their
// sum and what follows them.
func checkDelta(data []byte, n int, lengths bool) (rest []byte, sum int64, err error) {
	d := compact{b: data}
	var head [4]uint64 // the size of a block, how many miniblocks, how many values, the first
	for i := range head {
		if head[i], err = d.varint(); err != nil {
			return nil, 0, errTooMany
		}
	}
	block, minis, values, value := head[0], head[1], head[2], zigzag(head[3])
	switch {
	case values > uint64(n):
		return nil, 0, errTooMany
	case block == 0 || block > 1<<16 || minis == 0 || minis > block || block%minis != 0:
		return nil, 0, errors.New("a page's encoding is broken")
	case !lengths:
		return nil, 0, nil
	}
	in := block / minis
	left := values
	take := func(v int64) error {
		if v < 0 || v > maxLength {
			return errors.New("a length is not in the page")
		}
		sum += v
		left--
		return nil
	}
	if left > 0 {
		if err := take(value); err != nil {
			return nil, 0, err
		}
	}
	for left > 0 {
		least, err := d.varint()
		if err != nil {
			return nil, 0, errTooMany
		}
		widths := d.b[d.pos:]
		if err := d.past(minis); err != nil {
			return nil, 0, errTooMany
		}
		for i := uint64(0); i < minis && left > 0; i++ {
			width := uint(widths[i])
			packed := d.b[d.pos:]
			if err := d.past(in * uint64(width) / 8); err != nil || width > 32 {
				return nil, 0, errTooMany
			}
			for j := uint(0); j < uint(in) && left > 0; j++ {
				value = int64(int32(value + zigzag(least) + bitsAt(packed, j*width, width)))
				if err := take(value); err != nil {
					return nil, 0, err
				}
			}
		}
	}
	return d.b[d.pos:], sum, nil
}

// maxLength is a length that no value of a page has.
const maxLength = 1 << 30

func zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// bitsAt reads up to 32 bits, the first of them the lowest.
func bitsAt(b []byte, at, width uint) (v int64) {
	for i := uint(0); i < width; {
		from := (at + i) % 8
		take := min(8-from, width-i)
		v |= int64(b[(at+i)/8]>>from&(1<<take-1)) << i
		i += take
	}
	return v
}
