package server

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Passing are the errors of a server that go away by themselves, with a new connection, or when
// an operator does something about them, with the MariaDB and MySQL manuals' words: whoever
// meets one waits, and says for what.
var Passing = []uint16{
	1021, 1114, 1878, // disk full; the table is full; a temporary file cannot be written
	1041,             // out of memory
	1040, 1203, 1226, // too many connections: of all, of the account, by its resources
	1129,                   // the host is blocked
	1053, 3169, 1927, 4031, // shutdown; killed; the session was idle for too long
	1317, 1969, 3024, // interrupted; the statement took too long
	1205, 1213, // lock wait, deadlock
	1290, 1836, // read-only
	1047, 3100, // the node of a cluster is not ready; replication refuses the commit
	1152, 1158, 1159, 1160, 1161, // a connection was aborted, or did not move
}

// Passes says whether a server's error is one of those.
func Passes(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (slices.Contains(Passing, e.Number) || full(e))
}

// Denied says whether the account lacks a privilege: on a schema, a table, a column, a
// routine, or for the statement; or may not come in.
func Denied(err error) bool { return IsErr(err, 1044, 1045, 1142, 1143, 1227, 1370, 1698) }

// full says whether an error is that of a full disk: those that have other numbers, for a
// file or an engine that could not write, tell the system's number for it.
func full(e *mysql.MySQLError) bool {
	switch e.Number {
	case 1, 3, 5, 20, 28, 1004, 1016, 1026, 1030, 1180, 1815: // of files, and of engines
		m := strings.ToLower(e.Message)
		return strings.Contains(m, "errcode: 28") || strings.Contains(m, "error 28") || strings.Contains(m, "error: 28") ||
			strings.Contains(m, "errno: 28") || strings.Contains(m, "no space left")
	}
	return false
}

// Lost says whether the connection is gone, so that the outcome of a statement is unknown.
func Lost(err error) bool {
	var n net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &n) && !errors.Is(err, context.Canceled) || IsErr(err, 1053, 1158, 1159, 1927, 3169, 4031)
}
