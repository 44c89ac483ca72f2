package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
	"dxfproxy/store/internal/ask"
)

// CancelJob asks for a job's cancellation.
func (db *DB) CancelJob(ctx context.Context, id int64) error {
	return db.ask(ctx, id, ask.Cancel)
}

// PauseJob asks for a job's pause.
func (db *DB) PauseJob(ctx context.Context, id int64) error {
	return db.ask(ctx, id, ask.Pause)
}

// ResumeJob asks a paused job to go on.
func (db *DB) ResumeJob(ctx context.Context, id int64) error {
	return db.ask(ctx, id, ask.Resume)
}

// AlterJob asks for other parameters of a job.
func (db *DB) AlterJob(ctx context.Context, id int64, mods []dxf.Modification) error {
	return db.ask(ctx, id, ask.Alter(mods))
}

// ask lets decide change a task and its job, both locked, and tells it whether it is
// too late for that.
func (db *DB) ask(ctx context.Context, id int64, decide func(t *dxf.Task, j *dxf.Job, late bool) (changed bool, err error)) error {
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		t, late, err := db.lockTask(ctx, tx, dxf.DDLRef(id))
		if errors.Is(err, dxf.ErrNotFound) {
			return ask.NotFound(id)
		}
		if err != nil {
			return err
		}
		j, err := lockJob(ctx, tx, id)
		if errors.Is(err, dxf.ErrNotFound) { // in the history
			return ask.NotFound(id)
		}
		if err != nil {
			return err
		}
		changed, err := decide(&t, &j, late)
		if err != nil || !changed {
			return err
		}
		if err := writeRequest(ctx, tx, t); err != nil {
			return err
		}
		return updateJob(ctx, tx, j)
	})
}

// lockTask reads a job's task and locks it, and says whether its effect may be in place;
// dxf.ErrNotFound.
func (db *DB) lockTask(ctx context.Context, tx *sqlx.Tx, job dxf.JobRef) (t dxf.Task, late bool, err error) {
	// Everybody locks tasks by id. To lock by key would take two locks, of the
	// index and of the row, in the order opposite to theirs.
	const findSQL = `SELECT id FROM tidb_global_task WHERE task_key IN (?)`
	const lockSQL = `SELECT ` + taskColumns + ` FROM tidb_global_task WHERE id = ? FOR UPDATE`
	const countSQL = `SELECT state, COUNT(*) AS n FROM tidb_background_subtask WHERE task_key = ? AND step = ? GROUP BY state`
	q, args, err := sqlx.In(findSQL, db.types.TaskKeys(job))
	if err != nil {
		return t, false, fmt.Errorf("find the task of %s: %w", job, err)
	}
	var row taskRow
	err = tx.GetContext(ctx, &row.ID, q, args...)
	if err == nil {
		err = tx.GetContext(ctx, &row, lockSQL, row.ID)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return t, false, dxf.ErrNotFound
	}
	if err != nil {
		return t, false, err
	}
	if t, err = row.task(); err != nil {
		return t, false, err
	}
	var states []struct {
		State string `db:"state"`
		N     int    `db:"n"`
	}
	if err := tx.SelectContext(ctx, &states, countSQL, decimal(t.ID), int(t.Step)); err != nil {
		return t, false, err
	}
	subs := make(dxf.Counts)
	for _, s := range states {
		subs[dxf.SubtaskState(s.State)] = s.N
	}
	return t, db.types[t.Type].Late(t, subs), nil
}

// writeRequest writes what was asked of a task.
func writeRequest(ctx context.Context, tx *sqlx.Tx, t dxf.Task) error {
	const askSQL = `UPDATE tidb_global_task SET state = ?, modify_params = ?, state_update_time = NOW() WHERE id = ?`
	_, err := change(ctx, tx, askSQL, string(t.State), text(t.ModifyParams), t.ID)
	return err
}

// taskOf reads a job's task; dxf.ErrNotFound when it has ended and left.
func (db *DB) taskOf(ctx context.Context, job dxf.JobRef) (t dxf.Task, head dxf.MetaHead, err error) {
	const taskSQL = `SELECT ` + taskColumns + ` FROM tidb_global_task WHERE task_key IN (?)`
	q, args, err := sqlx.In(taskSQL, db.types.TaskKeys(job))
	if err != nil {
		return t, head, fmt.Errorf("find the task of %s: %w", job, err)
	}
	var row taskRow
	err = db.meta.GetContext(ctx, &row, q, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return t, head, dxf.ErrNotFound
	}
	if err == nil {
		t, err = row.task()
	}
	if err != nil {
		return t, head, err
	}
	if head, err = dxf.HeadOf(t.Meta); err != nil {
		err = fmt.Errorf("read meta of task %d: %w", t.ID, err)
	}
	return t, head, err
}

// JobProgress tells how far an unfinished job is.
func (db *DB) JobProgress(ctx context.Context, jobID int64) (dxf.Progress, error) {
	const waitingSQL = `SELECT COALESCE(JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.waiting'), '') FROM tidb_ddl_job WHERE job_id = ?`
	t, head, err := db.taskOf(ctx, dxf.DDLRef(jobID))
	if err != nil {
		return dxf.Progress{}, err
	}
	subs, err := db.Subtasks(ctx, t.ID, t.Step)
	if err != nil {
		return dxf.Progress{}, err
	}
	var waiting string
	if err := db.meta.GetContext(ctx, &waiting, waitingSQL, jobID); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return dxf.Progress{}, dxf.ErrNotFound
		}
		return dxf.Progress{}, err
	}
	p := dxf.Progress{State: t.State, Step: t.Step, Total: head.Rows, Subtasks: subs, Waiting: waiting}
	for _, s := range subs {
		p.Done += s.Summary.RowCount
	}
	return p, nil
}
