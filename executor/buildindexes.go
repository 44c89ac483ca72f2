package executor

import (
	"context"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// BuildLockWait is how many seconds (lock_wait_timeout) an index build may wait at its end for
// whoever reads the table: a comparison does so for moments, somebody's backup for longer.
// To give up would mean to build again.
const BuildLockWait = 3600

// AddIndexes builds indexes on the table name, which has about so many rows, and looks whether
// they are there then. lines are those of SHOW CREATE TABLE that define them.
func (r *Run) AddIndexes(ctx context.Context, s *server.Session, name string, lines []string, rows int64) error {
	for _, statement := range table.AddIndexes(r.schema, name, lines) {
		err := r.RunDDL(ctx, s, statement, func(p server.Process) {
			r.Summary.RowCount = int64(p.Fraction() * float64(rows))
			r.Progress()
		})
		if err != nil {
			return server.StatementError(err, r.table)
		}
	}
	missing, err := r.Missing(ctx, s, name, lines)
	if err == nil && len(missing) > 0 {
		err = dxf.Errorf("index %s was built but is not there", missing[0])
	}
	return err
}

// Missing returns those of lines that the table name lacks.
func (r *Run) Missing(ctx context.Context, s *server.Session, name string, lines []string) ([]string, error) {
	text, err := table.ShowCreate(ctx, s, r.schema, name)
	if err != nil {
		return nil, err
	}
	d, err := table.Parse(text)
	if err != nil {
		return nil, err
	}
	return d.Missing(lines), nil
}

// LockTries is how often a row that a client has locked is asked for without waiting, before
// it is waited for.
const LockTries = 20
