package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"dxfproxy/dxf"
)

// taskColumns are those of taskRow, in this order.
const taskColumns = `id, task_key, type, state, step, priority, concurrency, target_scope, max_node_count,
	meta, error, error_count, modify_params, create_time, start_time, state_update_time, end_time, submitter`

type taskRow struct {
	ID           int64          `db:"id"`
	Key          string         `db:"task_key"`
	Type         string         `db:"type"`
	State        string         `db:"state"`
	Step         sql.NullInt64  `db:"step"`
	Priority     sql.NullInt64  `db:"priority"`
	Concurrency  sql.NullInt64  `db:"concurrency"`
	TargetScope  sql.NullString `db:"target_scope"`
	MaxNodeCount sql.NullInt64  `db:"max_node_count"`
	Meta         []byte         `db:"meta"`
	Error        []byte         `db:"error"`
	ErrorCount   int            `db:"error_count"`
	ModifyParams []byte         `db:"modify_params"`
	Create       sql.NullTime   `db:"create_time"`
	Start        sql.NullTime   `db:"start_time"`
	Update       sql.NullTime   `db:"state_update_time"`
	End          sql.NullTime   `db:"end_time"`
	Submitter    string         `db:"submitter"`
}

func (r taskRow) task() (dxf.Task, error) {
	e, err := readError(r.Error)
	if err != nil {
		return dxf.Task{}, fmt.Errorf("read task %d: %w", r.ID, err)
	}
	return dxf.Task{
		ID: r.ID, Key: r.Key, Type: dxf.TaskType(r.Type), State: dxf.TaskState(r.State), Step: dxf.Step(r.Step.Int64),
		Priority: int(r.Priority.Int64), Concurrency: int(r.Concurrency.Int64),
		TargetScope: r.TargetScope.String, User: r.Submitter, MaxNodeCount: int(r.MaxNodeCount.Int64),
		Meta: r.Meta, Error: e, ErrorCount: r.ErrorCount, ModifyParams: r.ModifyParams,
		CreateTime: r.Create.Time, StartTime: r.Start.Time, UpdateTime: r.Update.Time, EndTime: r.End.Time,
	}, nil
}

// readError reads a column error: NULL, or a dxf.Error as JSON.
func readError(b []byte) (*dxf.Error, error) {
	if len(b) == 0 {
		return nil, nil
	}
	e := new(dxf.Error)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("column error: %w", err)
	}
	return e, nil
}

// asJSON is the value of a column for v; nil pointers become NULL.
func asJSON(v any) any {
	if e, ok := v.(*dxf.Error); ok && e == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil { // only our own plain structs come here
		panic(err)
	}
	// As text: the server must not take it for binary in a JSON column.
	return string(b)
}

// text turns bytes that are text into an argument; empty ones are NULL.
func text(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return string(b)
}

// Tasks lists the tasks that have not ended, best rank first.
func (db *DB) Tasks(ctx context.Context) ([]dxf.Task, error) {
	const tasksSQL = `
		SELECT ` + taskColumns + ` FROM tidb_global_task
		WHERE state NOT IN ('succeed', 'reverted', 'failed') ORDER BY priority, create_time, id`
	var rows []taskRow
	if err := db.meta.SelectContext(ctx, &rows, tasksSQL); err != nil {
		return nil, err
	}
	tasks := make([]dxf.Task, 0, len(rows))
	for _, r := range rows {
		t, err := r.task()
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// CountError adds one to the task's count of retryable errors, remembers the
// error beside it for people, and returns the count.
func (db *DB) CountError(ctx context.Context, taskID int64, e *dxf.Error) (int, error) {
	// LAST_INSERT_ID(expr) hands the new value back without a second statement.
	const countSQL = `UPDATE tidb_global_task SET error_count = LAST_INSERT_ID(error_count + 1), last_error = ? WHERE id = ?`
	r, err := db.meta.ExecContext(ctx, countSQL, asJSON(e), taskID)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, dxf.ErrNotFound
	}
	count, err := r.LastInsertId()
	return int(count), err
}

// unixTime is a column of Unix seconds.
func unixTime(n sql.NullInt64) time.Time {
	if !n.Valid || n.Int64 == 0 {
		return time.Time{}
	}
	return time.Unix(n.Int64, 0).UTC()
}
