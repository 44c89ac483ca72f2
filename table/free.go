package table

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"dxfproxy/server"
)

// A Probe looks whether a table is in use, without standing in anybody's way: it never
// waits for a lock.
type Probe struct{ *server.Session }

// probing are the settings of its session. Without autocommit LOCK TABLES locks the table in InnoDB,
// too, which alone knows of a prepared XA transaction whose session is gone.
var probing = []string{"SESSION innodb_lock_wait_timeout = 0", "SESSION autocommit = 0"}

// OpenProbe opens a session for it.
func OpenProbe(ctx context.Context, db *sql.DB) (Probe, error) {
	s, err := server.OpenSession(ctx, db, "SET "+probing[0], "SET "+probing[1])
	return Probe{s}, err
}

// ProbeOn makes one of a session itself, until Regain: there is to be nothing but looks
// between the two.
func ProbeOn(ctx context.Context, s *server.Session) (Probe, error) {
	if _, err := s.ExecContext(ctx, "SET "+strings.Join(probing, ", ")); err != nil {
		return Probe{}, fmt.Errorf("prepare to look whether a table is in use: %w", err)
	}
	return Probe{s}, nil
}

// Regain gives the session back, with further settings (SESSION name = value).
func (p Probe) Regain(ctx context.Context, settings ...string) error {
	all := append([]string{"SESSION autocommit = 1", "SESSION innodb_lock_wait_timeout = 5"}, settings...)
	if _, err := p.ExecContext(ctx, "SET "+strings.Join(all, ", ")); err != nil {
		return fmt.Errorf("set up a session on the store: %w", err)
	}
	return nil
}

// MySQL cannot lock a table without waiting, but tells who holds what.
const selectUsersMySQL = `SELECT
	(SELECT COUNT(*) FROM performance_schema.metadata_locks
		WHERE OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = ? AND OBJECT_NAME = ? AND LOCK_STATUS = 'GRANTED' AND LOCK_DURATION = 'TRANSACTION') +
	(SELECT COUNT(*) FROM performance_schema.data_locks WHERE LOCK_TYPE = 'TABLE' AND OBJECT_SCHEMA = ? AND OBJECT_NAME = ?)`

// Free says whether no transaction that is open or prepared has used the table, at this
// moment; told is false where our account may not ask.
func (p Probe) Free(ctx context.Context, schema, name string) (free, told bool, err error) {
	if p.Family == server.MySQL {
		var users int
		err = p.QueryRowContext(ctx, selectUsersMySQL, schema, name, schema, name).Scan(&users)
		if server.IsErr(err, server.ErrNoSuchTable, server.ErrTableAccessDenied) {
			return false, false, nil
		}
		return users == 0, true, err
	}
	_, err = p.ExecContext(ctx, "LOCK TABLES "+server.Quote(schema, name)+" WRITE NOWAIT")
	switch {
	case server.IsErr(err, server.ErrLockWaitTimeout):
		return false, true, p.release(ctx)
	case server.IsErr(err, server.ErrDBAccessDenied, server.ErrTableAccessDenied):
		return false, false, nil
	case err != nil:
		return false, false, fmt.Errorf("look whether %s.%s is in use: %w", schema, name, err)
	}
	return true, true, p.release(ctx)
}

func (p Probe) release(ctx context.Context) error {
	for _, q := range []string{"UNLOCK TABLES", "COMMIT"} {
		if _, err := p.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("let a table go: %w", err)
		}
	}
	return nil
}
