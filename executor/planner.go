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

// A Planner is what those of all task types have in common.
type Planner struct {
	// Secret keeps the names of the jobs' locks from others.
	Secret dxf.Secret

	DB  *sql.DB
	Log *zap.Logger

	dxf.Tell // what the task in hand waits for; of a planner that is no task's, nil
}

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

// Mendable marks an error of clean-up that says that the node's own account lacks a privilege.
func Mendable(err error) error {
	if server.Denied(err) {
		return dxf.Mendable{Err: err}
	}
	return err
}

// selectProcessors: MariaDB's default of thread_pool_size is the number of the
// server's processors.
const selectProcessors = `SELECT @@GLOBAL.thread_pool_size`

// processors asks how many the store has; 0 where it does not tell.
func (p Planner) processors(ctx context.Context) (n int, err error) {
	err = p.DB.QueryRowContext(ctx, selectProcessors).Scan(&n)
	if server.IsErr(err, server.ErrUnknownSystemVariable) { // a server without a thread pool
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count the store's processors: %w", err)
	}
	return n, nil
}

// errInTheWay: the name of a table that a job makes is taken.
func InTheWay(name string) error { return dxf.Errorf("table %s is in the way", name) }

// DropTable drops a table, if it is there.
func DropTable(ctx context.Context, s *server.Session, schema, name string) error {
	if _, err := s.ExecContext(ctx, "DROP TABLE IF EXISTS "+server.Quote(schema, name)); err != nil {
		return fmt.Errorf("drop %s: %w", name, err)
	}
	return nil
}
