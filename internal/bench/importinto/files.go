package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"
	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// parts is how many files the packed CSV and the Parquet are: neither can be split.
const parts = 8

// A row is one of sysbench's, about 195 bytes.
type row struct {
	ID  int32  `parquet:"id"`
	K   int32  `parquet:"k"`
	C   string `parquet:"c"`   // ten groups of eleven digits
	Pad string `parquet:"pad"` // five of them
}

func (b *contest) csvFile() string    { return filepath.Join(b.dir, "rows.csv") }
func (b *contest) parquetDir() string { return filepath.Join(b.dir, "parquet") }
func (b *contest) part(i int) (n int) { return b.rows * i / parts }
func partName(i int, s string) string { return fmt.Sprintf("rows-%d.%s", i, s) }

// makeFiles writes the rows in all forms.
func (b *contest) makeFiles(ctx context.Context) error {
	const bucket, key, secret = "bench", "AKIABENCH", "bench-secret"
	memory := s3mem.New()
	b.objects = httptest.NewServer(gofakes3.New(memory, gofakes3.WithHostBucket(false),
		gofakes3.WithV4Auth(map[string]string{key: secret})).Server())
	b.packed = "s3://" + bucket + "/rows-*.csv.gz?access-key=" + key + "&secret-access-key=" + secret + "&endpoint=" +
		url.QueryEscape(b.objects.URL)
	if err := memory.CreateBucket(ctx, bucket); err != nil {
		return err
	}
	if err := os.Mkdir(b.parquetDir(), 0o755); err != nil {
		return err
	}
	plain, err := os.Create(b.csvFile())
	if err != nil {
		return err
	}
	defer plain.Close()
	sum := fnv.New64a()
	var plainSize, packedSize, parquetSize int64
	for i := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err != nil {
			return err
		}
		file, err := os.Create(filepath.Join(b.parquetDir(), partName(i, "parquet")))
		if err != nil {
			return err
		}
		columns := parquet.NewGenericWriter[row](file, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(100_000))
		text := bufio.NewWriterSize(io.MultiWriter(plain, z, sum), 1<<20)
		rows := make([]row, 0, 1000)
		var line []byte
		for id := b.part(i) + 1; id <= b.part(i+1); id++ {
			r := b.row(id)
			line = r.appendCSV(line[:0])
			if _, err := text.Write(line); err != nil {
				return err
			}
			if rows = append(rows, r); len(rows) == cap(rows) || id == b.part(i+1) {
				if _, err := columns.Write(rows); err != nil {
					return err
				}
				rows = rows[:0]
			}
		}
		if err := firstError(text.Flush, z.Close, columns.Close); err != nil {
			return err
		}
		st, err := file.Stat()
		if err := firstError(func() error { return err }, file.Close); err != nil {
			return err
		}
		parquetSize += st.Size()
		packedSize += int64(packed.Len())
		if _, err := memory.PutObject(ctx, bucket, partName(i, "csv.gz"), map[string]string{}, &packed, int64(packed.Len())); err != nil {
			return err
		}
	}
	st, err := plain.Stat()
	if err != nil {
		return err
	}
	plainSize = st.Size()
	b.sum = sum.Sum64()
	fmt.Printf("seed %d: CSV %d MB, gzip CSV %d MB in %d objects, Parquet (snappy) %d MB in %d files\n",
		b.seed, plainSize/1e6, packedSize/1e6, parts, parquetSize/1e6, parts)
	return nil
}

// firstError runs all and returns the first error.
func firstError(all ...func() error) (first error) {
	for _, f := range all {
		if err := f(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// row makes a row, from its id and the seed alone.
func (b *contest) row(id int) row {
	rnd := rand.NewPCG(b.seed, uint64(id))
	return row{ID: int32(id), K: int32(1 + rnd.Uint64()%uint64(b.rows)), C: groups(rnd, 10), Pad: groups(rnd, 5)}
}

// groups is n groups of eleven digits, with hyphens between them.
func groups(rnd rand.Source, n int) string {
	var text [120]byte
	at := text[:0]
	for i := range n {
		if i > 0 {
			at = append(at, '-')
		}
		v := rnd.Uint64()
		for range 11 {
			at = append(at, '0'+byte(v%10))
			v /= 10
		}
	}
	return string(at)
}

// appendCSV appends the row as a line of CSV. No value needs quotes.
func (r row) appendCSV(line []byte) []byte {
	line = strconv.AppendInt(line, int64(r.ID), 10)
	line = append(line, ',')
	line = strconv.AppendInt(line, int64(r.K), 10)
	line = append(line, ',')
	line = append(line, r.C...)
	line = append(line, ',')
	line = append(line, r.Pad...)
	return append(line, '\n')
}
