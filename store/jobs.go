package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/store/internal/ask"
)

// Submit makes the job row and the task row in one transaction.
func (db *DB) Submit(ctx context.Context, j dxf.Job, t dxf.NewTask) (int64, error) {
	const jobSQL = `
		INSERT INTO tidb_ddl_job (job_id, reorg, schema_ids, table_ids, job_meta, type, processing)
		VALUES (?, ?, ?, ?, ?, ?, 0)`
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		id, err := nextJob(ctx, tx)
		if err != nil {
			return err
		}
		j.ID, j.State = id, dxf.JobQueueing
		if j.CreateTime, err = fewEnough(ctx, tx, j.User); err != nil {
			return err
		}
		if err := db.insertTask(ctx, tx, t, dxf.DDLRef(id), j.User); err != nil {
			return err
		}
		_, err = change(ctx, tx, jobSQL, id, j.Reorg != nil, decimal(j.SchemaID), decimal(j.TableID), asJSON(j), j.Action)
		return err
	})
	if err != nil {
		return 0, err
	}
	return j.ID, nil
}

// fewEnough refuses an account with as many unfinished jobs as it may have. Whoever
// asks holds the counter of jobs: two submissions at once are counted one by one. It
// returns the store's time.
func fewEnough(ctx context.Context, tx *sqlx.Tx, user string) (time.Time, error) {
	const factsSQL = `
		SELECT NOW(6) AS now,
			COALESCE((SELECT variable_value FROM global_variables WHERE variable_name = ?), '') AS most,
			(SELECT COUNT(*) FROM tidb_global_task
				WHERE state NOT IN ('succeed', 'reverted', 'failed') AND submitter = ?) AS unfinished`
	var facts struct {
		Now        time.Time `db:"now"`
		Most       string    `db:"most"`
		Unfinished int       `db:"unfinished"`
	}
	if err := tx.GetContext(ctx, &facts, factsSQL, dxf.MaxUserQueuedJobs, user); err != nil {
		return time.Time{}, err
	}
	limit := dxf.UserLimit(map[string]string{dxf.MaxUserQueuedJobs: facts.Most}, dxf.MaxUserQueuedJobs)
	if user != "" && limit > 0 && facts.Unfinished >= limit {
		return time.Time{}, dxf.TooManyJobs(user, limit)
	}
	return facts.Now, nil
}

// insertTask writes the row of a new task of a job of user's. A key that was ever used is
// taken.
func (db *DB) insertTask(ctx context.Context, tx *sqlx.Tx, t dxf.NewTask, job dxf.JobRef, user string) error {
	const usedSQL = `SELECT COUNT(*) FROM tidb_global_task_history WHERE task_key = ?`
	const taskSQL = `
		INSERT INTO tidb_global_task
			(task_key, type, state, priority, create_time, state_update_time, meta, concurrency, step, target_scope, max_node_count, submitter)
		VALUES (?, ?, 'pending', ?, NOW(), NOW(), ?, ?, ?, ?, ?, ?)`
	kind, ok := db.types[t.Type]
	if !ok || kind.Job != job.Kind {
		return fmt.Errorf("no task type %q has a job of kind %s", t.Type, job.Kind)
	}
	if t.Priority == 0 {
		t.Priority = dxf.DefaultPriority
	}
	t.Meta.Head().JobID = job.ID
	key := kind.TaskKey(job.ID)
	var used int
	if err := tx.GetContext(ctx, &used, usedSQL, key); err != nil {
		return err
	}
	if used > 0 {
		return dxf.ErrTaskExists
	}
	_, err := change(ctx, tx, taskSQL, key, string(t.Type), t.Priority, asJSON(t.Meta), t.Concurrency, int(dxf.StepInit), t.TargetScope,
		t.MaxNodeCount, user)
	if server.IsErr(err, server.ErrDupEntry) {
		return dxf.ErrTaskExists
	}
	return err
}

// Record adds ended jobs to the history, all or none, with ids in their order; the last
// one's is returned.
func (db *DB) Record(ctx context.Context, jobs ...dxf.Job) (last int64, err error) {
	for _, j := range jobs {
		if !j.State.Ended() {
			return 0, fmt.Errorf("record job: it is %s", j.State)
		}
	}
	err = db.tx(ctx, func(tx *sqlx.Tx) error {
		if last, err = nextJobs(ctx, tx, len(jobs)); err != nil {
			return err
		}
		now, err := storeNow(ctx, tx)
		if err != nil {
			return err
		}
		rows := slices.Clone(jobs) // the transaction may run again
		for i := range rows {
			j := &rows[i]
			j.ID = last - int64(len(rows)-1-i)
			if j.CreateTime.IsZero() {
				j.CreateTime = now
			}
			ask.Stamp(j, now)
		}
		return insertHistory(ctx, tx, rows...)
	})
	return last, err
}

// nextJob takes a job id.
func nextJob(ctx context.Context, tx *sqlx.Tx) (int64, error) { return nextJobs(ctx, tx, 1) }

// nextJobs takes n job ids, of which the last is returned. Ids become visible in their
// order: the counter's row stays locked until the transaction ends.
func nextJobs(ctx context.Context, tx *sqlx.Tx, n int) (last int64, err error) {
	const nextSQL = `UPDATE counter SET value = LAST_INSERT_ID(value + ?) WHERE name = 'job'`
	r, err := tx.ExecContext(ctx, nextSQL, n)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// microseconds cuts the times of a job to what the view can show, in UTC, the
// form it reads.
func microseconds(j dxf.Job) dxf.Job {
	j.CreateTime = j.CreateTime.UTC().Truncate(1000)
	j.StartTime = j.StartTime.UTC().Truncate(1000)
	j.EndTime = j.EndTime.UTC().Truncate(1000)
	return j
}

func lockJob(ctx context.Context, tx *sqlx.Tx, id int64) (dxf.Job, error) {
	const lockSQL = `SELECT job_meta FROM tidb_ddl_job WHERE job_id = ? FOR UPDATE`
	return readJob(ctx, tx, lockSQL, id)
}

func readJob(ctx context.Context, q sqlx.QueryerContext, query string, id int64) (dxf.Job, error) {
	var meta []byte
	err := sqlx.GetContext(ctx, q, &meta, query, id)
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.Job{}, dxf.ErrNotFound
	}
	if err != nil {
		return dxf.Job{}, err
	}
	return parseJob(id, meta)
}

func parseJob(id int64, meta []byte) (dxf.Job, error) {
	var j dxf.Job
	if err := json.Unmarshal(meta, &j); err != nil {
		return j, fmt.Errorf("read job %d: %w", id, err)
	}
	return j, nil
}

func updateJob(ctx context.Context, tx *sqlx.Tx, j dxf.Job) error {
	const updateSQL = `UPDATE tidb_ddl_job SET job_meta = ?, processing = ? WHERE job_id = ?`
	_, err := change(ctx, tx, updateSQL, asJSON(microseconds(j)), j.State != dxf.JobQueueing, j.ID)
	return err
}

// endJob moves a job to the history.
func endJob(ctx context.Context, tx *sqlx.Tx, j dxf.Job) error {
	const deleteSQL = `DELETE FROM tidb_ddl_job WHERE job_id = ?`
	if _, err := change(ctx, tx, deleteSQL, j.ID); err != nil {
		return err
	}
	return insertHistory(ctx, tx, j)
}

// insertHistory writes jobs that have ended, many in each statement: while they are written
// nobody gets a job id.
func insertHistory(ctx context.Context, tx *sqlx.Tx, jobs ...dxf.Job) error {
	const insertSQL = `
		INSERT INTO tidb_ddl_history (job_id, job_meta, db_name, table_name, schema_ids, table_ids, create_time, submitter)
		VALUES `
	const rowSQL = `(?, ?, ?, ?, ?, ?, ?, ?)`
	const enough = 1 << 20 // bytes; a RENAME of many tables may have as many
	var rows []string
	var args []any
	size := 0
	for i, j := range jobs {
		j = microseconds(j)
		meta, _ := asJSON(j).(string)
		// RENAME TABLE has a list of names, and none need be in UTF-8.
		args = append(args, j.ID, meta, fit(j.Schema, 64), fit(j.Table, 64), decimal(j.SchemaID), decimal(j.TableID), j.CreateTime,
			fit(j.User, maxSubmitter))
		rows = append(rows, rowSQL)
		if size += len(meta); size < enough && i < len(jobs)-1 {
			continue
		}
		if _, err := change(ctx, tx, insertSQL+strings.Join(rows, ", "), args...); err != nil {
			return err
		}
		rows, args, size = nil, nil, 0
	}
	return nil
}

// maxSubmitter is the length of the columns submitter.
const maxSubmitter = 300

// fit cuts a text to a column of n characters in UTF-8.
func fit(s string, n int) string {
	r := []rune(s) // of what is no UTF-8 U+FFFD
	return string(r[:min(len(r), n)])
}

// rowsRead is an expression of SQL that sums what the counting steps of the task of job
// j.job_id, of the kind, have read. A job's task is of one type, and the others find none.
func rowsRead(types dxf.Types, kind dxf.JobKind) string {
	const readSQL = `(
		SELECT COALESCE(SUM(CAST(JSON_VALUE(s.summary, '$.row_count') AS SIGNED)), 0)
		FROM tidb_global_task t JOIN tidb_background_subtask s ON s.task_key = CAST(t.id AS CHAR) AND s.step IN (%s)
		WHERE t.task_key = CONCAT('%s', j.job_id))`
	sums := []string{"0"}
	for _, y := range types.WithJobs(kind) {
		var steps []string
		for _, s := range y.Counting() {
			steps = append(steps, strconv.Itoa(int(s)))
		}
		if len(steps) > 0 {
			sums = append(sums, fmt.Sprintf(readSQL, strings.Join(steps, ", "), y.Key))
		}
	}
	return strings.Join(sums, " + ")
}

// rowCount is ROW_COUNT of an unfinished job, and the store's time.
func (db *DB) rowCount(ctx context.Context, tx *sqlx.Tx, job dxf.JobRef) (n int64, now time.Time, err error) {
	countSQL := `SELECT ` + rowsRead(db.types, job.Kind) + `, NOW(6) FROM (SELECT ? AS job_id) j`
	err = tx.QueryRowContext(ctx, countSQL, job.ID).Scan(&n, &now)
	return n, now, err
}

// Job finds a job, unfinished or in the history.
func (db *DB) Job(ctx context.Context, id int64) (dxf.Job, error) {
	jobSQL := `SELECT j.job_id, j.job_meta, ` + rowsRead(db.types, dxf.JobDDL) + ` AS row_count FROM tidb_ddl_job j WHERE j.job_id = ?`
	const historySQL = `SELECT job_meta FROM tidb_ddl_history WHERE job_id = ?`
	jobs, err := db.selectJobs(ctx, 0, jobSQL, id)
	if err != nil {
		return dxf.Job{}, err
	}
	if len(jobs) > 0 {
		return jobs[0], nil
	}
	// Jobs only ever move this way, so one that ends in between is found here.
	return readJob(ctx, db.meta, historySQL, id)
}

// HasUnfinishedJobs says whether UnfinishedJobs would list any.
func (db *DB) HasUnfinishedJobs(ctx context.Context) (has bool, err error) {
	const hasSQL = `SELECT EXISTS (SELECT 1 FROM tidb_ddl_job)`
	err = db.meta.GetContext(ctx, &has, hasSQL)
	return has, err
}

// UnfinishedJobs lists unfinished jobs by id.
func (db *DB) UnfinishedJobs(ctx context.Context) ([]dxf.Job, error) {
	jobsSQL := `SELECT j.job_id, j.job_meta, ` + rowsRead(db.types, dxf.JobDDL) + ` AS row_count FROM tidb_ddl_job j ORDER BY j.job_id`
	return db.selectJobs(ctx, 0, jobsSQL)
}

// maxListed bounds the bytes of the rows that a list of ended jobs is made of. Clients
// make these rows, ask for as many as they like, and keep their own for ever.
const maxListed = 16 << 20

// History lists the newest n ended jobs, newest first, and of these no more than
// maxListed holds.
func (db *DB) History(ctx context.Context, n int) ([]dxf.Job, error) {
	const historySQL = `SELECT job_id, job_meta, NULL AS row_count FROM tidb_ddl_history ORDER BY job_id DESC LIMIT ?`
	return db.selectJobs(ctx, maxListed, historySQL, n)
}

// UserHistory lists the newest n ended jobs of an account, newest first.
func (db *DB) UserHistory(ctx context.Context, user string, n int) ([]dxf.Job, error) {
	// Whoever asks has nothing but a login: the work is that of the account's own rows.
	const historySQL = `
		SELECT job_id, job_meta, NULL AS row_count FROM tidb_ddl_history WHERE submitter = ? ORDER BY job_id DESC LIMIT ?`
	jobs, err := db.selectJobs(ctx, maxListed, historySQL, fit(user, maxSubmitter), n)
	// To the column a blank at the end is nothing, and a name is as long as it holds.
	return slices.DeleteFunc(jobs, func(j dxf.Job) bool { return j.User != user }), err
}

// selectJobs reads jobs until their rows have most bytes; 0 is all.
func (db *DB) selectJobs(ctx context.Context, most int, query string, args ...any) (jobs []dxf.Job, err error) {
	rows, err := db.meta.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for size := 0; rows.Next() && (most == 0 || size < most); {
		var id int64
		var meta []byte
		var rowCount sql.NullInt64 // NULL: as written when it ended
		if err := rows.Scan(&id, &meta, &rowCount); err != nil {
			return nil, err
		}
		size += len(meta)
		j, err := parseJob(id, meta)
		if err != nil {
			return nil, err
		}
		if rowCount.Valid {
			j.RowCount = rowCount.Int64
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

// SetWaiting notes on a job what it waits for. A job that has ended waits for
// nothing, and that is no error.
func (db *DB) SetWaiting(ctx context.Context, t dxf.Term, job dxf.JobRef, waiting string) error {
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		if err := fenceOwner(ctx, tx, t); err != nil {
			return err
		}
		return db.changeRow(ctx, tx, job, func(r dxf.JobRow) { r.Wait(waiting) })
	})
}

// changeRow applies f to a job's row, in the table of the job's kind. One that has ended
// before never changes: f is not called, and that is no error.
func (db *DB) changeRow(ctx context.Context, tx *sqlx.Tx, job dxf.JobRef, f func(dxf.JobRow)) error {
	if job.Kind == dxf.JobImport {
		return db.changeImport(ctx, tx, job.ID, f)
	}
	return db.changeJob(ctx, tx, job.ID, f)
}
