package decode_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dxfproxy/decode"
)

func dialects(t *rapid.T) decode.CSVConfig {
	cfg := decode.CSVConfig{
		Terminated: rapid.SampledFrom([]string{",", "\t", "|+|", "::", "，"}).Draw(t, "terminated"),
		Enclosed:   rapid.SampledFrom([]string{`"`, `"`, "", "'"}).Draw(t, "enclosed"),
		Escaped:    rapid.SampledFrom([]string{`\`, `\`, "", "!", `"`}).Draw(t, "escaped"),
		Null:       rapid.SampledFrom([]string{`\N`, "NULL", "", "!N"}).Draw(t, "null"),
		LineEnd:    rapid.SampledFrom([]string{"", "", "\n", "\r\n", "|\n", "END"}).Draw(t, "line end"),
		SkipRows:   int64(rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "skip rows")),
	}
	return cfg
}

// soup is a file made of what means something to the dialect, and of letters.
func soup(t *rapid.T, cfg decode.CSVConfig, label string) []byte {
	pieces := []string{
		"a", "bc", "N", "0", "n", " ", "é", "\x00", "\xff", "\n", "\n", "\r", "\r\n", "|",
		cfg.Terminated, cfg.Terminated, cfg.Terminated, cfg.Terminated[:1], cfg.Enclosed, cfg.Enclosed, cfg.Enclosed,
		cfg.Enclosed + cfg.Terminated, cfg.Terminated + cfg.Enclosed, cfg.Escaped, cfg.Null, cfg.LineEnd, cfg.LineEnd,
		"a longer word to fill it up", "\ufeff",
	}
	return []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 60).Draw(t, label), ""))
}

// written is a file of proper rows, and the rows.
func written(t *rapid.T, cfg decode.CSVConfig, lineEndInside bool) []byte {
	var b bytes.Buffer
	end := cfg.LineEnd
	for range rapid.IntRange(0, 20).Draw(t, "rows") {
		for i := range rapid.IntRange(1, 4).Draw(t, "fields") {
			if i > 0 {
				b.WriteString(cfg.Terminated)
			}
			text := rapid.SampledFrom([]string{"", "x", "yy", "0123456789", "é", "z z"}).Draw(t, "text")
			if cfg.Enclosed != "" && rapid.Bool().Draw(t, "enclose") {
				inner := rapid.SampledFrom([]string{"", cfg.Enclosed + cfg.Enclosed, cfg.Terminated, "\t", end}).Draw(t, "inner")
				if inner == end && !lineEndInside {
					inner = ""
				}
				text = cfg.Enclosed + text + inner + text + cfg.Enclosed
			}
			b.WriteString(text)
		}
		if end == "" {
			b.WriteString(rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "end"))
		} else {
			b.WriteString(end)
		}
	}
	file := b.Bytes()
	if rapid.Bool().Draw(t, "no end of the last line") {
		file = bytes.TrimSuffix(file, []byte(end))
	}
	return file
}

// cause is which kind of error it is.
func cause(err error) error {
	for _, known := range []error{decode.ErrUnterminatedQuote, decode.ErrDanglingEscape, decode.ErrNoSeparator} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

func TestCSVIsWhatTheRulesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := dialects(t)
		file := soup(t, cfg, "file")
		want, wantErr := naiveCSV(file, cfg)
		got, err := readAll(decode.NewSmallCSV(iotest.OneByteReader(bytes.NewReader(file)), cfg, decode.Start{},
			rapid.IntRange(1, 100).Draw(t, "window"), 0))
		require.Equal(t, wantErr, cause(err))
		require.Equal(t, want, got)
	})
}

// TestCSVResumes leaves a reader after some of its rows, once for each, and goes on
// with another that knows only the first one's Start.
func TestCSVResumes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := dialects(t)
		file := soup(t, cfg, "file")
		want, wantErr := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, 20, 0))
		whole := decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, 20, 0)
		for i := 0; ; i++ {
			at := whole.Resume()
			require.Equal(t, whole.Offset(), at.Offset)
			text, err := json.Marshal(at)
			require.NoError(t, err)
			at = decode.Start{}
			require.NoError(t, json.Unmarshal(text, &at))
			rest := decode.NewSmallCSV(bytes.NewReader(file[at.Offset:]), cfg, at, 20, 0)
			got, err := readAll(rest)
			require.Equal(t, cause(wantErr), cause(err))
			require.Equal(t, append([][]decode.Field{}, want[i:]...), append([][]decode.Field{}, got...))
			if _, err := whole.Next(); err != nil {
				break
			}
		}
	})
}

// TestCSVPiecesAreTheWhole cuts a file anywhere, also within line ends and
// characters, and reads the pieces, each from its first byte on.
func TestCSVPiecesAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := dialects(t)
		cfg.SkipRows = min(cfg.SkipRows, 1)
		file := written(t, cfg, false)
		want, err := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, 20, 0))
		require.NoError(t, err)
		cuts := rapid.SliceOfNDistinct(rapid.Int64Range(1, int64(len(file)+1)), 0, 5, rapid.ID).Draw(t, "cuts")
		require.Equal(t, want, inPieces(t, file, cfg, cuts, false))
	})
}

func TestCSVPiecesForEveryCut(t *testing.T) {
	for _, end := range []string{"", "\n", "\r\n", "|\n", "END"} {
		cfg := decode.CSVConfig{Terminated: ",", Enclosed: `"`, Escaped: `\`, Null: `\N`, LineEnd: end}
		lines := []string{"\ufeffid,name", "1,a", "", `2,"b,""c"`, "  ", "3,END", "4,\r|", "5", "6,ENNDE", "", "", "7,x"}
		if end == "" {
			end = "\r\n"
			lines = append(lines[:6], lines[7:]...)
		}
		for _, skip := range []int64{0, 1} {
			cfg.SkipRows = skip
			file := []byte(strings.Join(lines, end))
			want, err := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, 20, 0))
			require.NoError(t, err)
			for one := int64(1); one <= int64(len(file)); one++ {
				require.Equal(t, want, inPieces(t, file, cfg, []int64{one}, false), "%q cut at %d", file, one)
				for two := one + 1; two <= int64(len(file)); two++ {
					require.Equal(t, want, inPieces(t, file, cfg, []int64{one, two}, true), "%q cut at %d and %d", file, one, two)
				}
			}
		}
	}
}

// inPieces reads every piece; with resume, it leaves each reader after every row.
func inPieces(t require.TestingT, file []byte, cfg decode.CSVConfig, cuts []int64, resume bool) (rows [][]decode.Field) {
	starts := []decode.Start{{}}
	for at := int64(1); at <= int64(len(file)); at++ {
		for _, cut := range cuts {
			if cut == at {
				starts[len(starts)-1].Until = at
				starts = append(starts, decode.Start{Offset: at, Cut: true})
			}
		}
	}
	for _, at := range starts {
		r := decode.NewSmallCSV(bytes.NewReader(file[at.Offset:]), cfg, at, 20, 0)
		for {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			rows = append(rows, copyRow(row))
			if resume {
				r = decode.NewSmallCSV(bytes.NewReader(file[r.Offset():]), cfg, r.Resume(), 20, 0)
			}
		}
	}
	return rows
}

// TestCSVCutInAFieldIsSeen: a line end within quotes makes a file that cannot be
// split; the pieces may hold wrong rows, but then one of them says so.
func TestCSVCutInAFieldIsSeen(t *testing.T) {
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		cfg := dialects(t)
		cfg.Enclosed, cfg.SkipRows = `"`, 0
		file := written(t, cfg, true)
		want, err := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, 20, 0))
		require.NoError(t, err)
		cut := rapid.Int64Range(1, int64(len(file)+1)).Draw(t, "cut")
		one, err1 := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{Until: cut}, 20, 0))
		two, err2 := readAll(decode.NewSmallCSV(bytes.NewReader(file[min(cut, int64(len(file))):]), cfg, decode.Start{Offset: cut, Cut: true}, 20, 0))
		if err1 == nil && err2 == nil {
			require.Equal(t, want, append(one, two...))
			return
		}
		require.ErrorIs(t, err1, decode.ErrLineEndInField)
		seen++
	})
	require.Positive(t, seen)
}
