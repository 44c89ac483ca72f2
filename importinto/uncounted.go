package importinto

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/decode"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// hasNumber says whether a row brings the number that the server would else make for
// it: not NULL, nothing, or a zero in whatever form.
func (l *layout) hasNumber(row decode.Row) bool {
	if l.numbered < 0 || l.numbered >= len(row.Fields) {
		return false
	}
	f := row.Fields[l.numbered]
	v := f.Value
	if f.Kind == decode.Null || f.Kind == decode.Bytes {
		return false
	}
	if len(v) > 0 && v[0] == '-' {
		v = v[1:]
	}
	return len(v) > 0 && '1' <= v[0] && v[0] <= '9'
}

// count makes the uncounted table count, because a row wants a number. In most
// imports that have such rows it is the first row, and the table is empty; else all
// that is loaded is copied. Where several do it, the first one's counts.
func (l *lane) count(ctx context.Context) error {
	info, err := table.Load(ctx, l.conn, l.meta.Schema, l.meta.Uncounted)
	if err != nil {
		return err
	}
	if info.AutoIncrementColumn() != "" {
		l.counted.Store(true)
		return nil
	}
	staging, err := l.staging(ctx, l.conn)
	if err != nil {
		return err
	}
	start := time.Now()
	settings := fmt.Sprintf("SET STATEMENT sql_mode = 'NO_AUTO_VALUE_ON_ZERO', lock_wait_timeout = %d FOR ", executor.BuildLockWait)
	if err := l.RunDDL(ctx, l.conn, settings+table.Count(staging, l.meta.Uncounted), func(server.Process) {}); err != nil {
		return fmt.Errorf("let the loaded table count: %w", err)
	}
	l.counted.Store(true)
	l.Log.Info("a row brings no number: the loaded table counts now", zap.Duration("took", time.Since(start)))
	return nil
}

// exchangeUncounted puts the rows into the staging table, whose lock s holds, and
// drops the table they were loaded into: that it is empty tells that they are there.
func (r *run) exchangeUncounted(ctx context.Context, s *server.Session) error {
	if r.meta.Uncounted == "" {
		return nil
	}
	empty, err := table.Empty(ctx, s, r.meta.Schema, r.meta.Uncounted)
	if server.IsErr(err, server.ErrNoSuchTable) {
		return nil
	}
	if err == nil && !empty {
		err = r.RunDDL(ctx, s, table.Exchange(r.meta.Schema, r.meta.Uncounted, r.meta.Staging), func(server.Process) {})
	}
	if err == nil {
		err = r.countOn(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("exchange the loaded rows: %w", err)
	}
	_, err = s.ExecContext(ctx, "DROP TABLE IF EXISTS "+server.Quote(r.meta.Schema, r.meta.Uncounted))
	return err
}

// countOn lets the staging table count on behind the numbers that came with the
// rows, which the exchange does not look at.
func (r *run) countOn(ctx context.Context, s *server.Session) error {
	info, err := r.staging(ctx, s)
	if err != nil {
		return err
	}
	var last uint64
	column := server.Quote(info.AutoIncrementColumn())
	query := "SELECT CAST(GREATEST(COALESCE(MAX(" + column + "), 0), 0) AS UNSIGNED) FROM " + info.Quoted() + table.OnlyTable
	err = s.QueryRowContext(ctx, query).Scan(&last)
	if err != nil {
		return fmt.Errorf("look for the last number: %w", err)
	}
	_, err = s.ExecContext(ctx, table.CountFrom(info.Schema, info.Name, max(last, last+1)))
	return err
}
