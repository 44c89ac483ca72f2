// Package decodetest makes files that are small and hold much, or claim to: whoever
// reads them must be told what is wrong, in little memory.
package decodetest

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/stretchr/testify/require"
)

// A Bomb is a file for a table with a column id, which is a number, and a text b.
type Bomb struct {
	Name    string // of the file; what stands before the dot is unique
	Content []byte
	Error   string // a part of what it is refused with
}

const mib = 1 << 20

// Bombs makes them all; none has more than 16 MiB.
func Bombs(t testing.TB) []Bomb {
	all := texts(t)
	for _, b := range append(pages(t), footers(t)...) {
		b.Name += ".parquet"
		all = append(all, b)
	}
	for _, b := range all {
		require.Less(t, len(b.Content), 17*mib, b.Name)
	}
	return all
}

func texts(t testing.TB) []Bomb {
	long := "size of row cannot exceed"
	gz := func(before, text string, n int, after string) []byte {
		return packed(t, format.Gzip, io.MultiReader(strings.NewReader(before), repeated(text, n), strings.NewReader(after)))
	}
	return []Bomb{
		{"row.csv.gz", gz("1,", "x", 117*mib, "\n2,b\n"), long},
		{"field.csv.gz", gz("1,\"", "x\n", 200*mib, ""), long},
		{"escapes.csv.gz", gz("1,", `\n`, 200*mib, "\n"), long},
		{"commas.csv.gz", gz("1,", ",", 10*mib, "\n"), "more than 16384 fields"},
		{"quotes.csv.gz", gz("1,", `"",`, 9*mib, "\n"), "more than 16384 fields"},
		{"text.sql.gz", gz("INSERT INTO t VALUES (1, '", "x", 200*mib, ""), long},
		{"values.sql.gz", gz("INSERT INTO t VALUES (1", ",1", 20*mib, ");"), "more than 16384 fields"},
		{"digits.sql.gz", gz("INSERT INTO t VALUES (0x", "7f", 8*mib, ", 'b');"), "Out of range value"},
		{"columns.sql.gz", gz("INSERT INTO t (id", ",a", 20*mib, ") VALUES (1);"), "more than 16384 fields"},
		{"comment.sql.gz", gz("/* ", "x", 300*mib, ""), "premature EOF"},
	}
}

// pages are Parquet files of one page, or two.
func pages(t testing.TB) (all []Bomb) {
	add := func(name, text string, f file) { all = append(all, Bomb{name, f.bytes(t), text}) }
	zeros := func(n int) io.Reader { return repeated("\x00", n) }
	large := page{encoding: format.Plain, values: 75 * mib, size: 300 * mib, packed: packed(t, format.Gzip, zeros(300*mib))}
	add("large", "a page of 314572800 bytes", file{codec: format.Gzip, pages: []page{large}})
	for _, codec := range []format.CompressionCodec{format.Gzip, format.Zstd, format.Brotli, format.Snappy} {
		n := 300 * mib
		if codec == format.Snappy {
			n = 40 * mib // it is never packed to less than a twentieth
		}
		small := page{encoding: format.Plain, values: 1, size: 1024, packed: packed(t, codec, zeros(n))}
		add("lies-"+strings.ToLower(codec.String()), "the page has not the size", file{codec: codec, pages: []page{small}})
	}
	const most = 1<<31 - 1
	run := binary.AppendUvarint(nil, most<<1)
	dictionary := page{dictionary: true, encoding: format.Plain, values: 1, data: []byte("\x01\x00\x00\x00x")}
	add("runs", "more values than its header", file{pages: []page{
		dictionary, {encoding: format.RLEDictionary, values: 10, data: append(append([]byte{1}, run...), 0)},
	}})
	levels := append(binary.LittleEndian.AppendUint32(nil, uint32(len(run)+1)), append(run, 0)...)
	add("levels", "more values than its header", file{optional: true, pages: []page{{encoding: format.Plain, values: 10, data: levels}}})
	add("nulls", "see --import-memory", file{optional: true, rows: most, pages: []page{{encoding: format.Plain, values: most, data: levels}}})
	add("values", "see --import-memory", file{rows: most, pages: []page{
		{encoding: format.Plain, values: most, data: []byte("\x01\x00\x00\x00x")},
	}})
	add("numbers", "more values than its header", file{kind: format.Int64, pages: []page{
		{encoding: format.DeltaBinaryPacked, values: 10, data: delta(most, 0)},
	}})
	add("lengths", "more values than its header", file{pages: []page{
		{encoding: format.DeltaLengthByteArray, values: 10, data: delta(most, 0)},
	}})
	const prefixes = 20_000
	suffixes := append(delta(prefixes, -mib, mib), bytes.Repeat([]byte{'x'}, mib)...)
	add("prefixes", "without its encoding", file{rows: prefixes, pages: []page{
		{encoding: format.DeltaByteArray, values: prefixes, data: append(delta(prefixes, mib, 0), suffixes...)},
	}})
	value := append(binary.LittleEndian.AppendUint32(nil, 12*mib), make([]byte, 12*mib)...)
	long := page{dictionary: true, encoding: format.Plain, values: 1, data: value}
	add("row", "size of row cannot exceed", file{codec: format.Gzip, columns: 10, pages: []page{
		long.packedBy(t, format.Gzip), page{encoding: format.RLEDictionary, values: 1, data: []byte{1, 2, 0}}.packedBy(t, format.Gzip),
	}})
	return all
}

// footers are Parquet files that lie in what describes them.
func footers(t testing.TB) (all []Bomb) {
	plain := page{encoding: format.Plain, values: 1, data: []byte("\x01\x00\x00\x00x")}
	add := func(name, text string, f file) { all = append(all, Bomb{name, f.bytes(t), text}) }
	lying := func(footer []byte) file { return file{footer: footer} }
	list := []byte{0x15, 0x02, 0x19, 0xfc} // version 1; a list of structs
	add("schema", "the bytes end too early", lying(append(bytes.Clone(list), binary.AppendUvarint(nil, 1<<31-1)...)))
	groups := append([]byte{0x15, 0x02, 0x19, 0x1c, 0x48, 0x01, 'r', 0x00, 0x16, 0x02, 0x19, 0x1c}, 0x19, 0xfc) // a row group, its columns
	groups = append(binary.AppendUvarint(groups, 14*mib), make([]byte, 14*mib)...)
	add("structs", "see --import-memory", lying(append(groups, 0x16, 0x02, 0x16, 0x02, 0x00, 0x00)))
	add("strings", "the bytes end too early", lying(append([]byte{0x15, 0x02, 0x68}, binary.AppendUvarint(nil, 1<<31-1)...)))
	add("nested", "the bytes are no thrift", lying(bytes.Repeat([]byte{0x1c}, mib)))
	header := plain.header(t)
	statistics := append(header[:len(header)-2:len(header)-2], append([]byte{0x1c, 0x18}, binary.AppendUvarint(nil, 1<<31-1)...)...)
	add("statistics", "the bytes end too early", file{raw: append(statistics, 1, 2, 3)})
	scale := file{kind: format.ByteArray, pages: []page{plain}, scale: 2_000_000_000}
	add("scale", "a scale of 2000000000", scale)
	add("wide", "see --import-memory", file{columns: 16_000, pages: []page{plain}})
	return all
}

// repeated is n bytes of a text over and over.
func repeated(text string, n int) io.Reader {
	block := []byte(strings.Repeat(text, mib))
	var all []io.Reader
	for range n / len(block) {
		all = append(all, bytes.NewReader(block))
	}
	return io.MultiReader(append(all, bytes.NewReader(block[:n%len(block)]))...)
}

func packed(t testing.TB, codec format.CompressionCodec, r io.Reader) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch codec {
	case format.Gzip:
		w, _ = gzip.NewWriterLevel(&b, gzip.BestSpeed)
	case format.Zstd:
		w, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	case format.Brotli:
		w = brotli.NewWriterLevel(&b, 1)
	case format.Snappy:
		all, err := io.ReadAll(r)
		require.NoError(t, err)
		return snappy.Encode(nil, all)
	}
	_, err := io.Copy(w, r)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// delta is n numbers in the encoding DELTA_BINARY_PACKED: the first, if it is not
// negative, then the same difference each time. A negative first is 0, and the second
// argument the first.
func delta(n int, first int, more ...int) []byte {
	value := first
	difference := 0
	if first < 0 { // one long suffix, and then none
		value, difference = more[0], first
	}
	b := binary.AppendUvarint(nil, 128)
	b = binary.AppendUvarint(b, 1)
	b = binary.AppendUvarint(b, uint64(n))
	b = binary.AppendVarint(b, int64(value))
	if n > mib { // more than anybody reads
		return b
	}
	for left := n - 1; left > 0; left -= 128 {
		b = binary.AppendVarint(b, int64(difference))
		b = append(b, 0)
		if difference != 0 {
			// The next ones differ by nothing: as many bits as say so.
			b[len(b)-1] = 32
			b = append(b, make([]byte, 4)...)
			for range 127 {
				b = binary.LittleEndian.AppendUint32(b, uint32(-difference))
			}
			difference = 0
		}
	}
	return b
}

// file is a Parquet file of one row group, all columns of which are alike.
type file struct {
	codec    format.CompressionCodec
	kind     format.Type // ByteArray if it is 0, which is that of booleans
	optional bool
	columns  int // 1
	rows     int64
	scale    int32
	pages    []page
	raw      []byte // instead of pages
	footer   []byte // instead of the right one
}

type page struct {
	dictionary bool
	encoding   format.Encoding
	values     int
	data       []byte
	// What stands in the file, and the size that the header claims it unpacks to.
	packed []byte
	size   int
}

func (p page) packedBy(t testing.TB, codec format.CompressionCodec) page {
	p.packed, p.size = packed(t, codec, bytes.NewReader(p.data)), len(p.data)
	return p
}

func (p page) header(t testing.TB) []byte {
	if p.packed == nil {
		p.packed, p.size = p.data, len(p.data)
	}
	h := format.PageHeader{Type: format.DataPage, UncompressedPageSize: int32(p.size), CompressedPageSize: int32(len(p.packed))}
	if p.dictionary {
		h.Type = format.DictionaryPage
		h.DictionaryPageHeader = thrift.Null[format.DictionaryPageHeader]{
			Valid: true, V: format.DictionaryPageHeader{NumValues: int32(p.values), Encoding: p.encoding},
		}
	} else {
		h.DataPageHeader = thrift.Null[format.DataPageHeader]{Valid: true, V: format.DataPageHeader{
			NumValues: int32(p.values), Encoding: p.encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		}}
	}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
	require.NoError(t, err)
	return b
}

func (f file) bytes(t testing.TB) []byte {
	b := []byte("PAR1")
	body := f.raw
	for _, p := range f.pages {
		body = append(body, p.header(t)...)
		if p.packed != nil {
			body = append(body, p.packed...)
		} else {
			body = append(body, p.data...)
		}
		if !p.dictionary && f.rows == 0 {
			f.rows = int64(p.values)
		}
	}
	if f.kind == 0 {
		f.kind = format.ByteArray
	}
	f.rows, f.columns = max(f.rows, 1), max(f.columns, 1)
	columns := int32(f.columns)
	meta := format.FileMetaData{Version: 1, NumRows: f.rows, RowGroups: []format.RowGroup{{NumRows: f.rows}}}
	meta.Schema = append(meta.Schema, format.SchemaElement{Name: "r", NumChildren: thrift.Null[int32]{Valid: true, V: columns}})
	b = append(b, body...)
	for i := range f.columns {
		name := "b"
		if i > 0 {
			name = "b" + string(rune('a'+i%26))
		}
		e := format.SchemaElement{
			Name: name, Type: thrift.Null[format.Type]{Valid: true, V: f.kind},
			RepetitionType: thrift.Null[format.FieldRepetitionType]{Valid: true, V: format.Required},
		}
		if f.optional {
			e.RepetitionType.V = format.Optional
		}
		if f.scale > 0 {
			e.ConvertedType = thrift.Null[deprecated.ConvertedType]{Valid: true, V: deprecated.Decimal}
			e.Scale, e.Precision = thrift.Null[int32]{Valid: true, V: f.scale}, thrift.Null[int32]{Valid: true, V: f.scale}
			e.LogicalType.Value = &format.DecimalType{Scale: f.scale, Precision: f.scale}
		}
		meta.Schema = append(meta.Schema, e)
		meta.RowGroups[0].Columns = append(meta.RowGroups[0].Columns, format.ColumnChunk{MetaData: format.ColumnMetaData{
			Type: f.kind, PathInSchema: []string{name}, Codec: f.codec, NumValues: f.rows,
			TotalCompressedSize: int64(len(body)), TotalUncompressedSize: int64(len(body)), DataPageOffset: 4,
		}})
	}
	footer := f.footer
	if footer == nil {
		var err error
		footer, err = thrift.Marshal(new(thrift.CompactProtocol), &meta)
		require.NoError(t, err)
	}
	b = append(b, footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, "PAR1"...)
}
