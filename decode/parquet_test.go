package decode_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
)

// parquetFile writes rows of one column each; a nil value is NULL.
func parquetFile(t testing.TB, node parquet.Node, values ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewWriter(&b, parquet.NewSchema("t", parquet.Group{"c": parquet.Optional(node)}))
	for _, value := range values {
		v := parquet.ValueOf(value).Level(0, 1, 0)
		if value == nil {
			v = parquet.NullValue().Level(0, 0, 0)
		}
		_, err := w.WriteRows([]parquet.Row{{v}})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func parquetRows(t testing.TB, file []byte, at decode.Start) (rows []string, err error) {
	t.Helper()
	r, err := decode.NewParquet(bytes.NewReader(file), int64(len(file)), at, decode.Limits{})
	if err != nil {
		return nil, err
	}
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		require.Equal(t, at.Offset+int64(len(rows)), row.Offset)
		require.Len(t, row.Columns, len(row.Fields))
		row.Columns = nil
		rows = append(rows, show(row))
		require.Equal(t, row.Offset+1, r.Offset())
	}
}

func TestParquetTypes(t *testing.T) {
	at := time.Date(2026, 7, 1, 22, 30, 15, 123456789, time.UTC)
	old := time.Date(1850, 1, 2, 3, 4, 5, 999000000, time.UTC)
	for _, c := range []struct {
		name   string
		node   parquet.Node
		values []any
		want   []string
	}{
		{"bool", parquet.Leaf(parquet.BooleanType), []any{true, false}, []string{"1", "0"}},
		{"int32", parquet.Leaf(parquet.Int32Type), []any{int32(math.MinInt32), int32(math.MaxInt32)}, []string{"-2147483648", "2147483647"}},
		{"int64", parquet.Leaf(parquet.Int64Type), []any{int64(math.MinInt64), int64(math.MaxInt64)}, []string{"-9223372036854775808", "9223372036854775807"}},
		{"int8", parquet.Int(8), []any{int32(-128), int32(127)}, []string{"-128", "127"}},
		{"int16", parquet.Int(16), []any{int32(-32768)}, []string{"-32768"}},
		{"uint8", parquet.Uint(8), []any{uint32(255)}, []string{"255"}},
		{"uint16", parquet.Uint(16), []any{uint32(65535)}, []string{"65535"}},
		{"uint32", parquet.Uint(32), []any{uint32(math.MaxUint32)}, []string{"4294967295"}},
		{"uint64", parquet.Uint(64), []any{uint64(math.MaxUint64)}, []string{"18446744073709551615"}},
		{"float", parquet.Leaf(parquet.FloatType), []any{float32(0.1), float32(-1e30)}, []string{"0.10000000149011612", "-1.0000000150474662e30"}},
		{"double", parquet.Leaf(parquet.DoubleType), []any{0.1, -1e300, 123456.0}, []string{"0.1", "-1e300", "123456"}},
		{"string", parquet.String(), []any{"", "é'\"\\\x00\n", nil}, []string{`""`, `"é'\"\\\x00\n"`, "NULL"}},
		{"enum", parquet.Enum(), []any{"red"}, []string{`"red"`}},
		{"json", parquet.JSON(), []any{`{"a":1}`}, []string{`"{\"a\":1}"`}},
		{"bson", parquet.BSON(), []any{"\x05\x00"}, []string{`"\x05\x00"`}},
		{"bytes", parquet.Leaf(parquet.ByteArrayType), []any{"\xff\x00"}, []string{`"\xff\x00"`}},
		{"fixed", parquet.Leaf(parquet.FixedLenByteArrayType(2)), []any{[2]byte{0xff, 0}}, []string{`"\xff\x00"`}},
		{"uuid", parquet.UUID(), []any{[16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}}, []string{"x000102030405060708090a0b0c0d0eff"}},
		{"decimal 32", parquet.Decimal(2, 9, parquet.Int32Type), []any{int32(-1), int32(12345), int32(0)}, []string{"-0.01", "123.45", "0.00"}},
		{"decimal 64", parquet.Decimal(0, 18, parquet.Int64Type), []any{int64(-12)}, []string{"-12"}},
		{"decimal 3 bytes", parquet.Decimal(1, 6, parquet.FixedLenByteArrayType(3)), []any{[3]byte{0xff, 0xff, 0xff}, [3]byte{1, 0, 0}}, []string{"-0.1", "6553.6"}},
		{"decimal bytes", parquet.Decimal(3, 38, parquet.ByteArrayType), []any{"\x80", "\x00\x80", "\xff\x7f\xff\xff\xff\xff\xff\xff\xff"}, []string{"-0.128", "0.128", "-9223372036854775.809"}},
		{"decimal 16 bytes", parquet.Decimal(10, 38, parquet.FixedLenByteArrayType(16)), []any{
			[16]byte{15: 1},
			[16]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
			[16]byte{0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a, 0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff, 0xff, 0xff},
			[16]byte{0xb4, 0xc4, 0xb3, 0x57, 0xa5, 0x79, 0x3b, 0x85, 0xf6, 0x75, 0xdd, 0xc0, 0, 0, 0, 1},
		}, []string{"0.0000000001", "-0.0000000001", "9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999"}},
		{"date", parquet.Date(), []any{int32(0), int32(-1), int32(20635), int32(-719162)}, []string{`"1970-01-01"`, `"1969-12-31"`, `"2026-07-01"`, `"0001-01-01"`}},
		{"time milli", parquet.Time(parquet.Millisecond), []any{int32(86399999)}, []string{`"23:59:59.999"`}},
		{"time micro", parquet.Time(parquet.Microsecond), []any{int64(1), int64(0)}, []string{`"00:00:00.000001"`, `"00:00:00"`}},
		{"time nano", parquet.Time(parquet.Nanosecond), []any{int64(3600*1e9 + 1999)}, []string{`"01:00:00.000001"`}},
		{"timestamp milli", parquet.Timestamp(parquet.Millisecond), []any{at.UnixMilli()}, []string{"2026-07-01 22:30:15.123Z"}},
		{"timestamp micro", parquet.Timestamp(parquet.Microsecond), []any{at.UnixMicro()}, []string{"2026-07-01 22:30:15.123456Z"}},
		{"timestamp nano", parquet.Timestamp(parquet.Nanosecond), []any{at.UnixNano()}, []string{"2026-07-01 22:30:15.123456Z"}},
		{"local milli", parquet.TimestampAdjusted(parquet.Millisecond, false), []any{at.UnixMilli(), old.UnixMilli()}, []string{`"2026-07-01 22:30:15.123"`, `"1850-01-02 03:04:05.999"`}},
		{"local micro", parquet.TimestampAdjusted(parquet.Microsecond, false), []any{at.UnixMicro(), old.UnixMicro()}, []string{`"2026-07-01 22:30:15.123456"`, `"1850-01-02 03:04:05.999"`}},
		{"local nano", parquet.TimestampAdjusted(parquet.Nanosecond, false), []any{at.UnixNano()}, []string{`"2026-07-01 22:30:15.123456"`}},
		{"int96", parquet.Leaf(parquet.Int96Type), []any{deprecated.Int96{uint32(81015123456789 & 0xffffffff), uint32(81015123456789 >> 32), 2440588 + 20635}}, []string{"2026-07-01 22:30:15.123456Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := parquetRows(t, parquetFile(t, c.node, c.values...), decode.Start{})
			require.NoError(t, err)
			require.Equal(t, c.want, rows)
		})
	}
}

func TestParquetRefuses(t *testing.T) {
	type inner struct{ A int64 }
	for _, c := range []struct {
		want string
		rows any
	}{
		{"column Tags: nested types and lists cannot be imported", []struct {
			ID   int64
			Tags []string
		}{{1, nil}}},
		{"column Tags: nested types and lists cannot be imported", []struct {
			ID   int64
			Tags []string `parquet:",list"`
		}{{1, nil}}},
		{"column Inner: nested types and lists cannot be imported", []struct {
			ID    int64
			Inner inner
		}{{1, inner{}}}},
		{"column Map: nested types and lists cannot be imported", []struct{ Map map[string]int64 }{{nil}}},
	} {
		var b bytes.Buffer
		require.NoError(t, writeAny(&b, c.rows))
		_, err := decode.NewParquet(bytes.NewReader(b.Bytes()), int64(b.Len()), decode.Start{}, decode.Limits{})
		require.EqualError(t, err, c.want)
	}
	_, err := decode.NewParquet(strings.NewReader("1,2,3\n"), 6, decode.Start{}, decode.Limits{})
	require.ErrorContains(t, err, "open parquet: ")

	rows, err := parquetRows(t, parquetFile(t, parquet.Leaf(parquet.DoubleType), 1.5, math.NaN()), decode.Start{})
	require.EqualError(t, err, `row group 0, row 1, column c, value "NaN": not a number that SQL has`)
	require.Equal(t, []string{"1.5"}, rows)
}

func writeAny(w io.Writer, rows any) error {
	switch rows := rows.(type) {
	case []struct {
		ID   int64
		Tags []string
	}:
		return parquet.Write(w, rows)
	case []struct {
		ID   int64
		Tags []string `parquet:",list"`
	}:
		return parquet.Write(w, rows)
	case []struct{ Map map[string]int64 }:
		return parquet.Write(w, rows)
	}
	pw := parquet.NewWriter(w, parquet.NewSchema("t", parquet.Group{
		"ID": parquet.Int(64), "Inner": parquet.Group{"A": parquet.Int(64)},
	}))
	return pw.Close()
}

type sale struct {
	ID    int64
	Name  *string `parquet:",optional,dict"`
	Price float64
	Note  string
}

func sales(t testing.TB, n, group int, options ...parquet.WriterOption) (file []byte, want []string) {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[sale](&b, append(options, parquet.PageBufferSize(1000))...)
	for i := range n {
		s := sale{ID: int64(i), Price: float64(i) / 4, Note: strings.Repeat("x", i%50)}
		text := "NULL"
		if i%7 != 0 {
			name := fmt.Sprintf("name %d", i%11)
			s.Name, text = &name, fmt.Sprintf("%q", name)
		}
		_, err := w.Write([]sale{s})
		require.NoError(t, err)
		want = append(want, fmt.Sprintf("%d | %s | %v | %q", s.ID, text, s.Price, s.Note))
		if i%group == group-1 {
			require.NoError(t, w.Flush())
		}
	}
	require.NoError(t, w.Close())
	return b.Bytes(), want
}

func TestParquetCodecs(t *testing.T) {
	for _, codec := range []compress.Codec{
		&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Brotli, &parquet.Zstd,
	} {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprintf("%s %d", codec, version), func(t *testing.T) {
				file, want := sales(t, 2000, 900, parquet.Compression(codec), parquet.DataPageVersion(version))
				rows, err := parquetRows(t, file, decode.Start{})
				require.NoError(t, err)
				require.Equal(t, want, rows)
			})
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

// zstdStream writes zstd frames that do not say how large their content is, as Java's
// writers do.
type zstdStream struct{ compress.Codec }

func (zstdStream) Encode(dst, src []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst[:0])
	w, err := zstd.NewWriter(b)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(src); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// TestParquetLargePages: pages that a codec makes little smaller, or larger, where a
// library may have to move what it unpacks.
func TestParquetLargePages(t *testing.T) {
	type row struct{ Value []byte }
	for _, codec := range []compress.Codec{
		&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Brotli, &parquet.Zstd, zstdStream{&parquet.Zstd}, &parquet.Lz4Raw,
	} {
		for version := 1; version <= 2; version++ {
			for _, size := range []int{1, 100, 70_000, 300_000} {
				for _, random := range []int{0, size / 2, size} {
					value := make([]byte, size)
					copy(value, randomBytes(random))
					var b bytes.Buffer
					require.NoError(t, parquet.Write(&b, []row{{value}, {value[1:]}}, parquet.Compression(codec), parquet.DataPageVersion(version)))
					r, err := decode.NewParquet(bytes.NewReader(b.Bytes()), int64(b.Len()), decode.Start{}, decode.Limits{})
					require.NoError(t, err)
					rows, err := readAll(r)
					require.NoError(t, err)
					require.Len(t, rows, 2)
					require.True(t, bytes.Equal(value, rows[0][0].Value) && bytes.Equal(value[1:], rows[1][0].Value), "%T %s of %d, %d random", codec, codec, size, random)
				}
			}
		}
	}
}

func TestParquetResumes(t *testing.T) {
	file, want := sales(t, 1000, 300)
	for i := 0; i <= len(want)+1; i += 1 + i%13 {
		rows, err := parquetRows(t, file, decode.Start{Offset: int64(i)})
		require.NoError(t, err)
		require.Equal(t, strings.Join(want[min(i, len(want)):], "\n"), strings.Join(rows, "\n"), "from row %d", i)
	}
}

func TestParquetWithoutRows(t *testing.T) {
	file, _ := sales(t, 0, 10)
	rows, err := parquetRows(t, file, decode.Start{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

// TestParquetBroken changes bytes of a file: whatever comes of it, it is an error and no panic.
func TestParquetBroken(t *testing.T) {
	file, _ := sales(t, 200, 90)
	for i := 0; i < len(file); i += 3 {
		broken := bytes.Clone(file)
		broken[i] ^= 0x55
		_, _ = parquetRows(t, broken, decode.Start{})
	}
	for i := 0; i < len(file); i += 37 {
		_, err := parquetRows(t, file[:i], decode.Start{})
		require.Error(t, err)
	}
}

func BenchmarkParquet(b *testing.B) {
	file, want := sales(b, 200_000, 100_000, parquet.Compression(&parquet.Snappy), parquet.PageBufferSize(1<<20))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		r, err := decode.NewParquet(bytes.NewReader(file), int64(len(file)), decode.Start{}, decode.Limits{})
		require.NoError(b, err)
		n := 0
		for ; ; n++ {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			}
		}
		if n != len(want) {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(len(want)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
