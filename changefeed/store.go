package changefeed

import (
	"context"
	"database/sql"

	"dxfproxy/dxf"
)

// Store is what appliers need of the store.
type Store interface {
	// Claimable lists the feeds in mode merge, paused or strict that nobody
	// holds or whose lease has run out.
	Claimable(ctx context.Context) ([]dxf.Feed, error)
	// Claim takes a feed for a node: epoch one higher, lease starting now.
	// dxf.ErrLeaseLost: another node was faster.
	Claim(ctx context.Context, jobID int64, nodeID string) (dxf.Feed, error)
	// RenewFeed renews the lease and returns the row as it is now (its mode may
	// have been changed by a worker). dxf.ErrLeaseLost: taken over;
	// dxf.ErrNotFound: the job is over.
	RenewFeed(ctx context.Context, f dxf.Feed) (dxf.Feed, error)
	// ReleaseFeed gives the lease up, so that another node takes the feed at once.
	ReleaseFeed(ctx context.Context, f dxf.Feed) error
	// CommitFeed writes, in the caller's transaction, position, applied count,
	// lag time, mode and the acknowledged markers, provided that the epoch is
	// still f's and the mode in the row is still f.Mode; else dxf.ErrLeaseLost,
	// and the caller rolls back and reads the row again.
	CommitFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed, c dxf.FeedCommit) error
	// CommitSQL is CommitFeed as statements of a transaction that is sent as one text, and
	// an expression that is true after them where it would be dxf.ErrLeaseLost.
	CommitSQL(f dxf.Feed, c dxf.FeedCommit) (statements []string, lost string)
	// OpenWindow writes down where a window ends before it is applied in several
	// transactions; CommitFeed with f.WindowFile set closes it. Fenced as CommitFeed,
	// and by f's position: a call that arrives late opens nothing.
	OpenWindow(ctx context.Context, f dxf.Feed, file string, pos uint32) error
	// FenceFeed makes the caller's transaction one that no later holder of the feed
	// can meet: it has ended before the feed's row can be changed. dxf.ErrLeaseLost
	// as CommitFeed, and the caller rolls back.
	FenceFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed) error
	// FailFeed puts the feed into FeedFailed with the error (fenced by epoch).
	FailFeed(ctx context.Context, f dxf.Feed, e *dxf.Error) error
}
