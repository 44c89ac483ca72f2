package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
	"dxfproxy/store/internal/ask"
)

// Advance moves a task with its subtasks and its job: all or nothing.
func (db *DB) Advance(ctx context.Context, t dxf.Term, a dxf.Advance) error {
	const lockSQL = `SELECT state, step FROM tidb_global_task WHERE id = ? FOR UPDATE`
	const moveSQL = `
		UPDATE tidb_global_task SET
			state = ?, step = ?, concurrency = IF(? > 0, ?, concurrency),
			error = IF(?, NULL, COALESCE(?, error)), meta = COALESCE(?, meta),
			modify_params = IF(?, NULL, modify_params),
			start_time = IF(? AND start_time IS NULL, NOW(), start_time),
			end_time = IF(?, NOW(), end_time),
			state_update_time = NOW()
		WHERE id = ?`
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		if err := fenceOwner(ctx, tx, t); err != nil {
			return err
		}
		var is struct {
			State string        `db:"state"`
			Step  sql.NullInt64 `db:"step"`
		}
		err := tx.GetContext(ctx, &is, lockSQL, a.Task.ID)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return dxf.ErrTaskChanged
		case err != nil:
			return err
		case is.State != string(a.Task.State) || is.Step.Int64 != int64(a.Task.Step):
			return dxf.ErrTaskChanged
		}
		_, err = change(
			ctx, tx, moveSQL,
			a.State, int(a.Step), a.Concurrency, a.Concurrency,
			a.State == dxf.TaskSucceed, asJSON(a.Error), text(a.Meta),
			a.Task.State == dxf.TaskModifying && a.State != dxf.TaskModifying,
			a.State == dxf.TaskRunning, a.State.Ended(),
			a.Task.ID,
		)
		if err != nil {
			return err
		}
		if err := db.insertSubtasks(ctx, tx, a); err != nil || a.Change == nil {
			return err
		}
		return db.changeRow(ctx, tx, a.Job, a.Change)
	})
}

// insertSubtasks writes the subtasks of the new step, some hundred in each
// statement.
func (db *DB) insertSubtasks(ctx context.Context, tx *sqlx.Tx, a dxf.Advance) error {
	const insertSQL = `
		INSERT INTO tidb_background_subtask
			(step, namespace, task_key, ddl_physical_tid, type, exec_id, state, checkpoint, concurrency,
			 create_time, start_time, state_update_time, meta, ordinal, summary)
		VALUES `
	const rowSQL = `(?, '', ?, 0, ?, ?, 'pending', '{}', ?, NOW(), 0, UNIX_TIMESTAMP(), ?, ?, '{}')`
	const batch = 200
	concurrency := a.Concurrency
	if concurrency == 0 {
		concurrency = a.Task.Concurrency
	}
	key := strconv.FormatInt(a.Task.ID, 10)
	for subs := a.Subtasks; len(subs) > 0; {
		n := min(batch, len(subs))
		args := make([]any, 0, 7*n)
		for _, s := range subs[:n] {
			args = append(args, int(a.Step), key, db.types[a.Task.Type].Number, s.ExecID, concurrency, text(s.Meta), s.Ordinal)
		}
		q := insertSQL + strings.TrimSuffix(strings.Repeat(rowSQL+", ", n), ", ")
		if _, err := tx.ExecContext(ctx, q, args...); err != nil {
			return err
		}
		subs = subs[n:]
	}
	return nil
}

// changeJob applies change to a job's row; a job that has ended moves to the
// history. A job that is not there has ended before.
func (db *DB) changeJob(ctx context.Context, tx *sqlx.Tx, id int64, change func(dxf.JobRow)) error {
	j, err := lockJob(ctx, tx, id)
	if errors.Is(err, dxf.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var now time.Time
	if j.RowCount, now, err = db.rowCount(ctx, tx, dxf.DDLRef(id)); err != nil {
		return err
	}
	change(&j)
	ask.Stamp(&j, now)
	if !j.State.Ended() {
		return updateJob(ctx, tx, j)
	}
	return endJob(ctx, tx, j)
}
