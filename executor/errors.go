package executor

import (
	"context"
	"errors"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// IsRetryableErr says whether the subtask should be tried again in place: the
// connection or the server went away, or somebody held a lock too long.
func (w *Worker) IsRetryableErr(err error) bool {
	var own *dxf.Error
	if err == nil || errors.As(err, &own) {
		return false
	}
	for _, end := range []error{dxf.ErrLeaseLost, dxf.ErrCancelled, dxf.ErrPaused, dxf.ErrNotFound, context.Canceled} {
		if errors.Is(err, end) {
			return false
		}
	}
	return server.Passes(err)
}

// LockTries is how often a single locked row is asked for without waiting
// before it is waited for.
const LockTries = 20
