package decode_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
)

var comma = decode.CSVConfig{Terminated: ",", Enclosed: `"`, Escaped: `\`, Null: `\N`}

// with returns a dialect that differs from the default.
func with(change func(*decode.CSVConfig)) decode.CSVConfig {
	cfg := comma
	change(&cfg)
	return cfg
}

// speeds are files of some MB, all of one kind of row.
var speeds = []struct {
	name string
	cfg  decode.CSVConfig
	row  string
}{
	{"plain", comma, "%d,some name here,2026-11-21 14:24:30,1234.56,a remark of some length that nobody reads,\\N,7,end\n"},
	{"plain without null", comma, "%d,some name here,2026-11-21 14:24:30,1234.56,a remark of some length that nobody reads,,7,end\n"},
	{"short fields", comma, "%d,1,2,3,44,5,a,b,c,dd,1.5,x\n"},
	{"windows", comma, "%d,some name here,2026-11-21 14:24:30,1234.56,a remark of some length that nobody reads,,7,end\r\n"},
	{"quoted", comma, `%d,"some name here","2026-11-21 14:24:30",1234.56,"a remark of some length, that nobody reads",\N,7,"end"` + "\n"},
	{"escaped", comma, `%d,"some \"name\" here","2026-11-21 14:24:30",1234.56,"a ""remark"" of some length\nthat nobody reads",\N,7,"end"` + "\n"},
	{"long separator", with(func(c *decode.CSVConfig) { c.Terminated, c.LineEnd = "|+|", "|\n" }), "%d|+|some name here|+|2026-11-21 14:24:30|+|1234.56|+|a remark of some length|\n"},
	{"latin1", with(func(c *decode.CSVConfig) { c.Charset = "latin1" }), "%d,some n\xe4me here,2026-11-21 14:24:30,1234.56,a remark of some length th\xe4t nobody reads,7,end\n"},
	{"gbk", with(func(c *decode.CSVConfig) { c.Charset = "gbk" }), "%d,\xd6\xd0\xce\xc4\xd6\xd0\xce\xc4,2026-11-21 14:24:30,1234.56,a remark of some length th\xd6\xd0t nobody reads,7,end\n"},
	{"gbk quoted", with(func(c *decode.CSVConfig) { c.Charset = "gbk" }), "%d,\"\xd6\xd0\xce\xc4\xd6\xd0\xce\xc4\",2026-11-21 14:24:30,1234.56,\"a remark of some length th\xd6\xd0t nobody reads\",7,end\n"},
}

func fileOf(row string, size int) []byte {
	var b bytes.Buffer
	for i := 1; b.Len() < size; i++ {
		fmt.Fprintf(&b, row, i)
	}
	return b.Bytes()
}

func BenchmarkCSV(b *testing.B) {
	for _, s := range speeds {
		b.Run(strings.ReplaceAll(s.name, " ", "-"), func(b *testing.B) {
			file := fileOf(s.row, 8<<20)
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				drain(b, decode.NewCSV(bytes.NewReader(file), s.cfg, decode.Start{}, decode.Limits{}))
			}
		})
	}
}

// drain reads a file to its end.
func drain(b *testing.B, r decode.Reader) {
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

// requireNoAllocations reads rows, of some windows, after those that made the buffers
// as large as they get.
func requireNoAllocations(t *testing.T, r decode.Reader, rows int) {
	t.Helper()
	next := func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		next()
	}
	require.Zero(t, testing.AllocsPerRun(rows, next))
}

func TestCSVDoesNotAllocate(t *testing.T) {
	for _, s := range speeds {
		t.Run(s.name, func(t *testing.T) {
			requireNoAllocations(t, decode.NewCSV(bytes.NewReader(fileOf(s.row, 4<<20)), s.cfg, decode.Start{}, decode.Limits{}), 10_000)
		})
	}
}

func TestCSVValuesAreNotCopied(t *testing.T) {
	file := []byte("1,two,\"three\"\n4,five,six\n")
	r := decode.NewCSV(bytes.NewReader(file), comma, decode.Start{}, decode.Limits{})
	row, err := r.Next()
	require.NoError(t, err)
	// Values lie in the window as they lie in the file.
	one, three := row.Fields[0].Value, row.Fields[2].Value
	require.Equal(t, "1,two,\"three", string(one[:12]))
	require.Equal(t, "three", string(three))
	row.Fields[0].Value[:12][11] = 'E'
	require.Equal(t, "threE", string(three))
}
