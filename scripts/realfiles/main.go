// Command realfiles reads Parquet files with package decode and with DuckDB, value by
// value, and lists where they differ. Its arguments are folders; without any it reads
// public sets of test files, which it fetches into a cache folder and never keeps in
// the repository. A difference with a line in reasons.txt is one that is meant; any
// other is the exit status 1, and so is a line that no file of the sets needs any more.
package main

import (
	"database/sql"
	_ "embed"
	"encoding/json"
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

// sets are folders of repositories with files of many writers. The last one is of files
// that people have reported.
var sets = []struct{ url, folder string }{
	{"https://github.com/apache/parquet-testing", "."},
	{"https://github.com/apache/arrow-testing", "data/parquet"},
	{"https://github.com/duckdb/duckdb", "data/parquet-testing"},
}

//go:embed reasons.txt
var reasonsText string

func main() {
	log.SetFlags(0)
	log.SetPrefix("realfiles: ")
	verbose := flag.Bool("v", false, "name every file, not only those that differ for no reason")
	flag.Parse()
	dirs := flag.Args()
	if len(dirs) == 0 {
		var err error
		if dirs, err = fetch(); err != nil {
			log.Fatal(err)
		}
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("SET TimeZone = 'UTC'; SET threads = 1"); err != nil {
		log.Fatal(err)
	}
	c := &comparison{db: db, reasons: reasonsOf(reasonsText), verbose: *verbose}
	for _, dir := range dirs {
		if err := c.folder(dir); err != nil {
			log.Fatal(err)
		}
	}
	if !c.report(flag.NArg() == 0) {
		os.Exit(1)
	}
}

// A comparison counts the files by what came out.
type comparison struct {
	db          *sql.DB
	reasons     []*reason
	verbose     bool
	same, other int
}

// folder compares all files in a folder.
func (c *comparison) folder(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".parquet") {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		difference := compare(c.db, path)
		switch r := c.reasonFor(name, difference); {
		case difference == "":
			c.same++
			if c.verbose {
				fmt.Printf("same       %s\n", name)
			}
		case r != nil:
			r.files++
			if c.verbose {
				fmt.Printf("meant      %s: %s (%s)\n", name, difference, r.why)
			}
		default:
			c.other++
			fmt.Printf("DIFFERENT  %s: %s\n", name, difference)
		}
		return nil
	})
}

// report sums up, and says whether all is as it should be; of the whole sets every
// reason must be needed.
func (c *comparison) report(whole bool) (good bool) {
	meant, good := 0, c.other == 0
	for _, r := range c.reasons {
		meant += r.files
		if r.files > 0 {
			fmt.Printf("meant      %d times: %s (%s)\n", r.files, r.why, r.part)
		} else if whole {
			good = false
			fmt.Printf("NOT NEEDED %s | %s | %s\n", r.pattern, r.part, r.why)
		}
	}
	fmt.Printf("%d files the same, %d different for a reason, %d different\n", c.same, meant, c.other)
	return good
}

// fetch brings the sets into the cache. One that is broken off is begun anew.
func fetch() (dirs []string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		dir := filepath.Join(cache, "dxfproxy", "files", filepath.Base(set.url))
		if _, err := os.Stat(dir); err != nil {
			if err := clone(set.url, set.folder, dir+".new"); err != nil {
				return nil, fmt.Errorf("fetch %s: %w", set.url, err)
			}
			if err := os.Rename(dir+".new", dir); err != nil {
				return nil, err
			}
		}
		dirs = append(dirs, filepath.Join(dir, set.folder))
	}
	return dirs, nil
}

// clone gets the newest files of a folder of a repository, and nothing else of it.
func clone(url, folder, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"clone", "--quiet", "--depth", "1", "--filter=blob:none", "--sparse", url, dir},
		{"-C", dir, "sparse-checkout", "set", "--no-cone", folder},
	} {
		if folder == "." && args[0] != "clone" {
			args = []string{"-C", dir, "sparse-checkout", "disable"}
		}
		c := exec.Command("git", args...)
		c.Stderr = os.Stderr
		if err := c.Run(); err != nil {
			return err
		}
	}
	return nil
}

// A reason is a line of reasons.txt: a pattern of a file's name, a part of the
// difference, and why it is meant.
type reason struct {
	pattern, part, why string
	files              int
}

func reasonsOf(text string) (all []*reason) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(line, "|", 3)
		if len(parts) == 3 && !strings.HasPrefix(line, "#") {
			all = append(all, &reason{pattern: strings.TrimSpace(parts[0]), part: strings.TrimSpace(parts[1]), why: strings.TrimSpace(parts[2])})
		}
	}
	return all
}

// reasonFor finds the reason of a difference, nil if there is none.
func (c *comparison) reasonFor(name, difference string) *reason {
	for _, r := range c.reasons {
		if ok, _ := filepath.Match(r.pattern, filepath.Base(name)); ok && strings.Contains(difference, r.part) {
			return r
		}
	}
	return nil
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
	rows, theirs := db.Query("SELECT * FROM read_parquet('" + strings.ReplaceAll(path, "'", "''") + "', hive_partitioning = false)")
	if theirs == nil {
		defer rows.Close()
	}
	ours, err := decode.NewParquet(f, info.Size(), decode.Start{}, decode.Limits{})
	switch {
	case err != nil && theirs != nil:
		return ""
	case err != nil:
		for rows.Next() {
		}
		if rows.Err() != nil {
			return ""
		}
		return "only DuckDB reads it: " + err.Error()
	case theirs != nil:
		for err == nil {
			_, err = ours.Next()
		}
		if errors.Is(err, io.EOF) {
			return "DuckDB does not read it: " + firstLine(theirs)
		}
		return ""
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
	if typ == "JSON" {
		text, _ := json.Marshal(v)
		return string(text)
	}
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
