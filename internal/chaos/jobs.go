package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A job is what a run's client asks for.
type job struct {
	name      string
	table     string // the table it is about
	steps     []moment
	prepare   func(context.Context, *run) error
	statement func(*run) string
	progress  func(context.Context, *run) (progress, error)
	watch     func(context.Context, *run) error // reads while the job runs; nil: nobody does
	check     func(context.Context, *run) error
}

// A moment is a step of a job and about how long it takes, in milliseconds.
type moment struct {
	name  string
	step  int
	most  int
	order []int // the job's steps as they come
}

func (m moment) place(step int) int { return slices.Index(m.order, step) }

var (
	ddlOrder    = []int{0, -1, 1, 2, 3, 4, -2}
	importOrder = []int{0, -1, 10, 1, 11, 2, 12, -2}

	ddlMoments = []moment{
		{"copy", 1, 1500, ddlOrder}, {"copy", 1, 800, ddlOrder}, {"build", 2, 500, ddlOrder}, {"verify", 3, 200, ddlOrder},
		{"cut-over", 4, 80, ddlOrder},
	}
	importMoments = []moment{
		{"probe", 10, 50, importOrder}, {"import", 1, 1200, importOrder}, {"import", 1, 600, importOrder}, {"build", 11, 300, importOrder},
		{"post-process", 2, 80, importOrder}, {"publish", 12, 80, importOrder},
	}
)

var jobs = []job{
	{
		name: "add index", table: "orders", steps: ddlMoments, prepare: nothing, progress: ddlProgress,
		statement: func(r *run) string { return "ALTER TABLE " + r.table.Quoted() + " ADD INDEX by_day (created_at)" },
		check:     func(ctx context.Context, r *run) error { return r.checkIndex(ctx, "by_day", "created_at") },
	},
	{
		name: "add unique", table: "orders", steps: ddlMoments, prepare: nothing, progress: ddlProgress,
		statement: func(r *run) string { return "ALTER TABLE " + r.table.Quoted() + " ADD UNIQUE INDEX u (code)" },
		check:     func(ctx context.Context, r *run) error { return r.checkIndex(ctx, "u", "code") },
	},
	{
		name: "import", table: "loaded", steps: importMoments, prepare: makeFiles, progress: importProgress,
		statement: func(r *run) string {
			return "IMPORT INTO " + schema + ".loaded FROM '" + r.dir + "/rows-*.csv' WITH max_write_speed = '2MiB'"
		},
		watch: readLoaded, check: checkLoaded,
	},
}

func nothing(context.Context, *run) error { return nil }

// checkIndex compares the rows in a new index with those of the table, and has the
// server look at the table.
func (r *run) checkIndex(ctx context.Context, index, column string) error {
	var rows, indexed int64
	count := "SELECT COUNT(*), (SELECT COUNT(" + column + ") FROM " + r.table.Quoted() + " FORCE INDEX (" + index + ")) FROM " +
		r.table.Quoted() + " FORCE INDEX (PRIMARY)"
	if err := r.direct.QueryRowContext(ctx, count).Scan(&rows, &indexed); err != nil {
		return err
	}
	if rows != indexed {
		return fmt.Errorf("%d rows, %d of them in the index", rows, indexed)
	}
	var name, op, kind, text string
	if err := r.direct.QueryRowContext(ctx, "CHECK TABLE "+r.table.Quoted()).Scan(&name, &op, &kind, &text); err != nil {
		return err
	}
	if text != "OK" {
		return fmt.Errorf("CHECK TABLE: %s: %s", kind, text)
	}
	return nil
}

const (
	loadedFiles = 12
	loadedRows  = 30_000
)

// loadedRow is row id of the files, its text and its number.
func loadedRow(id int) (text string, n int64) {
	return fmt.Sprintf("row %d of the files, and some more text so that it takes a while", id), int64(id) * 2654435761 % 1_000_003
}

// makeFiles makes the table that is loaded, and its files.
func makeFiles(ctx context.Context, r *run) error {
	_, err := r.direct.ExecContext(ctx, "CREATE TABLE "+schema+".loaded (id INT PRIMARY KEY, text VARCHAR(100) NOT NULL, n BIGINT NOT NULL, "+
		"KEY by_n (n), KEY by_text (text))")
	if err != nil {
		return err
	}
	for f := range loadedFiles {
		file, err := os.Create(filepath.Join(r.dir, fmt.Sprintf("rows-%02d.csv", f)))
		if err != nil {
			return err
		}
		w := bufio.NewWriter(file)
		for id := f + 1; id <= loadedRows; id += loadedFiles {
			text, n := loadedRow(id)
			fmt.Fprintf(w, "%d,\"%s\",%d\n", id, text, n)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}

// readLoaded reads all the time how many rows there are: none, or all.
func readLoaded(ctx context.Context, r *run) error {
	for ctx.Err() == nil {
		var n int
		err := r.direct.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+schema+".loaded").Scan(&n)
		if err == nil && n != 0 && n != loadedRows {
			return fmt.Errorf("a reader saw %d rows of %d", n, loadedRows)
		}
		pause(ctx, 10*time.Millisecond)
	}
	return nil
}

// checkLoaded compares every row.
func checkLoaded(ctx context.Context, r *run) error {
	rows, err := r.direct.QueryContext(ctx, "SELECT id, text, n FROM "+schema+".loaded FORCE INDEX (PRIMARY) ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	want := 0
	for rows.Next() {
		want++
		var id int
		var text string
		var n int64
		if err := rows.Scan(&id, &text, &n); err != nil {
			return err
		}
		if t, m := loadedRow(want); id != want || t != text || m != n {
			return fmt.Errorf("row %d is %d, %q, %d", want, id, text, n)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if want != loadedRows {
		return fmt.Errorf("%d rows, want %d", want, loadedRows)
	}
	return nil
}
