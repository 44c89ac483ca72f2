package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// maxFooter is the largest footer of a Parquet file: enough for a thousand columns in
// a hundred row groups.
const maxFooter = 16 << 20

// A parquetFooter is what is read of the description of a Parquet file. It is
// format.FileMetaData, but that what is not needed is not decoded: in that, files have
// what the library does not take, such as a key without a value.
type parquetFooter struct {
	Version   int32                  `thrift:"1,required"`
	Schema    []format.SchemaElement `thrift:"2,required"`
	NumRows   int64                  `thrift:"3,required"`
	RowGroups []parquetGroup         `thrift:"4,required"`
	KeyValues []parquetKeyValue      `thrift:"5,optional"`
}

type parquetKeyValue struct {
	Key   string `thrift:"1,required"`
	Value string `thrift:"2,optional"`
}

type parquetGroup struct {
	Columns []parquetChunk `thrift:"1,required"`
	NumRows int64          `thrift:"3,required"`
}

type parquetChunk struct {
	FilePath                string                      `thrift:"1,optional"`
	MetaData                parquetChunkMeta            `thrift:"3,optional"`
	CryptoMetadata          format.ColumnCryptoMetaData `thrift:"8,optional"`
	EncryptedColumnMetadata []byte                      `thrift:"9,optional"`
}

type parquetChunkMeta struct {
	Type                 format.Type             `thrift:"1,required"`
	Encoding             []format.Encoding       `thrift:"2,required"`
	PathInSchema         []string                `thrift:"3,required"`
	Codec                format.CompressionCodec `thrift:"4,required"`
	NumValues            int64                   `thrift:"5,required"`
	TotalCompressedSize  int64                   `thrift:"7,required"`
	DataPageOffset       int64                   `thrift:"9,required"`
	DictionaryPageOffset int64                   `thrift:"11,optional"`
}

// readFooter reads the description of a Parquet file, and says what of it we cannot
// read, before anything is made of it.
func readFooter(ra io.ReaderAt, size int64, limit Limits) (*parquetFooter, error) {
	const magic = 4
	var ends [2 * magic]byte
	if size < 3*magic {
		return nil, errors.New("the file is too short")
	}
	if _, err := io.ReadFull(io.NewSectionReader(ra, 0, magic), ends[:magic]); err != nil {
		return nil, err
	}
	if string(ends[:magic]) != "PAR1" {
		return nil, fmt.Errorf("the file begins with %q", ends[:magic])
	}
	if _, err := io.ReadFull(io.NewSectionReader(ra, size-2*magic, 2*magic), ends[:]); err != nil {
		return nil, err
	}
	if string(ends[magic:]) != "PAR1" {
		return nil, fmt.Errorf("the file ends with %q", ends[magic:])
	}
	n := int64(binary.LittleEndian.Uint32(ends[:]))
	switch {
	case n > size-3*magic:
		return nil, fmt.Errorf("the file has %d bytes, its footer %d", size, n)
	case n > maxFooter:
		return nil, fmt.Errorf("the footer has %d bytes, and at most %d are read", n, maxFooter)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(ra, size-2*magic-n, n), text); err != nil {
		return nil, err
	}
	walk := compact{b: text}
	if err := walk.skipStruct(0, 0); err != nil {
		return nil, fmt.Errorf("read the footer: %w", err)
	}
	if err := limit.hold(2 * (n + walk.needs)); err != nil {
		return nil, err
	}
	f := new(parquetFooter)
	var protocol thrift.CompactProtocol
	if err := thrift.NewDecoder(protocol.NewReaderFromBytes(text)).Decode(f); err != nil {
		return nil, fmt.Errorf("read the footer: %w", err)
	}
	if len(f.Schema) > 0 { // it is no column, though some writers give it a type
		f.Schema[0] = format.SchemaElement{Name: f.Schema[0].Name, NumChildren: f.Schema[0].NumChildren}
	}
	return f, nil
}

// checkFooter refuses what we would misread, or not read at all: nested columns,
// encryption and unknown compressions, and places that are not in the file.
func checkFooter(f *parquetFooter, size int64) error {
	if len(f.Schema) == 0 {
		return errors.New("the file has no columns")
	}
	columns := f.Schema[1:]
	if len(columns) > maxFields {
		return fmt.Errorf("the file has %d columns, and at most %d are read", len(columns), maxFields)
	}
	for _, c := range columns {
		repeated := c.RepetitionType.Valid && c.RepetitionType.V == format.Repeated
		if repeated || c.NumChildren.Valid && c.NumChildren.V > 0 {
			return fmt.Errorf("column %s: nested types and lists cannot be imported", c.Name)
		}
		if n := c.TypeLength; n.Valid && (n.V < 0 || n.V > maxFixedLength) {
			return fmt.Errorf("column %s: values of %d bytes cannot be imported", c.Name, n.V)
		}
	}
	for i, g := range f.RowGroups {
		if len(g.Columns) != len(columns) || g.NumRows < 0 {
			return fmt.Errorf("row group %d has %d columns and %d rows, the file %d columns", i, len(g.Columns), g.NumRows, len(columns))
		}
		for _, c := range g.Columns {
			wrong := func(text string) error {
				return fmt.Errorf("row group %d, column %s: %s", i, strings.Join(c.MetaData.PathInSchema, "."), text)
			}
			start, length := chunkAt(&c.MetaData)
			switch {
			case c.CryptoMetadata.Value != nil || len(c.EncryptedColumnMetadata) > 0:
				return wrong("encrypted columns cannot be read")
			case c.FilePath != "":
				return wrong("columns in other files cannot be read")
			case unpackers[c.MetaData.Codec] == nil:
				return wrong(fmt.Sprintf("compression %s cannot be read", c.MetaData.Codec))
			case start < 0 || length < 0 || start > size || length > size-start:
				return wrong(fmt.Sprintf("%d bytes at %d are not in the file", length, start))
			}
		}
	}
	return nil
}

// maxFixedLength is the largest type that has values of one length: a row of InnoDB
// takes no longer BINARY.
const maxFixedLength = 64 << 10

// chunkAt is where the pages of a column of a row group are in the file.
func chunkAt(c *parquetChunkMeta) (start, length int64) {
	start = c.DataPageOffset
	if d := c.DictionaryPageOffset; d > 0 && d < start {
		start = d
	}
	return start, c.TotalCompressedSize
}
