// Command realfiles reads Parquet files with package decode and with DuckDB, value by
// value, and lists where they differ. Its arguments are folders; without any it reads
// public sets of test files, which it fetches into a cache folder and never keeps in
// the repository. A difference with a line in reasons.txt is one that is meant; any
// other is the exit status 1.
package main

import (
	"bufio"
	"database/sql"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"dxfproxy/decode"
)

// sets are repositories with files of many writers.
var sets = []string{
	"https://github.com/apache/parquet-testing",
	"https://github.com/apache/arrow-testing",
}

//go:embed reasons.txt
var reasonsText string

func main() {
	log.SetFlags(0)
	verbose := flag.Bool("v", false, "name the files that are the same, too")
	flag.Parse()
	dirs := flag.Args()
	if len(dirs) == 0 {
		var err error
		if dirs, err = fetch(); err != nil {
			log.Fatalf("realfiles: %s", err)
		}
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		log.Fatalf("realfiles: %s", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("SET TimeZone = 'UTC'; SET threads = 1"); err != nil {
		log.Fatalf("realfiles: %s", err)
	}
	same, meant, other := 0, 0, 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".parquet") {
				return err
			}
			name, _ := filepath.Rel(dir, path)
			difference := compare(db, path)
			switch reason := reasonFor(name, difference); {
			case difference == "":
				same++
				if *verbose {
					fmt.Printf("same       %s\n", name)
				}
			case reason != "":
				meant++
				fmt.Printf("meant      %s: %s (%s)\n", name, difference, reason)
			default:
				other++
				fmt.Printf("DIFFERENT  %s: %s\n", name, difference)
			}
			return nil
		})
		if err != nil {
			log.Fatalf("realfiles: %s", err)
		}
	}
	fmt.Printf("%d files the same, %d different for a reason, %d different\n", same, meant, other)
	if other > 0 {
		os.Exit(1)
	}
}

// fetch brings the sets into the cache.
func fetch() (dirs []string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	for _, url := range sets {
		dir := filepath.Join(cache, "dxfproxy", "files", filepath.Base(url))
		if _, err := os.Stat(dir); err != nil {
			c := exec.Command("git", "clone", "--quiet", "--depth", "1", url, dir)
			c.Stderr = os.Stderr
			if err := c.Run(); err != nil {
				return nil, fmt.Errorf("fetch %s: %w", url, err)
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// reasonFor finds the line of reasons.txt for a difference: a pattern of the file's name, a part of
// the difference, and the reason, with bars between them.
func reasonFor(name, difference string) string {
	s := bufio.NewScanner(strings.NewReader(reasonsText))
	for s.Scan() {
		parts := strings.SplitN(s.Text(), "|", 3)
		if len(parts) < 3 || strings.HasPrefix(s.Text(), "#") {
			continue
		}
		pattern, part, reason := strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2])
		if ok, _ := filepath.Match(pattern, filepath.Base(name)); ok && strings.Contains(difference, part) {
			return reason
		}
	}
	return ""
}

// compare says how the two readings of a file differ; "" if they do not, or both refuse it.
func compare(db *sql.DB, path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	rows, theirs := db.Query("SELECT * FROM read_parquet('" + strings.ReplaceAll(path, "'", "''") + "')")
	if theirs == nil {
		defer rows.Close()
	}
	ours, err := decode.NewParquet(f, info.Size(), decode.Start{}, decode.Limits{})
	switch {
	case err != nil && theirs != nil:
		return ""
	case err != nil:
		return "only DuckDB reads it: " + err.Error()
	case theirs != nil:
		return "DuckDB does not read it: " + firstLine(theirs)
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return err.Error()
	}
	values, to := make([]any, len(types)), make([]any, len(types))
	for i := range values {
		to[i] = &values[i]
	}
	for n := 0; ; n++ {
		row, err := ours.Next()
		more := rows.Next()
		switch {
		case errors.Is(err, io.EOF) && !more && rows.Err() == nil, err != nil && !errors.Is(err, io.EOF) && rows.Err() != nil:
			return ""
		case rows.Err() != nil:
			return fmt.Sprintf("row %d: DuckDB: %s", n, firstLine(rows.Err()))
		case err != nil && !errors.Is(err, io.EOF):
			return err.Error()
		case (err == nil) != more:
			return fmt.Sprintf("%d rows, or fewer: the other has more", n)
		}
		if err := rows.Scan(to...); err != nil {
			return err.Error()
		}
		if len(row.Fields) != len(values) {
			return fmt.Sprintf("%d columns, and DuckDB has %d", len(row.Fields), len(values))
		}
		for i, v := range values {
			a, b := text(row.Fields[i]), duckText(v, types[i].DatabaseTypeName())
			if a != b {
				return fmt.Sprintf("row %d, column %s: %.100q, and DuckDB has %.100q", n, row.Columns[i], a, b)
			}
		}
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

const null = "\x00NULL"

func text(f decode.Field) string {
	if f.Kind == decode.Null {
		return null
	}
	return string(f.Value)
}

// duckText is a value of DuckDB as package decode would give it.
func duckText(v any, typ string) string {
	switch v := v.(type) {
	case nil:
		return null
	case bool:
		if v {
			return "1"
		}
		return "0"
	case float32:
		return string(decode.AppendFloat(nil, float64(v), 64))
	case float64:
		return string(decode.AppendFloat(nil, v, 64))
	case string:
		return v
	case []byte:
		return string(v)
	case *big.Int:
		return v.String()
	case duckdb.UUID:
		return string(v[:])
	case duckdb.Decimal:
		return decimal(v.Value, int(v.Scale))
	case time.Time:
		v = v.UTC()
		switch typ {
		case "DATE":
			return v.Format(time.DateOnly)
		case "TIME", "TIMETZ", "TIME WITH TIME ZONE", "TIME_NS":
			return v.Format("15:04:05.999999")
		}
		return v.Format("2006-01-02 15:04:05.999999")
	}
	return fmt.Sprint(v)
}

func decimal(n *big.Int, scale int) string {
	digits := new(big.Int).Abs(n).String()
	digits = strings.Repeat("0", max(scale+1-len(digits), 0)) + digits
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}
