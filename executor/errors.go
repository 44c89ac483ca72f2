package executor

import (
	"context"
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// The server's error numbers we branch on.
const (
	errTableExists    = 1050
	errDuplicate      = 1062
	errNoSuchThread   = 1094
	errUnknownTable   = 1109
	errNoSuchTable    = 1146
	errLockWait       = 1205
	errDeadlock       = 1213
	errInterrupted    = 1317
	errKilled         = 1927
	errStatementsOnly = 1665 // READ COMMITTED, and a binlog of statements
)

// IsRetryableErr says whether the subtask should be tried again in place: the
// connection or the server went away, or somebody held a lock too long.
func (w *worker) IsRetryableErr(err error) bool {
	var own *dxf.Error
	if err == nil || errors.As(err, &own) {
		return false
	}
	for _, end := range []error{dxf.ErrLeaseLost, dxf.ErrCancelled, dxf.ErrPaused, dxf.ErrNotFound, context.Canceled} {
		if errors.Is(err, end) {
			return false
		}
	}
	return passing(err)
}

// passing says whether an error goes away by itself, or with a new connection.
func passing(err error) bool { return server.Lost(err) || server.Passes(err) }

func lostConnection(err error) bool { return server.Lost(err) }

// clientError turns the server's answer to the user's statement, made to the
// table or its shadow, into the error the user is shown. TiDB names the table
// in its duplicates; anything else is the server's own text. Errors that pass by
// themselves are not the statement's: they stay what they are, to be retried. An
// interruption of it is somebody's wish.
func clientError(err error, tableName string) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || passing(err) && e.Number != errInterrupted {
		return err
	}
	out := &dxf.Error{Code: e.Number, State: strings.TrimRight(string(e.SQLState[:]), "\x00"), Message: e.Message}
	if out.State == "" {
		out.State = "HY000"
	}
	if value, key, ok := server.Duplicate(e.Message); ok && e.Number == errDuplicate {
		out.State, out.Class, out.Message = "23000", "kv", server.DuplicateIn(tableName, value, key)
	}
	return out
}
