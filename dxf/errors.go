package dxf

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels callers branch on.
var (
	// ErrNotOwner: the term is over; whatever was being written was not.
	ErrNotOwner = errors.New("no longer the owner")
	// ErrLeaseLost: the subtask (or changefeed) now belongs to another epoch.
	ErrLeaseLost = errors.New("lease lost")
	// ErrTaskChanged: the task is no longer in the state it was read in.
	ErrTaskChanged = errors.New("task changed meanwhile")
	// ErrTaskExists: the task key is taken.
	ErrTaskExists = errors.New("task already exists")
	// ErrNotFound: no such job, task or subtask.
	ErrNotFound = errors.New("not found")
	// ErrCancelled is the cause of a subtask's context when its task is reverted.
	ErrCancelled = errors.New("cancelled")
	// ErrPaused is the cause of a subtask's context when its task is pausing.
	ErrPaused = errors.New("paused")
)

// Error is an error a client can be shown: MySQL number, SQLSTATE and text.
// It is stored as JSON in the task and subtask tables.
type Error struct {
	Code    uint16 `json:"code"`
	State   string `json:"state"`
	Message string `json:"message"`
	Class   string `json:"class,omitempty"` // TiDB's prefix where errors are printed as text: ddl, kv, …
}

func (e *Error) Error() string { return fmt.Sprintf("ERROR %d (%s): %s", e.Code, e.State, e.Message) }

// Text is the error as TiDB prints it inside result sets: [class:code]message.
func (e *Error) Text() string {
	if e.Class == "" {
		return e.Message
	}
	return fmt.Sprintf("[%s:%d]%s", e.Class, e.Code, e.Message)
}

// Errorf makes a plain error for clients: 1105, HY000.
func Errorf(format string, args ...any) *Error {
	return &Error{Code: 1105, State: "HY000", Message: fmt.Sprintf(format, args...)}
}

// SchemaChanged is TiDB's error 8028 for a table whose definition was changed
// under a job; how, if it is known, comes behind TiDB's text.
func SchemaChanged(how string) *Error {
	e := &Error{
		Code: 8028, State: "HY000", Class: "domain",
		Message: "Information schema is changed during the execution of the statement" +
			"(for example, table definition may be updated by other DDL ran in parallel). [try again later]",
	}
	if how != "" {
		e.Message += ": " + how
	}
	return e
}

// ServerChanged ends a job whose binlog was another server's than the store is now:
// what that one had not passed on is missing here, so nothing that the job has copied
// or compared can be trusted.
func ServerChanged(job int64, was, is string) *Error {
	return Errorf("the store is another server now (%s) than the one that job %d began on (%s): what it has copied may not be what is here; "+
		"run the statement again", is, job, was)
}

// StatementsOnly ends a job whose own sessions can write no rows to the binlog, nor
// would those of many clients.
func StatementsOnly(job int64) *Error {
	return Errorf("binlog_format is STATEMENT for new sessions of the store, and job %d needs rows: "+
		"SET GLOBAL binlog_format = ROW and run the statement again", job)
}

// NoSuchTable is MySQL's error 1146 for a table that is not there, or no more.
func NoSuchTable(schema, table string) *Error {
	return &Error{Code: 1146, State: "42S02", Class: "schema", Message: fmt.Sprintf("Table '%s.%s' doesn't exist", schema, table)}
}

// CancelledByUser is the error of a task that was reverted because the user asked for it.
func CancelledByUser() *Error {
	return &Error{Code: 8214, State: "HY000", Message: "cancelled by user"}
}

// ByUser says whether e is CancelledByUser, perhaps with more behind it.
func (e *Error) ByUser() bool {
	user := CancelledByUser()
	return e != nil && e.Code == user.Code && strings.HasPrefix(e.Message, user.Message)
}

// ErrorOf turns any error into one for clients. An Error inside is kept.
func ErrorOf(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Errorf("%s", err.Error())
}
