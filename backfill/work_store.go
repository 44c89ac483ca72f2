package backfill

import (
	"context"
	"database/sql"

	"dxfproxy/dxf"
	"dxfproxy/executor"
)

// WorkerStore is what backfills need.
type WorkerStore interface {
	executor.Leases
	Feeds
	Batches
}

// Batches is how a chunk gets to the store in one round trip.
type Batches interface {
	// SaveSQL is SaveCheckpoint as text, and a SELECT which is the fence: it fails with
	// error 1690 unless the lease holds. Its second column is the one given.
	SaveSQL(l dxf.Lease, checkpoint []byte, sum dxf.Summary, column string) (save, fence string)
	// Batches is a pool whose sessions take several statements at once.
	Batches() *sql.DB
}

// Feeds is what executors ask of changefeeds.
type Feeds interface {
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
