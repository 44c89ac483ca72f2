package executor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// A Planner is what the planners of all task types have in common. A type's own planner
// embeds it, and adds Plan, OnDone, Complete and Eligible (see dxf.Planner).
type Planner struct {
	// Secret is a part of the names of the jobs' locks, so that nobody else can know
	// them. It is set before the first plan.
	Secret dxf.Secret

	DB  *sql.DB
	Log *zap.Logger

	// Tell notes what the task in hand waits for. A type's planner serves many tasks at
	// once, so it makes a copy of itself for each call and sets Tell there.
	dxf.Tell
}

// NewPlanner makes the shared half of a planner. db is a pool of connections to the store
// under the account that does the jobs' work; log may be nil.
func NewPlanner(db *sql.DB, log *zap.Logger) Planner {
	if log == nil {
		log = zap.NewNop()
	}
	return Planner{DB: db, Log: log}
}

// IsRetryableErr says whether planning or cleaning should be tried again: the
// store went away, somebody held a lock too long, or it is not known yet what
// the outcome is.
func (Planner) IsRetryableErr(err error) bool {
	var own *dxf.Error
	var open dxf.InDoubt
	switch {
	case err == nil:
		return false
	case errors.As(err, &open):
		return true
	case errors.As(err, &own):
		return false
	}
	return server.Passes(err) || errors.Is(err, errHeld) || errors.Is(err, server.ErrLargeFile)
}

// Mendable marks an error of clean-up that somebody can mend by a GRANT (dxf.Mendable): the
// node's own account lacks a privilege. Other errors are returned as they are.
func Mendable(err error) error {
	if server.Denied(err) {
		return dxf.Mendable{Err: err}
	}
	return err
}

// InTheWay is the error of a job that needs a name which another table has.
func InTheWay(name string) error { return dxf.Errorf("table %s is in the way", name) }

// DropTable drops a table of a job, if it is there.
func DropTable(ctx context.Context, s *server.Session, schema, name string) error {
	if _, err := s.ExecContext(ctx, "DROP TABLE IF EXISTS "+server.Quote(schema, name)); err != nil {
		return fmt.Errorf("drop %s: %w", name, err)
	}
	return nil
}
