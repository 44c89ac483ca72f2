package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Execer is satisfied by *sql.DB, *sql.Conn and *sql.Tx.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Kill ends a connection, and what it holds is free. It is no error when it has ended.
func Kill(ctx context.Context, x Execer, connection int64) error {
	_, err := x.ExecContext(ctx, fmt.Sprintf("KILL %d", connection))
	if IsErr(err, ErrNoSuchThread) {
		return nil
	}
	return err
}

// KillQuery ends the statement that a connection is at.
func KillQuery(ctx context.Context, x Execer, connection int64) error {
	_, err := x.ExecContext(ctx, fmt.Sprintf("KILL QUERY %d", connection))
	return err
}

// Everybody sees the connections of their own account, so that one that is not seen is
// another's. MySQL's process list cannot be read (error 3854) while any statement in it
// has a character beyond the first plane of Unicode; what it has instead may be off, so
// there one that is not seen may be anybody's.
const (
	selectOwn         = `SELECT COUNT(*) > 0 FROM information_schema.PROCESSLIST WHERE ID = ? AND USER = SUBSTRING_INDEX(USER(), '@', 1)`
	selectNotOthersMy = `SELECT COUNT(*) = 0 FROM performance_schema.threads ` +
		`WHERE PROCESSLIST_ID = ? AND PROCESSLIST_USER <> SUBSTRING_INDEX(USER(), '@', 1)`
)

// Owns says whether a connection is of the session's own account, or may be.
func (s *Session) Owns(ctx context.Context, connection int64) (ours bool, err error) {
	query := selectOwn
	if s.Family == MySQL {
		query = selectNotOthersMy
	}
	err = s.QueryRowContext(ctx, query, connection).Scan(&ours)
	return ours, err
}

// Kill ends another connection. It is no error when it has ended.
func (s *Session) Kill(ctx context.Context, connection int64) error { return Kill(ctx, s, connection) }

// A statement that copies rows reports in the process list, one that builds indexes in
// place in a status variable of the whole server, in hundredths of a per cent (MariaDB
// manual, "InnoDB Status Variables").
const selectProcess = `SELECT STATE, STAGE, MAX_STAGE, PROGRESS, COALESCE((SELECT VARIABLE_VALUE + 0
	FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'INNODB_ONLINEDDL_PCT_PROGRESS'), 0) / 100
FROM information_schema.PROCESSLIST WHERE ID = ?`

// MySQL tells no progress there, and its process list cannot be read (error 3854)
// while any statement in it has a character beyond the first plane of Unicode.
const selectProcessMySQL = `SELECT PROCESSLIST_STATE, 0, 0, 0, 0 FROM performance_schema.threads WHERE PROCESSLIST_ID = ?`

// MetadataLock is the state of a connection that waits for a table's.
const MetadataLock = "Waiting for table metadata lock"

// Process is what a connection is doing.
type Process struct {
	State           string
	Stage, MaxStage int
	Percent         float64 // of the stage
}

// Process reads, over another connection, what the session is doing; ok is false when it
// is gone.
func (s *Session) Process(ctx context.Context, q Querier) (p Process, ok bool, err error) {
	query := selectProcess
	if s.Family == MySQL {
		query = selectProcessMySQL
	}
	var state sql.NullString
	var inPlace float64
	err = q.QueryRowContext(ctx, query, s.ID).Scan(&state, &p.Stage, &p.MaxStage, &p.Percent, &inPlace)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	p.State = state.String
	if p.MaxStage == 0 {
		p.Stage, p.MaxStage, p.Percent = 1, 1, inPlace
	}
	return p, err == nil, err
}

// Fraction is how far the statement is, from 0 to 1.
func (p Process) Fraction() float64 {
	if p.MaxStage <= 0 {
		return 0
	}
	return min(max((float64(p.Stage-1)+p.Percent/100)/float64(p.MaxStage), 0), 1)
}

// Blocker names a connection, other than these, that may hold a table's metadata lock, in
// words; "" when none is seen. MariaDB's plugin metadata_lock_info knows; without it
// the oldest transaction is the best guess.
func Blocker(ctx context.Context, q Querier, schema, table string, except ...int64) string {
	const byLock = `SELECT THREAD_ID FROM information_schema.METADATA_LOCK_INFO WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`
	const byAge = `SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.INNODB_TRX
		WHERE trx_mysql_thread_id > 0 ORDER BY trx_started LIMIT 10`
	known := map[int64]bool{}
	for _, id := range except {
		known[id] = true
	}
	if rows, err := q.QueryContext(ctx, byLock, schema, table); err == nil {
		defer rows.Close()
		for rows.Next() {
			var id int64
			if rows.Scan(&id) == nil && !known[id] {
				return fmt.Sprintf("held by connection %d", id)
			}
		}
		_ = rows.Err() // best effort
		return ""
	}
	rows, err := q.QueryContext(ctx, byAge)
	if err != nil {
		return ""
	}
	defer rows.Close()
	for rows.Next() {
		var id, age int64
		if rows.Scan(&id, &age) == nil && !known[id] && age >= 1 {
			return fmt.Sprintf("perhaps held by connection %d, in a transaction for %d s", id, age)
		}
	}
	_ = rows.Err() // best effort
	return ""
}
