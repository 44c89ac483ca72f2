package store

import (
	"cmp"
	"context"
	"slices"

	"dxfproxy/dxf"
)

// newestImports: of more than a list holds the unfinished ones are in it, and the newest.
const newestImports = ` ORDER BY j.status NOT IN ('pending', 'running'), j.id DESC`

// ImportJobs lists import jobs by id, unfinished ones as ImportJob does: the newest, as
// many as maxListed holds.
func (db *DB) ImportJobs(ctx context.Context) ([]dxf.ImportJob, error) {
	const jobsSQL = `SELECT ` + importColumns + newestImports
	return db.selectImports(ctx, jobsSQL)
}

// UserImports lists those of an account.
func (db *DB) UserImports(ctx context.Context, user string) ([]dxf.ImportJob, error) {
	const jobsSQL = `SELECT ` + importColumns + ` WHERE j.created_by = ?` + newestImports
	jobs, err := db.selectImports(ctx, jobsSQL, user)
	// To the column a blank at the end is nothing.
	return slices.DeleteFunc(jobs, func(j dxf.ImportJob) bool { return j.CreatedBy != user }), err
}

func (db *DB) selectImports(ctx context.Context, query string, args ...any) ([]dxf.ImportJob, error) {
	rows, err := db.importRows(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b importRow) int { return cmp.Compare(a.ID, b.ID) })
	jobs := make([]dxf.ImportJob, 0, len(rows))
	for _, r := range rows {
		j, err := r.job()
		if err == nil && !j.Status.Ended() {
			err = db.readImportProgress(ctx, &j)
		}
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

func (db *DB) importRows(ctx context.Context, query string, args ...any) (list []importRow, err error) {
	rows, err := db.meta.QueryxContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for size := 0; rows.Next() && size < maxListed; {
		var r importRow
		if err := rows.StructScan(&r); err != nil {
			return nil, err
		}
		size += len(r.Parameters) + len(r.Message.String) + len(r.Error)
		list = append(list, r)
	}
	return list, rows.Err()
}
