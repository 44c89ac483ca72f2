package decode

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A chunkReader gives the pages of a column of a row group without compression.
type chunkReader struct {
	file    *plainFile
	column  int
	rows    int64 // of the row group
	meta    *parquetChunkMeta
	element *format.SchemaElement
	src     *bufio.Reader
	ahead   []byte // read from src and not used, behind a header that was long
	left    int64  // bytes of the chunk that are not read yet
	at      int64  // bytes given
	header  []byte // of the page at hand, what is not given yet
	page    []byte // likewise
	packed  []byte // buffer
	dict    int64  // bytes held for the dictionary
}

func newChunkReader(p *plainFile, group, column int) *chunkReader {
	g := &p.meta.RowGroups[group]
	c := &chunkReader{
		file: p, column: column, rows: g.NumRows, meta: &g.Columns[column].MetaData, element: &p.meta.Schema[column+1],
	}
	var start int64
	start, c.left = chunkAt(c.meta)
	c.src = bufio.NewReaderSize(io.NewSectionReader(p.ra, start, c.left), int(min(int64(p.buffer), max(c.left, 16))))
	return c
}

func (c *chunkReader) Read(b []byte) (int, error) {
	for len(c.header) == 0 && len(c.page) == 0 {
		if c.left == 0 {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	from := &c.header
	if len(*from) == 0 {
		from = &c.page
	}
	n := copy(b, *from)
	*from = (*from)[n:]
	c.at += int64(n)
	return n, nil
}

// next unpacks the next page.
func (c *chunkReader) next() error {
	h, err := c.readHeader()
	if err != nil {
		return err
	}
	most := 2 * int64(c.file.limit.row())
	packed, size, values := int64(h.CompressedPageSize), int64(h.UncompressedPageSize), valuesOf(h)
	switch {
	case packed < 0 || size < 0 || values < 0 || packed > c.left:
		return errors.New("a page's header is broken")
	case packed > most || size > most:
		return fmt.Errorf("a page of %d bytes, in the file %d: at most %d are read", size, packed, most)
	case values > c.rows && h.Type != format.DictionaryPage:
		return fmt.Errorf("a page of %d values in a row group of %d rows", values, c.rows)
	}
	// Unpacked it is there twice for a moment. A value takes a level, an offset or a
	// number of up to twelve bytes.
	need := packed + 2*size + 16*values
	if h.Type == format.DictionaryPage {
		c.dict = need
	}
	if err := c.file.hold(c.column, c.dict+need); err != nil {
		return err
	}
	if int64(cap(c.packed)) < packed || cap(c.packed) > freely {
		c.packed = make([]byte, packed)
	}
	c.packed = c.packed[:packed]
	if err := c.readFull(c.packed); err != nil {
		return err
	}
	if h.CRC != 0 && uint32(h.CRC) != crc32.ChecksumIEEE(c.packed) {
		return errors.New("a page's checksum is not that of its bytes")
	}
	if c.page, err = c.unpack(h); err != nil {
		return err
	}
	plain := format.PageHeader{Type: h.Type, UncompressedPageSize: int32(len(c.page)), CompressedPageSize: int32(len(c.page))}
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		plain.DictionaryPageHeader = h.DictionaryPageHeader
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		plain.DataPageHeader = h.DataPageHeader
		plain.DataPageHeader.V.Statistics = format.Statistics{}
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		plain.DataPageHeaderV2 = h.DataPageHeaderV2
		plain.DataPageHeaderV2.V.Statistics = format.Statistics{}
		plain.DataPageHeaderV2.V.IsCompressed = thrift.Null[bool]{Valid: true}
	default: // an index page, or what there may be one day
		c.page = nil
		return nil
	}
	c.header, err = thrift.Marshal(new(thrift.CompactProtocol), &plain)
	return err
}

func valuesOf(h *format.PageHeader) int64 {
	switch h.Type {
	case format.DataPage:
		return int64(h.DataPageHeader.V.NumValues)
	case format.DataPageV2:
		return int64(h.DataPageHeaderV2.V.NumValues)
	case format.DictionaryPage:
		return int64(h.DictionaryPageHeader.V.NumValues)
	}
	return 0
}

// readHeader reads the header of the next page. Nearly always it is in what has been
// read already; statistics with long values in them are not.
func (c *chunkReader) readHeader() (*format.PageHeader, error) {
	if len(c.ahead) == 0 {
		b, err := c.src.Peek(min(firstHeader, c.src.Size()))
		if len(b) == 0 {
			return nil, unexpected(err)
		}
		h, n, err := decodeHeader(b)
		if err == nil {
			c.left -= int64(n)
			_, err = c.src.Discard(n)
			return h, err
		}
		if !errors.Is(err, errShortThrift) {
			return nil, err
		}
	}
	for {
		h, n, err := decodeHeader(c.ahead)
		if err == nil {
			c.left, c.ahead = c.left-int64(n), c.ahead[n:]
			return h, nil
		}
		had := len(c.ahead)
		if !errors.Is(err, errShortThrift) || int64(had) == c.left {
			return nil, err
		}
		more := min(max(had, firstHeader), int(c.left)-had)
		if had+more > 2*c.file.limit.row() {
			return nil, fmt.Errorf("a page's header of more than %d bytes", had)
		}
		if err := c.file.hold(c.column, c.dict+3*int64(had+more)); err != nil {
			return nil, err
		}
		c.ahead = append(c.ahead, make([]byte, more)...)
		if _, err := io.ReadFull(c.src, c.ahead[had:]); err != nil {
			return nil, unexpected(err)
		}
	}
}

// firstHeader is how much of a page is looked at for its header: most have a tenth of it.
const firstHeader = 1 << 10

// decodeHeader decodes the header that b begins with, and says how long it is.
func decodeHeader(b []byte) (*format.PageHeader, int, error) {
	walk := compact{b: b}
	if err := walk.skipStruct(0, 0); err != nil {
		return nil, 0, fmt.Errorf("read a page's header: %w", err)
	}
	h := new(format.PageHeader)
	var protocol thrift.CompactProtocol
	if err := thrift.NewDecoder(protocol.NewReaderFromBytes(b[:walk.pos])).Decode(h); err != nil {
		return nil, 0, fmt.Errorf("read a page's header: %w", err)
	}
	return h, walk.pos, nil
}

// readFull fills b with what comes next in the file.
func (c *chunkReader) readFull(b []byte) error {
	n := copy(b, c.ahead)
	c.ahead = c.ahead[n:]
	if len(c.ahead) == 0 {
		c.ahead = nil
	}
	if _, err := io.ReadFull(c.src, b[n:]); err != nil {
		return unexpected(err)
	}
	c.left -= int64(len(b))
	return nil
}

// unexpected makes the end of a chunk in the middle of a page an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// unpack gives the content of a page, to the length that its header says. The levels of
// the newer pages are not packed.
func (c *chunkReader) unpack(h *format.PageHeader) ([]byte, error) {
	unpacker := unpackers[c.meta.Codec]
	levels, values := 0, true
	if v2 := h.DataPageHeaderV2; h.Type == format.DataPageV2 && v2.Valid {
		definitions, repetitions := int(v2.V.DefinitionLevelsByteLength), int(v2.V.RepetitionLevelsByteLength)
		levels = definitions + repetitions
		if definitions < 0 || repetitions < 0 || levels > len(c.packed) || levels > int(h.UncompressedPageSize) {
			return nil, errors.New("a page's header is broken")
		}
		if v2.V.IsCompressed.Valid && !v2.V.IsCompressed.V {
			unpacker = stored
		}
		values = v2.V.NumNulls < v2.V.NumValues || len(c.packed) > levels
	}
	if !values { // nothing is packed to nothing, whatever the header says
		h.UncompressedPageSize = int32(levels)
	}
	page := make([]byte, h.UncompressedPageSize)
	copy(page, c.packed[:levels])
	if len(page) > levels || len(c.packed) > levels {
		if err := unpacker(page[levels:], c.packed[levels:]); err != nil {
			return nil, fmt.Errorf("unpack a page: %w", err)
		}
	}
	if err := c.check(h, page); err != nil {
		return nil, err
	}
	return page, nil
}
