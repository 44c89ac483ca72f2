package executor

import (
	"context"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// BuildLockWait is how many seconds a finished build may wait for whoever reads
// the shadow: a comparison for moments, somebody's backup for longer. Giving up
// means to build again.
const BuildLockWait = 3600

// AddIndexes makes the indexes of these lines on a table of rows rows, and sees
// them there.
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

// Missing lists which of the index lines a table has not.
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
