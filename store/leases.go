package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
)

// subtaskSeconds: exec_expired has whole seconds (TiDB's column) and NOW() is
// cut down to one, so one more makes the lease at least as long as promised.
var subtaskSeconds = seconds(dxf.SubtaskLease) + 1

// Assigned lists the pending and running subtasks bound to a node, with their
// tasks, best task first.
func (db *DB) Assigned(ctx context.Context, nodeID string) ([]dxf.Assignment, error) {
	const subtasksSQL = `
		SELECT ` + subtaskColumns + ` FROM tidb_background_subtask
		WHERE exec_id = ? AND state IN ('pending', 'running') ORDER BY step, ordinal, id`
	const tasksSQL = `
		SELECT ` + taskColumns + ` FROM tidb_global_task WHERE id IN (?) ORDER BY priority, create_time, id`
	subs, err := selectSubtasks(ctx, db.meta, subtasksSQL, nodeID)
	if err != nil || len(subs) == 0 {
		return nil, err
	}
	byTask := make(map[int64][]dxf.Subtask)
	var ids []int64
	for _, s := range subs {
		if byTask[s.TaskID] == nil {
			ids = append(ids, s.TaskID)
		}
		byTask[s.TaskID] = append(byTask[s.TaskID], s)
	}
	q, args, err := sqlx.In(tasksSQL, ids)
	if err != nil {
		return nil, err
	}
	var rows []taskRow
	if err := db.meta.SelectContext(ctx, &rows, q, args...); err != nil {
		return nil, err
	}
	assigned := make([]dxf.Assignment, 0, len(subs))
	for _, r := range rows {
		t, err := r.task()
		if err != nil {
			return nil, err
		}
		for _, s := range byTask[t.ID] {
			assigned = append(assigned, dxf.Assignment{Subtask: s, Task: t})
		}
	}
	return assigned, nil
}

// Lease takes a pending subtask bound to this node.
func (db *DB) Lease(ctx context.Context, s dxf.Subtask) (dxf.Subtask, error) {
	const leaseSQL = `
		UPDATE tidb_background_subtask
		SET state = 'running', epoch = epoch + 1, exec_expired = NOW() + INTERVAL ? SECOND,
			start_time = IF(COALESCE(start_time, 0) = 0, UNIX_TIMESTAMP(), start_time), state_update_time = UNIX_TIMESTAMP()
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'pending'`
	const rowSQL = `SELECT ` + subtaskColumns + ` FROM tidb_background_subtask
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running'`
	if err := db.alone(ctx, dxf.ErrLeaseLost, leaseSQL, subtaskSeconds, s.ID, s.ExecID, s.Epoch); err != nil {
		return dxf.Subtask{}, err
	}
	// The epoch is ours: a row that has another by now was taken away again.
	subs, err := selectSubtasks(ctx, db.meta, rowSQL, s.ID, s.ExecID, s.Epoch+1)
	if err == nil && len(subs) == 0 {
		err = dxf.ErrLeaseLost
	}
	if err != nil {
		return dxf.Subtask{}, err
	}
	return subs[0], nil
}

// Held reads a running subtask as it is once no transaction is under way that could
// still change it.
func (db *DB) Held(ctx context.Context, l dxf.Lease) (dxf.Subtask, error) {
	const heldSQL = `SELECT ` + subtaskColumns + ` FROM tidb_background_subtask
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running' FOR UPDATE`
	subs, err := selectSubtasks(ctx, db.meta, heldSQL, l.SubtaskID, l.ExecID, l.Epoch)
	if err == nil && len(subs) == 0 {
		err = dxf.ErrLeaseLost
	}
	if err != nil {
		return dxf.Subtask{}, err
	}
	return subs[0], nil
}

// Release gives a running subtask back.
func (db *DB) Release(ctx context.Context, l dxf.Lease) error {
	const releaseSQL = `
		UPDATE tidb_background_subtask
		SET state = 'pending', epoch = epoch + 1, exec_expired = NULL, state_update_time = UNIX_TIMESTAMP()
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running'`
	return must(ctx, db.meta, dxf.ErrLeaseLost, releaseSQL, l.SubtaskID, l.ExecID, l.Epoch)
}

// Finish ends a running subtask.
func (db *DB) Finish(ctx context.Context, l dxf.Lease, state dxf.SubtaskState, sum dxf.Summary, e *dxf.Error) error {
	const finishSQL = `
		UPDATE tidb_background_subtask
		SET state = ?, summary = ?, error = ?, exec_expired = NULL, state_update_time = UNIX_TIMESTAMP(), end_time = IF(?, NOW(), NULL)
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running'`
	return db.alone(
		ctx, dxf.ErrLeaseLost, finishSQL,
		string(state), asJSON(sum), asJSON(e), state.Ended(), l.SubtaskID, l.ExecID, l.Epoch,
	)
}

// Progress writes the summary of a running subtask, unless its worker is in
// a transaction that will write a newer one.
func (db *DB) Progress(ctx context.Context, l dxf.Lease, sum dxf.Summary) error {
	const lockSQL = `
		SELECT id FROM tidb_background_subtask
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running' FOR UPDATE SKIP LOCKED`
	const progressSQL = `UPDATE tidb_background_subtask SET summary = ?, state_update_time = UNIX_TIMESTAMP() WHERE id = ?`
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		var id int64
		err := tx.GetContext(ctx, &id, lockSQL, l.SubtaskID, l.ExecID, l.Epoch)
		if errors.Is(err, sql.ErrNoRows) {
			return checkLease(ctx, tx, l)
		}
		if err != nil {
			return err
		}
		_, err = change(ctx, tx, progressSQL, asJSON(sum), id)
		return err
	})
}

// SaveCheckpoint writes checkpoint (nil keeps the old one) and summary in the
// caller's transaction, renews the lease, and is the transaction's fence: the
// row stays locked until the caller commits.
func (db *DB) SaveCheckpoint(ctx context.Context, tx *sql.Tx, l dxf.Lease, checkpoint []byte, sum dxf.Summary) error {
	const saveSQL = `
		UPDATE {meta}.tidb_background_subtask
		SET checkpoint = COALESCE(?, checkpoint), summary = ?, exec_expired = NOW() + INTERVAL ? SECOND, state_update_time = UNIX_TIMESTAMP()
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running'`
	return must(
		ctx, tx, dxf.ErrLeaseLost, db.here(saveSQL),
		text(checkpoint), asJSON(sum), subtaskSeconds, l.SubtaskID, l.ExecID, l.Epoch,
	)
}

// SaveSQL is SaveCheckpoint as text, for a batch of statements that is sent in one go: the first
// saves, and the second, a SELECT whose second column is the one given, is the fence. It
// fails with the server's error 1690, out of range, unless the lease holds; an arithmetic
// overflow is an error in every mode of every server.
func (db *DB) SaveSQL(l dxf.Lease, checkpoint []byte, sum dxf.Summary, column string) (save, fence string) {
	const saveSQL = `UPDATE {meta}.tidb_background_subtask
		SET checkpoint = COALESCE(%s, checkpoint), summary = %s, exec_expired = NOW() + INTERVAL %d SECOND, state_update_time = UNIX_TIMESTAMP()
		WHERE %s`
	const fenceSQL = `SELECT 18446744073709551615 + (COUNT(*) = 0), %s FROM {meta}.tidb_background_subtask WHERE %s LOCK IN SHARE MODE`
	held := fmt.Sprintf("id = %d AND exec_id = %s AND epoch = %d AND state = 'running'", l.SubtaskID, literal([]byte(l.ExecID)), l.Epoch)
	summary, _ := asJSON(sum).(string)
	save = fmt.Sprintf(saveSQL, literal(checkpoint), literal([]byte(summary)), subtaskSeconds, held)
	return db.here(save), db.here(fmt.Sprintf(fenceSQL, column, held))
}

// literal writes a text as hexadecimal digits, so that nothing in it means anything; none is NULL.
func literal(b []byte) string {
	if len(b) == 0 {
		return "NULL"
	}
	return fmt.Sprintf("CONVERT(0x%x USING utf8mb4)", b)
}

// CheckLease reads whether the lease still holds.
func (db *DB) CheckLease(ctx context.Context, l dxf.Lease) error { return checkLease(ctx, db.meta, l) }

func checkLease(ctx context.Context, q sqlx.QueryerContext, l dxf.Lease) error {
	const checkSQL = `SELECT 1 FROM tidb_background_subtask WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running'`
	var one int
	err := sqlx.GetContext(ctx, q, &one, checkSQL, l.SubtaskID, l.ExecID, l.Epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.ErrLeaseLost
	}
	return err
}
