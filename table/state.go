package table

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Names tells which of a job's tables exist.
type Names struct {
	Shadow bool
	Old    bool // a table under the old name that is not the job's sentry
	Sentry bool // the job's sentry under the old name
}

const selectNames = `SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (?, ?)`

// LoadNames looks. The session should hold the job's lock.
func LoadNames(ctx context.Context, q Querier, schema, shadow, old string, job int64) (Names, error) {
	var n Names
	err := each(ctx, q, func(r *sql.Rows) error {
		var name, comment string
		err := r.Scan(&name, &comment)
		switch {
		case strings.EqualFold(name, shadow):
			n.Shadow = true
		case strings.HasPrefix(comment, fmt.Sprintf("dxf job=%d attempt=", job)):
			n.Sentry = true
		default:
			n.Old = true
		}
		return err
	}, selectNames, schema, shadow, old)
	if err != nil {
		return n, fmt.Errorf("look for the tables of job %d: %w", job, err)
	}
	return n, nil
}
