package server

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
)

// Number is the number of the server's error inside err; 0 when there is none.
func Number(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// IsErr says whether err is one of the server's errors with these numbers.
func IsErr(err error, numbers ...uint16) bool {
	n := Number(err)
	return n != 0 && slices.Contains(numbers, n)
}

// Answer is the server's error as a client is shown it.
func Answer(e *mysql.MySQLError) *dxf.Error {
	state := strings.TrimRight(string(e.SQLState[:]), "\x00")
	if state == "" { // the server says none before a login
		state = "HY000"
	}
	return &dxf.Error{Code: e.Number, State: state, Message: e.Message}
}

// ClientError makes the server's answer to a statement of a job's what the client gets. The
// statement was about the table, or one of the job's that stands for it: duplicates name
// the table, as TiDB's do. An error that passes is not the client's, and stays what it is,
// to be tried again; so does one that is not the server's.
func ClientError(err error, table string) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || Passes(err) {
		return err
	}
	return about(e, table)
}

// StatementError is ClientError of the one statement that makes the client's change, and may
// take hours: it is in the process list, and who interrupts it there wants it to end. Our
// other statements nobody knows one by one; an interruption of those passes.
func StatementError(err error, table string) error {
	var e *mysql.MySQLError
	if errors.As(err, &e) && e.Number == ErrQueryInterrupted {
		return Answer(e)
	}
	return ClientError(err, table)
}

func about(e *mysql.MySQLError, table string) *dxf.Error {
	if value, key, ok := Duplicate(e.Message); ok && e.Number == ErrDupEntry {
		return DuplicateEntry(table, value, key)
	}
	return Answer(e)
}
