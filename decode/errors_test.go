package decode_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
)

func TestCSVRowLimit(t *testing.T) {
	for _, file := range []string{
		"1,2\n" + strings.Repeat("x", 100) + "\n" + strings.Repeat("x", 101) + "\n",
		"1,2\n" + strings.Repeat("x", 100) + "\n\"" + strings.Repeat("x", 500), // no end in sight
	} {
		for _, size := range []int{1, 1000} {
			r := decode.NewSmallCSV(strings.NewReader(file), comma, decode.Start{}, size, 100)
			for range 2 {
				_, err := r.Next()
				require.NoError(t, err)
			}
			_, err := r.Next()
			if size == 1000 && strings.Contains(file, `"`) {
				require.ErrorIs(t, err, decode.ErrUnterminatedQuote)
				continue
			}
			require.ErrorIs(t, err, decode.ErrRowTooLong)
			require.EqualError(t, err, "line 3 (byte 105): size of row cannot exceed the max value of txn-entry-size-limit: 100 bytes here, see --import-max-row")
		}
	}
}

// TestReadErrors: what comes before an error of the reader below is complete, and a
// row that it cuts off is not taken for the last one.
func TestReadErrors(t *testing.T) {
	broken := errors.New("connection reset")
	for name, r := range map[string]decode.Reader{
		"csv":    decode.NewCSV(io.MultiReader(strings.NewReader("1,a\n2,b"), iotest.ErrReader(broken)), comma, decode.Start{}, decode.Limits{}),
		"header": decode.NewCSV(io.MultiReader(strings.NewReader("1,a\n2,b"), iotest.ErrReader(broken)), with(func(c *decode.CSVConfig) { c.SkipRows = 2 }), decode.Start{}, decode.Limits{}),
		"sql":    decode.NewSQL(io.MultiReader(strings.NewReader("INSERT INTO t VALUES (1,'a'),(2,'bbbbbbbbbbbbbbbbbbbbbbbb'"), iotest.ErrReader(broken)), decode.Start{}, decode.Server{}, decode.Limits{}),
		"head":   decode.NewSQL(io.MultiReader(strings.NewReader("INSERT INTO t"), iotest.ErrReader(broken)), decode.Start{}, decode.Server{}, decode.Limits{}),
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := readAll(r)
			require.ErrorIs(t, err, broken)
			if name == "csv" || name == "sql" {
				require.Len(t, rows, 1)
			} else {
				require.Empty(t, rows)
			}
			_, err = r.Next()
			require.ErrorIs(t, err, broken, "an error stays")
		})
	}
}

func TestDialectErrors(t *testing.T) {
	for _, c := range []struct {
		change func(*decode.CSVConfig)
		at     decode.Start
		want   string
	}{
		{func(c *decode.CSVConfig) { c.Charset = "big5" }, decode.Start{}, "character set big5 is not known"},
		{func(c *decode.CSVConfig) { c.Terminated = "" }, decode.Start{}, "fields_terminated_by is empty"},
		{func(c *decode.CSVConfig) { c.Enclosed = "ab" }, decode.Start{}, "fields_enclosed_by and fields_escaped_by have one byte at most"},
		{func(c *decode.CSVConfig) { c.Charset, c.Terminated = "latin1", "，" }, decode.Start{}, `fields_terminated_by: latin1 has no '，'`},
		{func(c *decode.CSVConfig) { c.LineEnd = "\n\n" }, decode.Start{Until: 5}, "lines_terminated_by begins as it ends, so the file cannot be split: import it without split_file"},
	} {
		_, err := decode.NewCSV(strings.NewReader("1,2\n"), with(c.change), c.at, decode.Limits{}).Next()
		require.EqualError(t, err, c.want)
	}
}

func TestShorten(t *testing.T) {
	require.Equal(t, `"a\x00\n"`, decode.Shorten([]byte("a\x00\n")))
	require.Equal(t, `"`+strings.Repeat("x", 64)+`"...`, decode.Shorten(bytes.Repeat([]byte("x"), 65)))
	require.Equal(t, `"`+strings.Repeat("x", 63)+`"...`, decode.Shorten([]byte(strings.Repeat("x", 63)+"é")))
}

// TestCSVErrorPlace: the place of an error is that of what is wrong, also in a row of
// several lines, and resumed.
func TestCSVErrorPlace(t *testing.T) {
	file := "1,a\n2,\"b\nc\"\n3,\"x\ny\",z\"\n"
	_, err := readAll(decode.NewCSV(strings.NewReader(file), comma, decode.Start{}, decode.Limits{}))
	var e *decode.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, int64(5), e.Line)
	require.Equal(t, int64(strings.Index(file, "z")+1), e.Offset)
	require.Equal(t, 2, e.Column)

	_, err = readAll(decode.NewCSV(strings.NewReader(file[4:]), comma, decode.Start{Offset: 4}, decode.Limits{}))
	require.ErrorAs(t, err, &e)
	require.Zero(t, e.Line, "not known")
	require.EqualError(t, err, `byte 21, column 3, value "z\"\n": syntax error: cannot have consecutive fields without separator`)
}
