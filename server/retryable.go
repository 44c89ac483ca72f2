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

// passing are the errors of a server that go away by themselves, or when an operator does
// something about them: whoever meets one waits, and says for what.
var passing = slices.Concat(gone, noRoom, noLock, []uint16{
	ErrDiskFull, ErrRecordFileFull, ErrTempFileWriteFailure, ErrOutOfResources,
	ErrQueryInterrupted, ErrStatementTimeout, ErrQueryTimeout,
	ErrOptionPreventsStatement, ErrReadOnlyMode, ErrUnknownCom, ErrRunHook,
})

var (
	// gone: the server has ended the connection, or cannot read from it or write to it.
	gone = []uint16{
		ErrServerShutdown, ErrConnectionKilled, ErrSessionWasKilled, ErrClientInteractionTimeout,
		ErrAbortingConnection, ErrNetRead, ErrNetReadInterrupted, ErrNetErrorOnWrite, ErrNetWriteInterrupted,
	}
	// noRoom: it lets nobody in, or not this account or host, for now.
	noRoom = []uint16{ErrConCount, ErrTooManyUserConnections, ErrUserLimitReached, ErrHostIsBlocked}
	// noLock: somebody else has the lock.
	noLock = []uint16{ErrLockWaitTimeout, ErrLockNowait, ErrLockDeadlock}
	// noEntry: the account does not get in.
	noEntry = []uint16{ErrAccessDenied, ErrAccessDeniedNoPassword, ErrAccountHasBeenLocked}
	// noRight: it has no right to a schema, a table, a column, a routine, or a statement.
	noRight = []uint16{ErrDBAccessDenied, ErrTableAccessDenied, ErrColumnAccessDenied, ErrSpecificAccessDenied, ErrProcAccessDenied}
)

// Passes says whether an error goes away by itself, with a new connection, or when an operator
// does something about it. Others end a job. A subtask is done again (executor's
// IsRetryableErr) as often as its type's error limit says, planning without a limit.
func Passes(err error) bool {
	var e *mysql.MySQLError
	return Lost(err) || errors.As(err, &e) && (slices.Contains(passing, e.Number) || full(e))
}

// Lost says whether the connection is gone, so that the outcome of a statement is unknown.
func Lost(err error) bool {
	var n net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &n) && !errors.Is(err, context.Canceled) || IsErr(err, gone...)
}

// Unanswered says whether there is no connection: lost, or not to be had.
func Unanswered(err error) bool { return Lost(err) || IsErr(err, noRoom...) }

// Collided says whether somebody else has the lock that was wanted. What the transaction has
// done is undone after a deadlock, and has to be begun anew.
func Collided(err error) bool { return IsErr(err, noLock...) }

// Refused says whether the server does not let the account in.
func Refused(err error) bool { return IsErr(err, noEntry...) }

// Denied says whether the account lacks a privilege, or may not come in.
func Denied(err error) bool { return Refused(err) || IsErr(err, noRight...) }

// full says whether an error is that of a full disk: those that have other numbers, for a
// file or an engine that could not write, tell the system's number for it.
func full(e *mysql.MySQLError) bool {
	switch e.Number {
	case ErrFileCantCreate, ErrFileWrite, ErrFileOutOfMemory, ErrFileDiskFull, ErrFileNoSpace,
		ErrCantCreateFile, ErrCantOpenFile, ErrErrorOnWrite, ErrGetErrno, ErrErrorDuringCommit, ErrInternal:
		m := strings.ToLower(e.Message)
		return strings.Contains(m, "errcode: 28") || strings.Contains(m, "error 28") || strings.Contains(m, "error: 28") ||
			strings.Contains(m, "errno: 28") || strings.Contains(m, "no space left")
	}
	return false
}
