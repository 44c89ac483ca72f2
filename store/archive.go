package store

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
)

// allTaskColumns and allSubtaskColumns name the invisible ones too, which
// SELECT * leaves out.
const (
	allTaskColumns = `id, task_key, type, dispatcher_id, state, priority, create_time, start_time, state_update_time, end_time,
		meta, concurrency, step, target_scope, error, modify_params, max_node_count, error_count, last_error`
	allSubtaskColumns = `id, step, namespace, task_key, ddl_physical_tid, type, exec_id, exec_expired, state, checkpoint, concurrency,
		create_time, start_time, state_update_time, end_time, meta, ordinal, error, summary, epoch`
)

// Archive moves ended tasks and their subtasks to the history, each in a
// transaction of its own, and forgets history older than 14 days (that of jobs
// is kept, as in TiDB).
func (db *DB) Archive(ctx context.Context, t dxf.Term, limit int) (int, error) {
	const endedSQL = `
		SELECT id FROM tidb_global_task WHERE state IN ('succeed', 'reverted', 'failed') ORDER BY id LIMIT ?`
	var ids []int64
	if err := db.meta.SelectContext(ctx, &ids, endedSQL, limit); err != nil {
		return 0, err
	}
	for i, id := range ids {
		if err := db.tx(ctx, func(tx *sqlx.Tx) error { return archive(ctx, tx, t, id) }); err != nil {
			return i, err
		}
	}
	if last := db.forgot.Load(); len(ids) > 0 && last != nil && time.Since(*last) < forgetEvery {
		return len(ids), nil
	}
	err := db.tx(ctx, func(tx *sqlx.Tx) error { return forget(ctx, tx, t) })
	if now := time.Now(); err == nil {
		db.forgot.Store(&now)
	}
	return len(ids), err
}

// forgetEvery is how often the old history is looked for at least, and at most where tasks
// end all the time.
const forgetEvery = time.Minute

func archive(ctx context.Context, tx *sqlx.Tx, t dxf.Term, id int64) error {
	const lockSQL = `SELECT id FROM tidb_global_task WHERE id = ? AND state IN ('succeed', 'reverted', 'failed') FOR UPDATE`
	const copyTaskSQL = `
		INSERT INTO tidb_global_task_history (` + allTaskColumns + `)
		SELECT ` + allTaskColumns + ` FROM tidb_global_task WHERE id = ?`
	const copySubtasksSQL = `
		INSERT INTO tidb_background_subtask_history (` + allSubtaskColumns + `)
		SELECT ` + allSubtaskColumns + ` FROM tidb_background_subtask WHERE task_key = ?`
	const deleteTaskSQL = `DELETE FROM tidb_global_task WHERE id = ?`
	const deleteSubtasksSQL = `DELETE FROM tidb_background_subtask WHERE task_key = ?`
	if err := fenceOwner(ctx, tx, t); err != nil {
		return err
	}
	var locked []int64
	if err := tx.SelectContext(ctx, &locked, lockSQL, id); err != nil || len(locked) == 0 {
		return err
	}
	for _, step := range []struct {
		query string
		arg   any
	}{
		{copyTaskSQL, id},
		{copySubtasksSQL, decimal(id)},
		{deleteSubtasksSQL, decimal(id)},
		{deleteTaskSQL, id},
	} {
		if _, err := change(ctx, tx, step.query, step.arg); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes a bounded piece of the old history.
func forget(ctx context.Context, tx *sqlx.Tx, t dxf.Term) error {
	const oldSubtasksSQL = `
		DELETE FROM tidb_background_subtask_history
		WHERE state_update_time < UNIX_TIMESTAMP(NOW() - INTERVAL 14 DAY) ORDER BY state_update_time LIMIT 1000`
	const oldTasksSQL = `DELETE FROM tidb_global_task_history WHERE end_time < NOW() - INTERVAL 14 DAY ORDER BY id LIMIT 1000`
	if err := fenceOwner(ctx, tx, t); err != nil {
		return err
	}
	if _, err := change(ctx, tx, oldSubtasksSQL); err != nil {
		return err
	}
	_, err := change(ctx, tx, oldTasksSQL)
	return err
}
