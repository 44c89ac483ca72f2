package executor

import (
	"context"
	"database/sql"

	"dxfproxy/dxf"
)

// Leases is what workers need of the store beside the users' tables: the fence of all that
// they write.
type Leases interface {
	// SaveCheckpoint writes checkpoint and summary of a running subtask in the
	// caller's transaction and is its fence: dxf.ErrLeaseLost when the lease
	// is over, and then the caller rolls back.
	SaveCheckpoint(ctx context.Context, tx *sql.Tx, l dxf.Lease, checkpoint []byte, sum dxf.Summary) error
	// CheckLease reads whether the lease still holds, outside any transaction.
	CheckLease(ctx context.Context, l dxf.Lease) error
}
