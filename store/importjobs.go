package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
	"dxfproxy/store/internal/ask"
)

// maxErrorText fits an error into tidb_import_jobs.error_message, a TEXT.
const maxErrorText = 16 << 10

// SubmitImport makes the job row and the task row in one transaction. While
// another job on the table is unfinished it answers 8173.
func (db *DB) SubmitImport(ctx context.Context, j dxf.ImportJob, t dxf.NewTask) (int64, error) {
	// Whoever submits holds this row: of two that come at once the second sees
	// the job of the first.
	const turnSQL = `SELECT value FROM counter WHERE name = 'job' FOR UPDATE`
	const jobSQL = `
		INSERT INTO tidb_import_jobs
			(create_time, table_schema, table_name, table_id, created_by, parameters, source_file_size, status, step)
		VALUES (NOW(6), ?, ?, ?, ?, ?, ?, 'pending', '')`
	const ourSQL = `INSERT INTO import_job (job_id, conn_id, waiting) VALUES (?, ?, '')`
	var id int64
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		var n int64
		if err := tx.GetContext(ctx, &n, turnSQL); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &n, activeImportsSQL, j.Schema, j.Table); err != nil {
			return err
		}
		if n > 0 {
			return ask.ImportActive()
		}
		if _, err := fewEnough(ctx, tx, j.CreatedBy); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, jobSQL, j.Schema, j.Table, j.TableID, j.CreatedBy, asJSON(j.Parameters), j.SourceSize)
		if err != nil {
			return err
		}
		if id, err = r.LastInsertId(); err != nil {
			return err
		}
		if _, err := change(ctx, tx, ourSQL, id, j.ConnID); err != nil {
			return err
		}
		return db.insertTask(ctx, tx, t, dxf.ImportRef(id), j.CreatedBy)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

const importColumns = `
	j.id, j.create_time, j.start_time, j.update_time, j.end_time, j.table_schema, j.table_name, j.table_id, j.created_by,
	j.parameters, j.source_file_size, j.status, j.step, j.summary, j.error_message,
	COALESCE(o.conn_id, 0) AS conn_id, COALESCE(o.waiting, '') AS waiting, o.error
	FROM tidb_import_jobs j LEFT JOIN import_job o ON o.job_id = j.id`

type importRow struct {
	ID         int64          `db:"id"`
	Create     time.Time      `db:"create_time"`
	Start      sql.NullTime   `db:"start_time"`
	Update     sql.NullTime   `db:"update_time"`
	End        sql.NullTime   `db:"end_time"`
	Schema     string         `db:"table_schema"`
	Table      string         `db:"table_name"`
	TableID    int64          `db:"table_id"`
	CreatedBy  string         `db:"created_by"`
	Parameters []byte         `db:"parameters"`
	Size       int64          `db:"source_file_size"`
	Status     string         `db:"status"`
	Step       string         `db:"step"`
	Summary    []byte         `db:"summary"`
	Message    sql.NullString `db:"error_message"`
	ConnID     uint32         `db:"conn_id"`
	Waiting    string         `db:"waiting"`
	Error      []byte         `db:"error"`
}

// importSummary is tidb_import_jobs.summary of a finished job.
type importSummary struct {
	Rows int64 `json:"imported-rows"`
}

func (r importRow) job() (dxf.ImportJob, error) {
	j := dxf.ImportJob{
		ID: r.ID, CreateTime: r.Create, StartTime: r.Start.Time, UpdateTime: r.Update.Time, EndTime: r.End.Time,
		Schema: r.Schema, Table: r.Table, TableID: r.TableID, CreatedBy: r.CreatedBy,
		SourceSize: r.Size, Status: dxf.ImportStatus(r.Status), Phase: dxf.ImportPhase(r.Step),
		ConnID: r.ConnID, Waiting: r.Waiting,
	}
	err := json.Unmarshal(r.Parameters, &j.Parameters)
	if err == nil && len(r.Summary) > 0 {
		var s importSummary
		err = json.Unmarshal(r.Summary, &s)
		j.Rows = s.Rows
	}
	if err == nil {
		j.Error, err = readError(r.Error)
	}
	if err != nil {
		return j, fmt.Errorf("read import job %d: %w", r.ID, err)
	}
	if j.Error == nil && r.Message.String != "" {
		j.Error = dxf.Errorf("%s", r.Message.String)
	}
	return j, nil
}

// ImportJob finds an import job. Of an unfinished one it tells the rows and the
// progress as of now.
func (db *DB) ImportJob(ctx context.Context, id int64) (dxf.ImportJob, error) {
	const jobSQL = `SELECT ` + importColumns + ` WHERE j.id = ?`
	jobs, err := db.selectImports(ctx, jobSQL, id)
	if err != nil {
		return dxf.ImportJob{}, err
	}
	if len(jobs) == 0 {
		return dxf.ImportJob{}, dxf.ErrNotFound
	}
	return jobs[0], nil
}

// ImportActive says whether an import job on the table is unfinished.
func (db *DB) ImportActive(ctx context.Context, schema, table string) (bool, error) {
	var n int
	err := db.meta.GetContext(ctx, &n, activeImportsSQL, schema, table)
	return n > 0, err
}

const activeImportsSQL = `
	SELECT COUNT(*) FROM tidb_import_jobs
	WHERE status IN ('pending', 'running') AND table_schema = ? AND table_name = ?`

// readImportProgress fills in the rows and the progress of an unfinished job. One
// that ends in between keeps what it had.
func (db *DB) readImportProgress(ctx context.Context, j *dxf.ImportJob) error {
	const sumsSQL = `
		SELECT step,
			COALESCE(SUM(CAST(JSON_VALUE(summary, '$.row_count') AS SIGNED)), 0) AS row_sum,
			COALESCE(SUM(CAST(JSON_VALUE(summary, '$.bytes') AS SIGNED)), 0) AS byte_sum,
			MIN(NULLIF(start_time, 0)) AS began
		FROM tidb_background_subtask WHERE task_key = ? GROUP BY step`
	const nowSQL = `SELECT NOW(6)`
	t, head, err := db.taskOf(ctx, dxf.ImportRef(j.ID))
	if errors.Is(err, dxf.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var sums []struct {
		Step  int           `db:"step"`
		Rows  int64         `db:"row_sum"`
		Bytes int64         `db:"byte_sum"`
		Began sql.NullInt64 `db:"began"`
	}
	if err := db.meta.SelectContext(ctx, &sums, sumsSQL, decimal(t.ID)); err != nil {
		return err
	}
	steps := make(map[dxf.Step]ask.StepSum)
	for _, s := range sums {
		steps[dxf.Step(s.Step)] = ask.StepSum{Rows: s.Rows, Bytes: s.Bytes, Began: unixTime(s.Began)}
	}
	var counted ask.StepSum
	for _, step := range db.types[t.Type].Counting() {
		counted.Add(steps[step])
	}
	var now time.Time
	if err := db.meta.GetContext(ctx, &now, nowSQL); err != nil {
		return err
	}
	j.Progress = ask.ImportProgress(t, head, counted, steps[t.Step], j.Waiting, now)
	j.Rows = counted.Rows
	return nil
}

// CancelImport asks for an import job's cancellation.
func (db *DB) CancelImport(ctx context.Context, id int64) error {
	return db.askImport(ctx, id, ask.CancelImport)
}

// PauseImport asks for an import job's pause.
func (db *DB) PauseImport(ctx context.Context, id int64) error {
	return db.askImport(ctx, id, ask.PauseImport)
}

// ResumeImport asks a paused import job to go on.
func (db *DB) ResumeImport(ctx context.Context, id int64) error {
	return db.askImport(ctx, id, ask.ResumeImport)
}

// askImport lets decide change an import's task, locked with its job, and tells it
// whether it is too late for that. A task that has left is one that has succeeded.
func (db *DB) askImport(
	ctx context.Context, id int64, decide func(t *dxf.Task, j dxf.ImportJob, late bool) (changed, forget bool, err error),
) error {
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		t, late, err := db.lockTask(ctx, tx, dxf.ImportRef(id))
		if errors.Is(err, dxf.ErrNotFound) {
			t, err = dxf.Task{State: dxf.TaskSucceed}, nil
		}
		if err != nil {
			return err
		}
		j, err := lockImport(ctx, tx, id)
		if errors.Is(err, dxf.ErrNotFound) {
			return ask.ImportNotFound(id)
		}
		if err != nil {
			return err
		}
		changed, forget, err := decide(&t, j, late)
		if forget {
			return db.changeImport(ctx, tx, id, dxf.OnImport(func(j *dxf.ImportJob) { j.Status = dxf.ImportCancelled }))
		}
		if err != nil || !changed {
			return err
		}
		return writeRequest(ctx, tx, t)
	})
}

func lockImport(ctx context.Context, tx *sqlx.Tx, id int64) (dxf.ImportJob, error) {
	const lockSQL = `SELECT id FROM tidb_import_jobs WHERE id = ? FOR UPDATE`
	const jobSQL = `SELECT ` + importColumns + ` WHERE j.id = ?`
	var row importRow
	err := tx.GetContext(ctx, &id, lockSQL, id)
	if err == nil {
		err = tx.GetContext(ctx, &row, jobSQL, id)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.ImportJob{}, dxf.ErrNotFound
	}
	if err != nil {
		return dxf.ImportJob{}, err
	}
	return row.job()
}

// changeImport applies f to an import job's row, with Rows as of now. An ended
// job never changes: f is not called, and that is no error.
func (db *DB) changeImport(ctx context.Context, tx *sqlx.Tx, id int64, f func(dxf.JobRow)) error {
	const updateSQL = `
		UPDATE tidb_import_jobs SET
			start_time = ?, update_time = ?, end_time = ?, source_file_size = ?, status = ?, step = ?, summary = ?, error_message = ?
		WHERE id = ?`
	const ourSQL = `UPDATE import_job SET waiting = ?, error = ? WHERE job_id = ?`
	j, err := lockImport(ctx, tx, id)
	if errors.Is(err, dxf.ErrNotFound) || err == nil && j.Status.Ended() {
		return nil
	}
	if err != nil {
		return err
	}
	var now time.Time
	if j.Rows, now, err = db.rowCount(ctx, tx, dxf.ImportRef(id)); err != nil {
		return err
	}
	f(&j)
	ask.StampImport(&j, now)
	var summary, message any
	if j.Status == dxf.ImportFinished {
		summary = asJSON(importSummary{j.Rows})
	}
	if j.Error != nil {
		message = shorten(j.Error.Text(), maxErrorText)
	}
	if _, err := change(ctx, tx, updateSQL, nullTime(j.StartTime), nullTime(j.UpdateTime), nullTime(j.EndTime),
		j.SourceSize, string(j.Status), string(j.Phase), summary, message, id); err != nil {
		return err
	}
	_, err = change(ctx, tx, ourSQL, j.Waiting, asJSON(j.Error), id)
	return err
}

func nullTime(t time.Time) sql.NullTime { return sql.NullTime{Time: t, Valid: !t.IsZero()} }

// shorten returns at most n bytes of a text, in whole characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := 0
	for i := range s {
		if i > n {
			break
		}
		end = i
	}
	return s[:end]
}
