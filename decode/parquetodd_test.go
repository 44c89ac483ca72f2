package decode_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
)

// oddFile is a file of one column of numbers with 64 bits, made of pages as they are given.
func oddFile(t *testing.T, typ format.Type, codec format.CompressionCodec, rows int64, pages ...[]byte) []byte {
	t.Helper()
	body := bytes.Join(pages, nil)
	meta := format.FileMetaData{Version: 1, NumRows: rows, Schema: []format.SchemaElement{
		{Name: "r", NumChildren: thrift.New[int32](1)},
		{Name: "c", Type: thrift.New(typ), RepetitionType: thrift.New(format.Optional)},
	}}
	meta.RowGroups = []format.RowGroup{{NumRows: rows, Columns: []format.ColumnChunk{{MetaData: format.ColumnMetaData{
		Type: typ, PathInSchema: []string{"c"}, Codec: codec, NumValues: rows,
		TotalCompressedSize: int64(len(body)), TotalUncompressedSize: int64(len(body)), DataPageOffset: 4,
	}}}}}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	require.NoError(t, err)
	return endOf(append([]byte("PAR1"), body...), footer)
}

func endOf(b, footer []byte) []byte {
	b = append(b, footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, "PAR1"...)
}

func pageOf(t *testing.T, h format.PageHeader, body []byte) []byte {
	t.Helper()
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
	require.NoError(t, err)
	return append(b, body...)
}

// TestI10KeyWithoutValue: in the footer of a file, and in that of a column.
func TestI10KeyWithoutValue(t *testing.T) {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[struct {
		A int64 `parquet:"a"`
	}](&b, parquet.KeyValueMetadata("dxf.key", ""))
	_, err := w.Write(make([]struct {
		A int64 `parquet:"a"`
	}, 1))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	text := b.Bytes()
	at := bytes.Index(text, []byte("dxf.key\x18\x00\x00"))
	require.Positive(t, at)
	size := binary.LittleEndian.Uint32(text[len(text)-8:])
	footer := bytes.Clone(text[len(text)-8-int(size) : len(text)-8])
	footer = bytes.Replace(footer, []byte("dxf.key\x18\x00\x00"), []byte("dxf.key\x00"), 1)
	file := endOf(bytes.Clone(text[:len(text)-8-int(size)]), footer)
	rows, err := parquetRows(t, file, decode.Start{})
	require.NoError(t, err)
	require.Equal(t, []string{"0"}, rows)
}

// TestI11PageWithoutValues: newer pages in which all is NULL have nothing to unpack.
func TestI11PageWithoutValues(t *testing.T) {
	levels := []byte{2, 0} // once the level 0
	for _, claimed := range []int{0, 1, 8} {
		h := format.PageHeader{Type: format.DataPageV2, UncompressedPageSize: int32(len(levels) + claimed), CompressedPageSize: int32(len(levels))}
		h.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{
			NumValues: 1, NumNulls: 1, NumRows: 1, Encoding: format.Plain, DefinitionLevelsByteLength: int32(len(levels)), IsCompressed: thrift.New(true),
		})
		rows, err := parquetRows(t, oddFile(t, format.Int64, format.Snappy, 1, pageOf(t, h, levels)), decode.Start{})
		require.NoError(t, err, claimed)
		require.Equal(t, []string{"NULL"}, rows)
		h.DataPageHeaderV2.V.NumNulls = 0
		_, err = parquetRows(t, oddFile(t, format.Int64, format.Snappy, 1, pageOf(t, h, levels)), decode.Start{})
		require.Equal(t, claimed > 0, err != nil)
	}
}

// TestParquetRootWithType: what is no column has a type in the files of some writers.
func TestParquetRootWithType(t *testing.T) {
	meta := format.FileMetaData{Version: 1, Schema: []format.SchemaElement{
		{Name: "r", NumChildren: thrift.New[int32](1), Type: thrift.New(format.Int64), TypeLength: thrift.New[int32](64)},
		{Name: "c", Type: thrift.New(format.Int64), RepetitionType: thrift.New(format.Optional)},
	}}
	chunk := format.ColumnMetaData{Type: format.Int64, PathInSchema: []string{"c"}, DataPageOffset: 4}
	meta.RowGroups = []format.RowGroup{{Columns: []format.ColumnChunk{{MetaData: chunk}}}}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	require.NoError(t, err)
	rows, err := parquetRows(t, endOf([]byte("PAR1"), footer), decode.Start{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

// TestParquetLZ4OfBothKinds: files call both of them LZ4.
func TestParquetLZ4OfBothKinds(t *testing.T) {
	values := make([]byte, 0, 8_000)
	for i := range 1000 {
		values = binary.LittleEndian.AppendUint64(values, uint64(i/10))
	}
	page := append([]byte{3, 0, 0, 0, 0xd0, 0x0f, 1}, values...) // levels: a thousand times 1
	block := func(b []byte) []byte {
		out := make([]byte, lz4.CompressBlockBound(len(b)))
		n, err := lz4.CompressBlock(b, out, nil)
		require.NoError(t, err)
		return out[:n]
	}
	framed := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			packed := block(p)
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(len(p))), uint32(len(packed)))
			b = append(b, packed...)
		}
		return b
	}
	kinds := map[string][]byte{"block": block(page), "frame": framed(page), "frames": framed(page[:4000], page[4000:])}
	for name, packed := range kinds {
		for end, good := range map[int]bool{len(packed): true, len(packed) - 1: false} {
			h := format.PageHeader{Type: format.DataPage, UncompressedPageSize: int32(len(page)), CompressedPageSize: int32(end)}
			h.DataPageHeader = thrift.New(format.DataPageHeader{
				NumValues: 1000, Encoding: format.Plain, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
			})
			rows, err := parquetRows(t, oddFile(t, format.Int64, format.Lz4, 1000, pageOf(t, h, packed[:end])), decode.Start{})
			require.Equal(t, good, err == nil, "%s: %v", name, err)
			if good {
				require.Len(t, rows, 1000)
				require.Equal(t, "99", rows[999])
			}
		}
	}
}

// TestParquetOldDictionary: older writers call the plain values of a dictionary by the
// name of what refers to them.
func TestParquetOldDictionary(t *testing.T) {
	values := binary.LittleEndian.AppendUint64(nil, 0xfffffffffffffffe) // -2, and many runs
	dictionary := snappy.Encode(nil, values)
	h := format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: 8, CompressedPageSize: int32(len(dictionary))}
	h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: 1, Encoding: format.PlainDictionary})
	page := append(binary.LittleEndian.AppendUint32(nil, 2), 6, 1, 0, 6) // levels: three times 1; no bits for three times 0
	data := snappy.Encode(nil, page)
	d := format.PageHeader{Type: format.DataPage, UncompressedPageSize: int32(len(page)), CompressedPageSize: int32(len(data))}
	d.DataPageHeader = thrift.New(format.DataPageHeader{NumValues: 3, Encoding: format.PlainDictionary, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})
	rows, err := parquetRows(t, oddFile(t, format.Int64, format.Snappy, 3, pageOf(t, h, dictionary), pageOf(t, d, data)), decode.Start{})
	require.NoError(t, err)
	require.Equal(t, []string{"-2", "-2", "-2"}, rows)
}

// TestI4OldCalendars: days that Spark has written by the calendar of their time keep
// their names.
func TestI4OldCalendars(t *testing.T) {
	const second = 1_000_000
	days := []any{int32(-719164), int32(-141428), int32(-141427), int32(-682946), int32(0)}
	julian, plain := []string{`"0001-01-01"`, `"1582-10-04"`, `"1582-10-15"`, `"0100-03-01"`, `"1970-01-01"`}, []string{`"0000-12-30"`, `"1582-10-14"`, `"1582-10-15"`, `"0100-02-27"`, `"1970-01-01"`}
	old, now := []string{"0001-01-01 00:00:00.5Z"}, []string{"0000-12-30 00:00:00.5Z"}
	instants := []any{int64(-719164)*86400*second + second/2}
	nanos := []any{deprecated.Int96{500_000_000, 0, uint32(2440588 - 719164)}}
	for i, c := range []struct {
		keys        []string
		dates, ints bool
	}{
		{nil, false, false},
		{[]string{"org.apache.spark.version", "3.5.1"}, false, false},
		{[]string{"org.apache.spark.version", "4.1.1", "org.apache.spark.legacyDateTime", ""}, true, false},
		{[]string{"org.apache.spark.version", "4.1.1", "org.apache.spark.legacyINT96", ""}, false, true},
		{[]string{"org.apache.spark.version", "3.0.2"}, false, true},
		{[]string{"org.apache.spark.version", "2.4.8"}, true, true},
		{[]string{"org.apache.spark.sql.parquet.row.metadata", "{}"}, true, true},
		{[]string{"org.apache.spark.sql.parquet.row.metadata", "{}", "org.apache.spark.version", "3.1.0"}, false, false},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			file := func(node parquet.Node, values []any) []byte {
				var b bytes.Buffer
				var options []parquet.WriterOption
				for k := 0; k < len(c.keys); k += 2 {
					options = append(options, parquet.KeyValueMetadata(c.keys[k], c.keys[k+1]))
				}
				w := parquet.NewWriter(&b, append(options, parquet.NewSchema("t", parquet.Group{"c": parquet.Optional(node)}))...)
				for _, v := range values {
					_, err := w.WriteRows([]parquet.Row{{parquet.ValueOf(v).Level(0, 1, 0)}})
					require.NoError(t, err)
				}
				require.NoError(t, w.Close())
				return b.Bytes()
			}
			for _, v := range []struct {
				node    parquet.Node
				values  []any
				old     bool
				is, not []string
			}{
				{parquet.Date(), days, c.dates, julian, plain},
				{parquet.Timestamp(parquet.Microsecond), instants, c.dates, old, now},
				{parquet.Leaf(parquet.Int96Type), nanos, c.ints, old, now},
			} {
				rows, err := parquetRows(t, file(v.node, v.values), decode.Start{})
				require.NoError(t, err)
				if v.old {
					require.Equal(t, v.is, rows)
				} else {
					require.Equal(t, v.not, rows)
				}
			}
			rows, err := parquetRows(t, file(parquet.TimestampAdjusted(parquet.Microsecond, false), instants), decode.Start{})
			require.NoError(t, err)
			require.Equal(t, []string{`"0000-12-30 00:00:00.5"`}, rows, "a local time is none of Spark 2")
		})
	}
}
