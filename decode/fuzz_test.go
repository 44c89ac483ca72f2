package decode_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
	"dxfproxy/decode/decodetest"
)

// FuzzCSV compares with naiveCSV, in windows of two sizes.
func FuzzCSV(f *testing.F) {
	paths, err := filepath.Glob("../testdata/csv/*.csv")
	require.NoError(f, err)
	for _, path := range paths {
		file, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(file, ",", `"`, `\`, `\N`, "", uint8(0))
		f.Add(file, "|+|", "", "!", "", "|\n", uint8(1))
	}
	f.Fuzz(func(t *testing.T, file []byte, terminated, enclosed, escaped, null, lineEnd string, skip uint8) {
		cfg := decode.CSVConfig{
			Terminated: terminated, Enclosed: enclosed, Escaped: escaped, Null: null, LineEnd: lineEnd, SkipRows: int64(skip % 4),
		}
		if terminated == "" || len(enclosed) > 1 || len(escaped) > 1 {
			return
		}
		want, wantErr := naiveCSV(file, cfg)
		for _, size := range []int{1, 4096} {
			got, err := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, size, 0))
			require.Equal(t, wantErr, cause(err))
			require.Equal(t, want, got)
		}
	})
}

// FuzzCSVCharset looks for panics and rows that depend on the window.
func FuzzCSVCharset(f *testing.F) {
	for _, name := range []string{"gbk", "gb18030", "latin1"} {
		file, err := os.ReadFile("../testdata/csv/" + name + ".csv")
		require.NoError(f, err)
		f.Add(file, name, ",", "")
		f.Add(file, name, "|", "\n")
		f.Add(file, name, "，", "。")
	}
	f.Fuzz(func(t *testing.T, file []byte, charset, terminated, lineEnd string) {
		cfg := comma
		cfg.Charset, cfg.Terminated, cfg.LineEnd = charset, terminated, lineEnd
		want, wantErr := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, 4096, 0))
		got, err := readAll(decode.NewSmallCSV(bytes.NewReader(file), cfg, decode.Start{}, 1, 0))
		require.Equal(t, want, got)
		for _, err := range []error{wantErr, err} {
			if e := (*decode.Error)(nil); errors.As(err, &e) {
				e.Value = "" // as much of it as the window shows
			}
		}
		require.Equal(t, wantErr, err)
	})
}

// FuzzSQL looks for panics, rows that depend on the window, and readers that resumed
// go on differently.
func FuzzSQL(f *testing.F) {
	for _, dump := range []string{
		"INSERT INTO `t` VALUES (1,'a',NULL,0x41,x'41',b'1',_binary 'a\\0',-1.5e3),\n(2,\"b\"\"c\",TRUE);\n",
		"/*!40101 SET NAMES utf8 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\nREPLACE INTO `d`.`t` (`a`,`b`) VALUES (CONVERT('{}' USING UTF8MB4),'\\'');",
		"DELIMITER ;;\nCREATE TRIGGER x BEGIN INSERT INTO t VALUES (1); END;;\nDELIMITER ;\nINSERT INTO t VALUES (1) -- x\n,(2) # y\n;",
		"LOCK TABLES `t` WRITE;\n/*M!999999\\- x */\nINSERT IGNORE INTO t VALUES ('),(''\\\\');\nUNLOCK TABLES;",
	} {
		f.Add([]byte(dump))
	}
	f.Fuzz(func(t *testing.T, dump []byte) {
		all := func(size int, resume bool) (rows []string, err error) {
			r := decode.NewSmallSQL(bytes.NewReader(dump), decode.Start{}, size, 0)
			for {
				row, err := r.Next()
				if errors.Is(err, io.EOF) {
					return rows, nil
				}
				if err != nil {
					var e *decode.Error
					require.ErrorAs(t, err, &e)
					return rows, errors.Unwrap(err)
				}
				rows = append(rows, show(row))
				if resume {
					r = decode.NewSmallSQL(bytes.NewReader(dump[r.Offset():]), r.Resume(), size, 0)
				}
			}
		}
		want, wantErr := all(4096, false)
		for _, size := range []int{1, 50} {
			got, err := all(size, size == 50)
			require.Equal(t, want, got)
			require.Equal(t, wantErr == nil, err == nil)
		}
	})
}

// FuzzParquet: whatever a file says of itself, its reader holds no more than it may, and
// what it finds wrong is an error.
func FuzzParquet(f *testing.F) {
	for _, b := range decodetest.Bombs(f) {
		if strings.HasSuffix(b.Name, ".parquet") && len(b.Content) < 4<<10 {
			f.Add(b.Content)
		}
	}
	var good bytes.Buffer
	w := parquet.NewGenericWriter[struct {
		ID int64   `parquet:"id,delta"`
		B  *string `parquet:"b,dict,optional,zstd"`
		C  string  `parquet:"c,delta,gzip"`
	}](&good)
	require.NoError(f, w.Close())
	f.Add(good.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		limits := decode.Limits{Row: 1 << 20, Hold: func(n int64) error {
			if n > 16<<20 {
				return errors.New("too much")
			}
			return nil
		}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := decode.NewParquet(bytes.NewReader(file), int64(len(file)), decode.Start{}, limits)
		rows := 0
		for ; err == nil && rows < 1000; rows++ {
			_, err = r.Next()
		}
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
	})
}
