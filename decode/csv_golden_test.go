package decode_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
)

var update = flag.Bool("update", false, "write the rows that were read into testdata/csv/*.txt")

// TestAwkwardCSV reads every testdata/csv/*.csv of the project. The text file beside it
// says what it is, in lines that begin with #, the options, as in the statement, and,
// after an empty line, the rows with the line and the byte at which each begins.
func TestAwkwardCSV(t *testing.T) {
	files, err := filepath.Glob("../testdata/csv/*.csv")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 30)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".csv"), func(t *testing.T) {
			golden := strings.TrimSuffix(path, ".csv") + ".txt"
			text, err := os.ReadFile(golden)
			require.NoError(t, err)
			head, _, _ := strings.Cut(string(text), "\n\n")
			head = strings.TrimRight(head, "\n")
			file, err := os.ReadFile(path)
			require.NoError(t, err)

			cfg := options(t, head)
			var got string
			for _, size := range []int{256 << 10, 1} {
				rows := head + "\n\n" + listRows(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, size, 0))
				if got != "" {
					require.Equal(t, got, rows, "in a small window")
				}
				got = rows
			}
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			require.Equal(t, string(text), got)
		})
	}
}

// options reads lines like fields_terminated_by = "\t".
func options(t *testing.T, head string) decode.CSVConfig {
	cfg := comma
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		require.True(t, ok, line)
		if name == "skip_rows" {
			n, err := strconv.ParseInt(value, 10, 64)
			require.NoError(t, err)
			cfg.SkipRows = n
			continue
		}
		field, ok := map[string]*string{
			"character_set": &cfg.Charset, "fields_terminated_by": &cfg.Terminated, "fields_enclosed_by": &cfg.Enclosed,
			"fields_escaped_by": &cfg.Escaped, "fields_defined_null_by": &cfg.Null, "lines_terminated_by": &cfg.LineEnd,
		}[name]
		require.True(t, ok, line)
		text, err := strconv.Unquote(value)
		require.NoError(t, err, line)
		*field = text
	}
	return cfg
}

func listRows(r decode.Reader) string {
	var b strings.Builder
	for {
		row, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return b.String()
		case err != nil:
			fmt.Fprintf(&b, "error: %v\n", err)
			return b.String()
		}
		fmt.Fprintf(&b, "%d:%d\t%s\n", row.Line, row.Offset, show(row))
	}
}
