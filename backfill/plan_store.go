package backfill

import (
	"context"
	"database/sql"

	"dxfproxy/dxf"
)

// PlannerStore is what the planner of backfills needs of the store.
type PlannerStore interface {
	// StartFeed writes the changefeed row of f.JobID in the caller's
	// transaction: mode merge at f.File and f.Pos of f.Server, held by nobody, nothing
	// applied; a row of an earlier attempt is replaced and its markers are
	// forgotten. The caller's transaction is on the session that holds the
	// job's lock, so a frozen former owner cannot turn the position back.
	StartFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed) error
	// Feed returns a job's feed; dxf.ErrNotFound when there is none.
	Feed(ctx context.Context, jobID int64) (dxf.Feed, error)
	// StopFeed ends the feed in the caller's transaction and keeps its row: mode
	// sealed under a new epoch, held by nobody. The applier's next write is
	// refused and rolled back. It is no error when there is no feed.
	StopFeed(ctx context.Context, tx *sql.Tx, jobID int64) error
	// DropFeed removes the feed's row and its markers in the caller's
	// transaction. The applier's next write finds no row and is rolled back.
	// It is no error when there is none.
	DropFeed(ctx context.Context, tx *sql.Tx, jobID int64) error
	// Job finds a job, unfinished or ended; History lists the newest n ended ones.
	Job(ctx context.Context, id int64) (dxf.Job, error)
	History(ctx context.Context, n int) ([]dxf.Job, error)
	// ImportJobs lists all imports, unfinished and ended.
	ImportJobs(ctx context.Context) ([]dxf.ImportJob, error)
	// Subtasks lists the subtasks of one step, by ordinal.
	Subtasks(ctx context.Context, taskID int64, step dxf.Step) ([]dxf.Subtask, error)
}
