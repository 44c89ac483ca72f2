package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

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

// ask lets decide change a task and its job, both locked, and tells it how far
// the task's step is.
func (db *DB) ask(ctx context.Context, id int64, decide func(*dxf.Task, *dxf.Job, dxf.Counts) (changed bool, err error)) error {
	// Everybody locks tasks by id. To lock by key would take two locks, of the
	// index and of the row, in the order opposite to theirs.
	const findSQL = `SELECT id FROM tidb_global_task WHERE task_key = ?`
	const lockSQL = `SELECT ` + taskColumns + ` FROM tidb_global_task WHERE id = ? FOR UPDATE`
	const countSQL = `SELECT state, COUNT(*) AS n FROM tidb_background_subtask WHERE task_key = ? AND step = ? GROUP BY state`
	const askSQL = `UPDATE tidb_global_task SET state = ?, modify_params = ?, state_update_time = NOW() WHERE id = ?`
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		var row taskRow
		var taskID int64
		err := tx.GetContext(ctx, &taskID, findSQL, dxf.BackfillKey(id))
		if err == nil {
			err = tx.GetContext(ctx, &row, lockSQL, taskID)
		}
		if errors.Is(err, sql.ErrNoRows) {
			return ask.NotFound(id)
		}
		if err != nil {
			return err
		}
		t, err := row.task()
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
		var states []struct {
			State string `db:"state"`
			N     int    `db:"n"`
		}
		if err := tx.SelectContext(ctx, &states, countSQL, strconv.FormatInt(t.ID, 10), int(t.Step)); err != nil {
			return err
		}
		subs := make(dxf.Counts)
		for _, s := range states {
			subs[dxf.SubtaskState(s.State)] = s.N
		}
		changed, err := decide(&t, &j, subs)
		if err != nil || !changed {
			return err
		}
		if _, err := change(ctx, tx, askSQL, string(t.State), text(t.ModifyParams), t.ID); err != nil {
			return err
		}
		return updateJob(ctx, tx, j)
	})
}

// JobProgress tells how far an unfinished job is.
func (db *DB) JobProgress(ctx context.Context, jobID int64) (dxf.Progress, error) {
	const taskSQL = `SELECT ` + taskColumns + ` FROM tidb_global_task WHERE task_key = ?`
	const waitingSQL = `SELECT COALESCE(JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.waiting'), '') FROM tidb_ddl_job WHERE job_id = ?`
	var row taskRow
	err := db.meta.GetContext(ctx, &row, taskSQL, dxf.BackfillKey(jobID))
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.Progress{}, dxf.ErrNotFound
	}
	if err != nil {
		return dxf.Progress{}, err
	}
	t, err := row.task()
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
	var meta dxf.BackfillMeta
	if err := json.Unmarshal(t.Meta, &meta); err != nil {
		return dxf.Progress{}, fmt.Errorf("read meta of task %d: %w", t.ID, err)
	}
	p := dxf.Progress{State: t.State, Step: t.Step, Total: meta.Rows, Subtasks: subs, Waiting: waiting}
	for _, s := range subs {
		p.Done += s.Summary.RowCount
	}
	return p, nil
}
