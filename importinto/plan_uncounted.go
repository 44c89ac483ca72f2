package importinto

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// makeUncounted makes the table that is loaded in the place of the staging table,
// and returns its name; "" where none is of use, or the server cannot exchange it.
func (p *Planner) makeUncounted(ctx context.Context, s *server.Session, m Meta) (string, error) {
	if s.Family != server.MariaDB {
		return "", nil // MySQL keeps the counter beside the pages
	}
	name, err := table.UncountedName(m.Table, p.Secret.Job(m.JobID))
	if err != nil {
		return "", nil //nolint:nilerr // no name of this length: it is loaded as it is
	}
	staging, err := table.Load(ctx, s, m.Schema, m.Staging)
	if err != nil {
		return "", err
	}
	statements := table.Uncounted(staging, name)
	if len(statements) == 0 || !bringsNumbers(m, staging.AutoIncrementColumn()) {
		return "", nil
	}
	for i, statement := range statements {
		_, err := s.ExecContext(ctx, statement)
		if server.IsErr(err, server.ErrTableExists) && i == 0 {
			return "", executor.InTheWay(name) // one that sweep could not take for ours
		}
		var refusal *mysql.MySQLError
		if errors.As(err, &refusal) {
			p.Log.Info("one chunk at a time: the server cannot load without AUTO_INCREMENT", zap.Int64("import", m.JobID), zap.Error(err))
			return "", executor.DropTable(ctx, s, m.Schema, name)
		}
		if err != nil {
			return "", fmt.Errorf("make a table without AUTO_INCREMENT: %w", err)
		}
	}
	return name, nil
}

// bringsNumbers says whether the rows have a field for the column. That it may be
// empty, the loader will see; a dump's statements may have columns of their own.
func bringsNumbers(m Meta, column string) bool {
	if slices.ContainsFunc(m.Set, func(s sqltext.ImportSet) bool { return strings.EqualFold(s.Column, column) }) {
		return false
	}
	return m.Fields == nil || slices.ContainsFunc(m.Fields, func(f sqltext.ImportField) bool { return strings.EqualFold(f.Column, column) })
}
