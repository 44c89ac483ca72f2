package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrLargeFile tells that one transaction has made the binlog file larger than
// 4 GiB. No position behind that can be asked for; the server begins the next
// file now.
var ErrLargeFile = errors.New("the binlog file is larger than 4 GiB")

// A Position is a place in the server's binlog.
type Position struct {
	File string
	Pos  uint32
}

func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Pos) }

// Before says whether p comes before q. Names of files are numbered, in at least six
// digits.
func (p Position) Before(q Position) bool {
	if p.File != q.File {
		return len(p.File) < len(q.File) || (len(p.File) == len(q.File) && p.File < q.File)
	}
	return p.Pos < q.Pos
}

// BinlogEnd is the end of the server's binlog; the zero position when there is none.
func BinlogEnd(ctx context.Context, q Querier) (Position, error) {
	var p Position
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
	err = Each(ctx, q, read, family.binlogStatus())
	if IsErr(err, ErrParse) { // MySQL before 8.2
		err = Each(ctx, q, read, MariaDB.binlogStatus())
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

const (
	selectSnapshot     = "SHOW STATUS LIKE 'binlog_snapshot_%'"
	selectSnapshotFile = "SHOW STATUS LIKE 'binlog_snapshot_file'"
)

// SnapshotPosition is the place in the binlog of a snapshot taken now: all that
// is written before it can be seen. Servers that do not tell (all but MariaDB
// and Percona's, see Settings) are an error.
func SnapshotPosition(ctx context.Context, s *Session) (Position, error) {
	var p Position
	if _, err := s.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil {
		return p, fmt.Errorf("take a snapshot: %w", err)
	}
	err := Each(ctx, s, func(r *sql.Rows) error {
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
