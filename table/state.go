package table

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"dxfproxy/server"
)

// Empty says whether a table has no rows that can be seen.
func Empty(ctx context.Context, q server.Querier, schema, name string) (bool, error) {
	var n int
	err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+server.Quote(schema, name)+OnlyTable+" LIMIT 1) AS x").Scan(&n)
	return n == 0, err
}

// Names tells which of a job's tables exist.
type Names struct {
	New    bool
	Old    bool // a table under the old name that is not the job's sentry
	Sentry bool // the job's sentry under the old name
}

const selectNames = `SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (?, ?)`

// LoadNames looks. The session should hold the job's lock.
func LoadNames(ctx context.Context, q server.Querier, schema, shadow, old string, mark Mark) (Names, error) {
	var n Names
	err := server.Each(ctx, q, func(r *sql.Rows) error {
		var name, comment string
		err := r.Scan(&name, &comment)
		switch {
		case strings.EqualFold(name, shadow):
			n.New = true
		case mark.of(comment):
			n.Sentry = true
		default:
			n.Old = true
		}
		return err
	}, selectNames, schema, shadow, old)
	if err != nil {
		return n, fmt.Errorf("look for the tables %s and %s: %w", shadow, old, err)
	}
	if !n.New {
		// information_schema hides what the account may not use: that is not gone.
		err := server.Each(ctx, q, func(*sql.Rows) error { return nil }, "SELECT 1 FROM "+server.Quote(schema, shadow)+" LIMIT 0")
		if server.Denied(err) {
			return n, fmt.Errorf("look for the table %s: %w", shadow, err)
		}
	}
	return n, nil
}
