package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A plainFile is a Parquet file as parquet-go sees it: the same pages without
// compression. The library reads a file's word for how long things are, and unpacks
// to whatever length comes out. Here every page is unpacked to the length that it
// claims, which is bounded, and looked through before the library has it.
//
// The pages of each column of each row group have a place of their own in the file,
// 2^40 bytes wide, in which they are made when they are read, in order.
type plainFile struct {
	ra     io.ReaderAt
	limit  Limits
	buffer int            // of the reads of a column
	chunks []*chunkReader // by place
	footer []byte         // with what comes behind it
	meta   *parquetFooter // as it is in the file
	size   int64

	held  []int64 // bytes for the pages of each column of the row group at hand
	total int64
}

const place = 1 << 40

// columnsBuffer is what all columns of a file read ahead together, and rarely more
// than parquetBuffer each: with object storage each read is a request.
const columnsBuffer = 32 << 20

func newPlainFile(ra io.ReaderAt, size int64, limit Limits) (*plainFile, error) {
	meta, err := readFooter(ra, size, limit)
	if err != nil {
		return nil, fmt.Errorf("open parquet: %w", err)
	}
	if err := checkFooter(meta, size); err != nil {
		return nil, err
	}
	columns := len(meta.Schema) - 1
	p := &plainFile{ra: ra, limit: limit, meta: meta, held: make([]int64, columns)}
	p.buffer = min(max(columnsBuffer/max(columns, 1), 16<<10), parquetBuffer)
	if err := limit.hold(int64(columns * p.buffer)); err != nil {
		return nil, fmt.Errorf("open parquet: %d columns: %w", columns, err)
	}
	p.chunks = make([]*chunkReader, columns*len(meta.RowGroups))
	plain := format.FileMetaData{Version: meta.Version, Schema: meta.Schema, NumRows: meta.NumRows}
	for i := range meta.RowGroups {
		g := &meta.RowGroups[i]
		made := format.RowGroup{NumRows: g.NumRows, Ordinal: int16(i)}
		for j := range g.Columns {
			m := &g.Columns[j].MetaData
			made.Columns = append(made.Columns, format.ColumnChunk{MetaData: format.ColumnMetaData{
				Type: m.Type, Encoding: m.Encoding, PathInSchema: m.PathInSchema, Codec: format.Uncompressed, NumValues: m.NumValues,
				TotalUncompressedSize: place, TotalCompressedSize: place, DataPageOffset: int64(i*columns+j+1) * place,
			}})
		}
		plain.RowGroups = append(plain.RowGroups, made)
	}
	if p.footer, err = thrift.Marshal(new(thrift.CompactProtocol), &plain); err != nil {
		return nil, err
	}
	p.footer = binary.LittleEndian.AppendUint32(p.footer, uint32(len(p.footer)))
	p.footer = append(p.footer, "PAR1"...)
	p.size = int64(len(p.chunks)+1)*place + int64(len(p.footer))
	return p, nil
}

// begin forgets the pages of one row group, before those of another.
func (p *plainFile) begin() {
	clear(p.chunks)
	clear(p.held)
	p.total = 0
}

// ReadAt is for parquet-go: the ends of the file, and pages in their order.
func (p *plainFile) ReadAt(b []byte, off int64) (int, error) {
	k := int(off/place) - 1
	switch {
	case off < 4:
		return copy(b, "PAR1"[off:]), nil
	case k == len(p.chunks):
		n := copy(b, p.footer[min(off%place, int64(len(p.footer))):])
		if n < len(b) {
			return n, io.EOF
		}
		return n, nil
	case k < 0 || k > len(p.chunks):
		return 0, io.EOF
	}
	c := p.chunks[k]
	if at := off % place; c == nil || c.at != at {
		if at != 0 {
			return 0, errors.New("the file is broken: a page is not where it should be")
		}
		columns := len(p.held)
		c = newChunkReader(p, k/columns, k%columns)
		p.chunks[k] = c
	}
	return c.Read(b)
}

// hold says how much memory the pages of a column take now.
func (p *plainFile) hold(column int, bytes int64) error {
	p.total += bytes - p.held[column]
	p.held[column] = bytes
	return p.limit.hold(p.total + int64(len(p.held)*p.buffer))
}
