package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
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
	Mode        string // sql_mode of who asks for the change, not of the server
	Silent      bool   // what it replicates is not in its own binlog

	// MySQL's alone.
	Compressed bool // binlog_transaction_compression
	Partial    bool // binlog_row_value_options has PARTIAL_JSON
	Threads    bool // performance_schema, which tells what a session waits for
}

const selectSettings = `SELECT @@GLOBAL.log_bin, @@GLOBAL.binlog_format, @@GLOBAL.binlog_row_image`

// MySQL tells no position of a snapshot. But its transactions become visible in
// the order that they have in the binlog, unless it was told otherwise.
const selectCommitOrder = `SELECT @@GLOBAL.binlog_order_commits, @@GLOBAL.binlog_transaction_compression, @@GLOBAL.binlog_row_value_options <> '',
	@@GLOBAL.performance_schema`

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
		err = each(ctx, q, func(r *sql.Rows) error {
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
	_, err = Position(ctx, q)
	s.StatusGrant = err == nil
	if err != nil && !IsErr(err, errSpecificAccess) {
		return s, err
	}
	err = each(ctx, q, func(r *sql.Rows) error {
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

const errSpecificAccess = 1227

// A replica may keep what it is told out of its own binlog: MariaDB's do, unless they
// are told otherwise, MySQL's if they are told to.
const (
	selectSilent      = `SELECT @@GLOBAL.log_slave_updates = 0 AND EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Slave_IO', 'Slave_SQL'))`
	selectSilentMySQL = `SELECT @@GLOBAL.log_replica_updates = 0 AND EXISTS (
		SELECT 1 FROM performance_schema.replication_connection_status WHERE SERVICE_STATE <> 'OFF'
		UNION ALL SELECT 1 FROM performance_schema.replication_applier_status WHERE SERVICE_STATE <> 'OFF')`
)

// ErrLargeFile tells that one transaction has made the binlog file larger than
// 4 GiB. No position behind that can be asked for; the server begins the next
// file now.
var ErrLargeFile = errors.New("the binlog file is larger than 4 GiB")

// BinlogPosition is a place in the server's binlog.
type BinlogPosition struct {
	File string
	Pos  uint32
}

// Position is the end of the server's binlog; the zero position when there is none.
func Position(ctx context.Context, q Querier) (BinlogPosition, error) {
	var p BinlogPosition
	var pos uint64
	family, err := FamilyOf(ctx, q)
	if err != nil {
		return p, err
	}
	read := func(r *sql.Rows) error {
		columns, err := r.Columns()
		if err != nil {
			return err
		}
		// MariaDB answers 4 columns, MySQL 5; the first two are alike.
		rest := make([]sql.RawBytes, len(columns))
		dest := []any{&p.File, &pos}
		for i := 2; i < len(columns); i++ {
			dest = append(dest, &rest[i])
		}
		return r.Scan(dest...)
	}
	err = each(ctx, q, read, family.binlogStatus())
	if IsErr(err, errSyntax) { // MySQL before 8.2
		err = each(ctx, q, read, MariaDB.binlogStatus())
	}
	if err == nil {
		p.Pos, err = within(pos)
	}
	if err != nil {
		return p, fmt.Errorf("read the end of the binlog: %w", err)
	}
	return p, nil
}

// within makes a position of 32 bits, which is what the binlog's protocol has.
func within(pos uint64) (uint32, error) {
	if pos > math.MaxUint32 {
		return 0, ErrLargeFile
	}
	return uint32(pos), nil
}

// Reason says why no table of the server can be copied online; "" when one may.
func (s Settings) Reason() Reason {
	if r := checkBinlog(nil, Definition{}, s); r != "" {
		return r
	}
	return checkGrants(nil, Definition{}, s)
}

// checkBinlog: the changefeed needs whole rows.
func checkBinlog(_ *Info, _ Definition, s Settings) Reason {
	switch {
	case !s.LogBin:
		return "the server keeps no binlog (log_bin is OFF)"
	case !s.Snapshots && s.Family == MySQL:
		return "transactions become visible in another order than the binlog's (binlog_order_commits is OFF)"
	case !s.Snapshots:
		return "the server does not tell the binlog position of a snapshot (status variable binlog_snapshot_position)"
	case s.Silent:
		if s.Family == MySQL {
			return "the server replicates another one, and its binlog has nothing of that (log_replica_updates is OFF)"
		}
		return "the server replicates another one, and its binlog has nothing of that (log_slave_updates is OFF)"
	case s.Format != "ROW":
		return reasonf("binlog_format is %s, not ROW", s.Format)
	case s.RowImage != "FULL":
		return reasonf("binlog_row_image is %s, not FULL", s.RowImage)
	case !s.Threads && s.Family == MySQL:
		return "the server does not tell what its sessions wait for (performance_schema is OFF)"
	case s.Compressed:
		return "the binlog's transactions are compressed (binlog_transaction_compression is ON)"
	case s.Partial:
		return "changes of JSON values are written to the binlog in part (binlog_row_value_options is not empty)"
	}
	return ""
}

// checkGrants: and the right to read it.
func checkGrants(_ *Info, _ Definition, s Settings) Reason {
	switch {
	case !s.SlaveGrant:
		return "the store's account has no REPLICATION SLAVE"
	case !s.StatusGrant:
		return "the store's account has no BINLOG MONITOR"
	}
	return ""
}

// Before says whether p comes before q. Binlog files are numbered.
func (p BinlogPosition) Before(q BinlogPosition) bool {
	if p.File != q.File {
		return len(p.File) < len(q.File) || (len(p.File) == len(q.File) && p.File < q.File)
	}
	return p.Pos < q.Pos
}

const (
	selectSnapshot     = "SHOW STATUS LIKE 'binlog_snapshot_%'"
	selectSnapshotFile = "SHOW STATUS LIKE 'binlog_snapshot_file'"
)

// SnapshotPosition is the place in the binlog of a snapshot taken now: all that
// is written before it can be seen. Servers that do not tell (all but MariaDB
// and Percona's, see Settings) are an error.
func SnapshotPosition(ctx context.Context, s *Session) (BinlogPosition, error) {
	var p BinlogPosition
	if _, err := s.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
		return p, fmt.Errorf("take a snapshot: %w", err)
	}
	err := each(ctx, s, func(r *sql.Rows) error {
		var name, value string
		if err := r.Scan(&name, &value); err != nil {
			return err
		}
		switch strings.ToLower(name) {
		case "binlog_snapshot_file":
			p.File = value
		case "binlog_snapshot_position":
			pos, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return err
			}
			p.Pos, err = within(pos)
			return err
		}
		return nil
	}, selectSnapshot)
	if _, e := s.ExecContext(ctx, "COMMIT"); err == nil {
		err = e
	}
	if err != nil {
		return p, fmt.Errorf("read the position of a snapshot: %w", err)
	}
	if p.File == "" {
		return p, errors.New("read the position of a snapshot: the server does not tell it")
	}
	return p, nil
}
