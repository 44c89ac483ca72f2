package importinto

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// build puts the secondary indexes on the staging table, all in one sorted build. A
// duplicate in a unique one ends the import.
func (r *run) build(ctx context.Context) error {
	s, err := r.LockedSession(ctx, table.ImportLock(r.meta.JobID).Name(),
		"SET SESSION foreign_key_checks = 0", "SET SESSION check_constraint_checks = 0",
		// MySQL's, for all its threads together. Three indexes on 2 M rows: 11 s with
		// its default of 1 MiB, 9 s with 16, 10 s with 64, 14 s with 1000.
		"SET SESSION innodb_ddl_buffer_size = 16777216",
		fmt.Sprintf("SET SESSION lock_wait_timeout = %d", executor.BuildLockWait))
	if err != nil {
		return err
	}
	defer s.Close()
	if err := r.exchangeUncounted(ctx, s); err != nil {
		return err
	}
	missing, err := r.Missing(ctx, s, r.meta.Staging, r.meta.Indexes)
	if err != nil {
		return err
	}
	r.Summary.RowCount = 0
	start := time.Now()
	if err := r.AddIndexes(ctx, s, r.meta.Staging, missing, r.meta.Rows); err != nil {
		return err
	}
	r.Summary.RowCount = r.meta.Rows
	r.Log.Info("indexes built", zap.Duration("took", time.Since(start)), zap.Int64("rows", r.meta.Rows))
	return nil
}

// postProcess counts the rows that arrived against those that were read, and lets
// the server look at the table.
func (r *run) postProcess(ctx context.Context) error {
	s, err := r.LockedSession(ctx, table.ImportLock(r.meta.JobID).Name())
	if err != nil {
		return err
	}
	defer s.Close()
	name := server.Quote(r.meta.Schema, r.meta.Staging)
	if r.meta.Checksum != "off" {
		var n int64
		if err := s.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+name+table.OnlyTable).Scan(&n); err != nil {
			return fmt.Errorf("count the rows: %w", err)
		}
		if n != r.meta.Rows {
			e := dxf.Errorf("[Lighting:Restore:ErrChecksumMismatch]checksum mismatched remote vs local => (checksum: 0 vs 0) "+
				"(total_kvs: %d vs %d) (total_bytes:0 vs 0)", n, r.meta.Rows)
			if r.meta.Checksum != "optional" {
				return e
			}
			r.Log.Warn("rows counted", zap.Error(e))
		}
	}
	if _, err := s.ExecContext(ctx, "ANALYZE TABLE "+name); err != nil {
		return fmt.Errorf("analyze the staging table: %w", err)
	}
	r.Summary.RowCount = r.meta.Rows
	return nil
}
