package server

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Settings are what the server and our account on it allow.
type Settings struct {
	Family      Family
	LogBin      bool
	Snapshots   bool   // it can be known what of the binlog is visible
	Format      string // binlog_format
	RowImage    string // binlog_row_image
	SlaveGrant  bool   // the account may read the binlog
	StatusGrant bool   // the account may ask for its position
	Silent      bool   // what it replicates is not in its own binlog

	// MySQL's alone.
	Compressed bool // binlog_transaction_compression
	Partial    bool // binlog_row_value_options has PARTIAL_JSON
	Threads    bool // performance_schema, which tells what a session waits for
}

const selectSettings = `SELECT @@GLOBAL.log_bin, @@GLOBAL.binlog_format, @@GLOBAL.binlog_row_image`

// MySQL tells no position of a snapshot. But its transactions become visible in
// the order that they have in the binlog, unless it was told otherwise.
const selectCommitOrder = `SELECT @@GLOBAL.binlog_order_commits, @@GLOBAL.binlog_transaction_compression,
	@@GLOBAL.binlog_row_value_options <> '', @@GLOBAL.performance_schema`

// LoadSettings asks the server.
func LoadSettings(ctx context.Context, q Querier) (Settings, error) {
	var s Settings
	if err := q.QueryRowContext(ctx, selectSettings).Scan(&s.LogBin, &s.Format, &s.RowImage); err != nil {
		return s, fmt.Errorf("read the server's binlog settings: %w", err)
	}
	var err error
	if s.Family, err = FamilyOf(ctx, q); err != nil {
		return s, err
	}
	if s.Family == MySQL {
		err = q.QueryRowContext(ctx, selectCommitOrder).Scan(&s.Snapshots, &s.Compressed, &s.Partial, &s.Threads)
		if err == nil {
			err = q.QueryRowContext(ctx, selectSilentMySQL).Scan(&s.Silent)
		}
	} else {
		err = Each(ctx, q, func(r *sql.Rows) error {
			var name, value string
			err := r.Scan(&name, &value)
			s.Snapshots = s.Snapshots || value != "" // MariaDB has them without a binlog too
			return err
		}, selectSnapshotFile)
		if err == nil {
			err = q.QueryRowContext(ctx, selectSilent).Scan(&s.Silent)
		}
	}
	if err != nil {
		return s, fmt.Errorf("ask how the server's binlog and its snapshots go together: %w", err)
	}
	if !s.Snapshots {
		return s, nil // and the statements that follow may have other names
	}
	_, err = BinlogEnd(ctx, q)
	s.StatusGrant = err == nil
	if err != nil && !IsErr(err, ErrSpecificAccessDenied) {
		return s, err
	}
	err = Each(ctx, q, func(r *sql.Rows) error {
		var g string
		err := r.Scan(&g)
		g = strings.ToUpper(g)
		on := strings.Contains(g, " ON *.* ")
		switch {
		case on && (strings.Contains(g, "ALL PRIVILEGES") || strings.Contains(g, "REPLICATION SLAVE")),
			strings.Contains(g, "REPLICATION_SLAVE"),
			// A role's grants are not listed here; the changefeed will find out.
			strings.HasPrefix(g, "GRANT ") && !strings.Contains(g, " ON "):
			s.SlaveGrant = true
		}
		return err
	}, "SHOW GRANTS")
	if err != nil {
		return s, fmt.Errorf("read our account's grants: %w", err)
	}
	return s, nil
}

// A replica may keep what it is told out of its own binlog: MariaDB's do, unless they
// are told otherwise, MySQL's if they are told to.
const (
	selectSilent = `SELECT @@GLOBAL.log_slave_updates = 0 AND EXISTS (` +
		`SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Slave_IO', 'Slave_SQL'))`
	selectSilentMySQL = `SELECT @@GLOBAL.log_replica_updates = 0 AND EXISTS (
		SELECT 1 FROM performance_schema.replication_connection_status WHERE SERVICE_STATE <> 'OFF'
		UNION ALL SELECT 1 FROM performance_schema.replication_applier_status WHERE SERVICE_STATE <> 'OFF')`
)

// selectProcessors: MariaDB's default of thread_pool_size is the number of the
// server's processors.
const selectProcessors = `SELECT @@GLOBAL.thread_pool_size`

// Processors asks how many the server has; 0 where it does not tell.
func Processors(ctx context.Context, q Querier) (n int, err error) {
	err = q.QueryRowContext(ctx, selectProcessors).Scan(&n)
	if IsErr(err, ErrUnknownSystemVariable) { // a server without a thread pool
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count the server's processors: %w", err)
	}
	return n, nil
}
