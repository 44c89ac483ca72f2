package workload

import (
	"context"
	"database/sql"
	"fmt"
)

// Report is the outcome of a comparison, row by row.
type Report struct {
	Rows    int64    // rows compared
	Missing int64    // acknowledged rows that are not there
	Extra   int64    // rows nobody wrote, or that were deleted
	Wrong   int64    // rows with another content
	First   []string // what is wrong with the first few
}

// Clean says whether nothing was wrong.
func (r Report) Clean() bool { return r.Missing+r.Extra+r.Wrong == 0 }

func (r Report) String() string {
	if r.Clean() {
		return fmt.Sprintf("%d rows compared, all as acknowledged", r.Rows)
	}
	return fmt.Sprintf("%d rows compared: %d missing, %d extra, %d wrong: %v", r.Rows, r.Missing, r.Extra, r.Wrong, r.First)
}

// Verify reads the whole table and compares every row with what was
// acknowledged. The load must have been stopped.
func (l *Load) Verify(ctx context.Context, db *sql.DB) (Report, error) {
	last := l.cfg.Table.Rows
	for _, w := range l.writers {
		last = max(last, w.next)
	}
	return l.cfg.Table.compare(ctx, db, last, l.version)
}

// Verify compares every row of a table that nobody has written to since it was
// filled.
func (t Table) Verify(ctx context.Context, db *sql.DB) (Report, error) {
	return t.compare(ctx, db, t.Rows, func(id int64) int {
		if id < 1 || id > t.Rows {
			return gone
		}
		return 0
	})
}

// compare compares the rows with ids up to last, and any beyond, with the versions
// they must have.
func (t Table) compare(ctx context.Context, db *sql.DB, last int64, version func(id int64) int) (Report, error) {
	rows, err := db.QueryContext(ctx, "SELECT id, version, customer, code, CAST(amount AS CHAR), CAST(created_at AS CHAR), note FROM "+
		t.Quoted()+" FORCE INDEX (PRIMARY) ORDER BY id")
	if err != nil {
		return Report{}, fmt.Errorf("read the table back: %w", err)
	}
	defer rows.Close()
	var rep Report
	note := func(format string, args ...any) {
		if len(rep.First) < 10 {
			rep.First = append(rep.First, fmt.Sprintf(format, args...))
		}
	}
	expect := int64(1)
	missing := func(until int64) {
		for ; expect < until; expect++ {
			if v := version(expect); v != gone {
				rep.Missing++
				note("row %d of version %d is missing", expect, v)
			}
		}
	}
	for rows.Next() {
		var got Row
		if err := rows.Scan(&got.ID, &got.Version, &got.Customer, &got.Code, &got.Amount, &got.CreatedAt, &got.Note); err != nil {
			return rep, fmt.Errorf("read the table back: %w", err)
		}
		missing(got.ID)
		expect = got.ID + 1
		rep.Rows++
		v := version(got.ID)
		switch {
		case v == gone:
			rep.Extra++
			note("row %d of version %d should not be there", got.ID, got.Version)
		case got != t.Row(got.ID, v):
			rep.Wrong++
			note("row %d is %+v, want %+v", got.ID, got, t.Row(got.ID, v))
		}
	}
	if err := rows.Err(); err != nil {
		return rep, fmt.Errorf("read the table back: %w", err)
	}
	missing(last + 1)
	return rep, nil
}

func (l *Load) version(id int64) int {
	if id <= 0 {
		return gone
	}
	return l.writers[id%int64(len(l.writers))].version(id)
}
