package importinto

import (
	"context"
	"database/sql"

	"dxfproxy/dxf"
)

// PlannerStore is what Planner needs of the store. Worker needs executor.Leases.
type PlannerStore interface {
	// Subtasks lists the subtasks of one step, by ordinal.
	Subtasks(ctx context.Context, taskID int64, step dxf.Step) ([]dxf.Subtask, error)
	// SetCheckpoint writes the checkpoint of all subtasks of a step in the caller's
	// transaction, which is on the session that holds the job's lock.
	SetCheckpoint(ctx context.Context, tx *sql.Tx, taskID int64, step dxf.Step, checkpoint []byte) error
}
