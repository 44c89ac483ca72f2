package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
)

// subtaskColumns are those of subtaskRow.
const subtaskColumns = `id, task_key, step, ordinal, state, exec_id, exec_expired, epoch,
	meta, checkpoint, summary, error, start_time, state_update_time`

type subtaskRow struct {
	ID         int64          `db:"id"`
	TaskID     string         `db:"task_key"`
	Step       int            `db:"step"`
	Ordinal    int            `db:"ordinal"`
	State      string         `db:"state"`
	ExecID     sql.NullString `db:"exec_id"`
	Expires    sql.NullTime   `db:"exec_expired"`
	Epoch      int64          `db:"epoch"`
	Meta       []byte         `db:"meta"`
	Checkpoint []byte         `db:"checkpoint"`
	Summary    []byte         `db:"summary"`
	Error      []byte         `db:"error"`
	Start      sql.NullInt64  `db:"start_time"`
	Update     sql.NullInt64  `db:"state_update_time"`
}

func (r subtaskRow) subtask() (dxf.Subtask, error) {
	s := dxf.Subtask{
		ID: r.ID, Step: dxf.Step(r.Step), Ordinal: r.Ordinal,
		State: dxf.SubtaskState(r.State), ExecID: r.ExecID.String, Expires: r.Expires.Time, Epoch: r.Epoch,
		Meta: r.Meta, Checkpoint: r.Checkpoint, StartTime: unixTime(r.Start), UpdateTime: unixTime(r.Update),
	}
	var err error
	if s.TaskID, err = strconv.ParseInt(r.TaskID, 10, 64); err != nil {
		return s, fmt.Errorf("read subtask %d: column task_key: %w", r.ID, err)
	}
	if s.Error, err = readError(r.Error); err != nil {
		return s, fmt.Errorf("read subtask %d: %w", r.ID, err)
	}
	if len(r.Summary) > 0 {
		if err := json.Unmarshal(r.Summary, &s.Summary); err != nil {
			return s, fmt.Errorf("read subtask %d: column summary: %w", r.ID, err)
		}
	}
	return s, nil
}

// selectSubtasks runs a query of subtaskColumns.
func selectSubtasks(ctx context.Context, q sqlx.QueryerContext, query string, args ...any) ([]dxf.Subtask, error) {
	var rows []subtaskRow
	if err := sqlx.SelectContext(ctx, q, &rows, query, args...); err != nil {
		return nil, err
	}
	subs := make([]dxf.Subtask, 0, len(rows))
	for _, r := range rows {
		s, err := r.subtask()
		if err != nil {
			return nil, err
		}
		subs = append(subs, s)
	}
	return subs, nil
}

// Subtasks lists the subtasks of one step, by ordinal.
func (db *DB) Subtasks(ctx context.Context, taskID int64, step dxf.Step) ([]dxf.Subtask, error) {
	const stepSQL = `SELECT ` + subtaskColumns + ` FROM tidb_background_subtask WHERE task_key = ? AND step = ? ORDER BY ordinal`
	return selectSubtasks(ctx, db.meta, stepSQL, strconv.FormatInt(taskID, 10), int(step))
}

// Place binds subtasks to nodes and returns how many moves were made.
func (db *DB) Place(ctx context.Context, t dxf.Term, moves []dxf.Placement) (int, error) {
	const placeSQL = `
		UPDATE tidb_background_subtask
		SET exec_id = ?, state = 'pending', epoch = epoch + 1, exec_expired = NULL, state_update_time = UNIX_TIMESTAMP()
		WHERE id = ? AND epoch = ? AND (state = 'pending' OR state = 'running'
			AND (exec_expired IS NULL OR exec_expired <= NOW() OR exec_id NOT IN (?)))`
	moves = slices.Clone(moves)
	slices.SortFunc(moves, func(a, b dxf.Placement) int { return int(a.SubtaskID - b.SubtaskID) })
	made := 0
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		made = 0
		if err := fenceOwner(ctx, tx, t); err != nil {
			return err
		}
		// Read before, not inside the update: a subquery there would lock the nodes'
		// rows, against the order in which heartbeats lock.
		all, err := db.registrations(ctx, tx)
		if err != nil {
			return err
		}
		live := []string{""} // IN () is no SQL
		for _, r := range all {
			if !r.over {
				live = append(live, r.ID)
			}
		}
		for _, m := range moves {
			q, args, err := sqlx.In(placeSQL, m.ExecID, m.SubtaskID, m.Epoch, live)
			if err != nil {
				return err
			}
			n, err := change(ctx, tx, q, args...)
			if err != nil {
				return err
			}
			made += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return made, nil
}

// SetCheckpoint writes the checkpoint of all subtasks of a step in the caller's
// transaction, which is on the session that holds the job's lock.
func (db *DB) SetCheckpoint(ctx context.Context, tx *sql.Tx, taskID int64, step dxf.Step, checkpoint []byte) error {
	const setSQL = `UPDATE {meta}.tidb_background_subtask SET checkpoint = ? WHERE task_key = ? AND step = ?`
	_, err := change(ctx, tx, db.here(setSQL), text(checkpoint), strconv.FormatInt(taskID, 10), int(step))
	return err
}

// MoveSubtasks puts all subtasks of a step in state from into state to.
func (db *DB) MoveSubtasks(ctx context.Context, t dxf.Term, taskID int64, step dxf.Step, from, to dxf.SubtaskState) error {
	// Found without locks and changed by id, so that running ones, whose
	// workers hold their rows, are not waited for.
	const findSQL = `SELECT id FROM tidb_background_subtask WHERE task_key = ? AND step = ? AND state = ? ORDER BY id`
	const moveSQL = `
		UPDATE tidb_background_subtask
		SET state = ?, epoch = epoch + 1, exec_expired = NULL, state_update_time = UNIX_TIMESTAMP(), end_time = IF(?, NOW(), end_time)
		WHERE id IN (?) AND state = ?`
	if !from.CanMove(to) {
		return fmt.Errorf("subtasks cannot go from %s to %s", from, to)
	}
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		if err := fenceOwner(ctx, tx, t); err != nil {
			return err
		}
		var all []int64
		if err := tx.SelectContext(ctx, &all, findSQL, strconv.FormatInt(taskID, 10), int(step), string(from)); err != nil {
			return err
		}
		for ids := range slices.Chunk(all, 1000) {
			q, args, err := sqlx.In(moveSQL, string(to), to.Ended(), ids, string(from))
			if err != nil {
				return err
			}
			if _, err := change(ctx, tx, q, args...); err != nil {
				return err
			}
		}
		return nil
	})
}
