package backfill

import (
	"context"
	"database/sql"

	"dxfproxy/dxf"
	"dxfproxy/executor"
)

// PlannerStore is what Planner needs of the store.
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

// WorkerStore is what Worker needs of the store.
type WorkerStore interface {
	executor.Leases

	// SaveSQL is SaveCheckpoint as text, and a SELECT which is the fence: it fails with
	// error 1690 unless the lease holds. Its second column is the one given.
	SaveSQL(l dxf.Lease, checkpoint []byte, sum dxf.Summary, column string) (save, fence string)
	// Batches is a pool whose sessions take several statements at once.
	Batches() *sql.DB

	Feed(ctx context.Context, jobID int64) (dxf.Feed, error)
	// SetFeedMode moves a feed between modes (paused to strict, sealed to
	// strict) under the subtask's lease, in one transaction. It is no error
	// when the feed is in mode to already.
	SetFeedMode(ctx context.Context, l dxf.Lease, jobID int64, from, to dxf.FeedMode) error
	// Mark inserts a marker, in a transaction of its own, and returns its id.
	// The applier acknowledges it after everything committed before it.
	Mark(ctx context.Context, jobID int64, kind dxf.MarkerKind) (int64, error)
	// Marked says whether the marker was acknowledged. A feed in FeedFailed
	// answers its error.
	Marked(ctx context.Context, jobID, marker int64) (bool, error)
}
