package protocol

import (
	"context"
	"errors"
)

// Why the context of Handler.Handle ended; ask context.Cause.
var (
	ErrClientGone       = errors.New("client went away")
	ErrQueryKilled      = errors.New("query was killed")
	ErrConnectionKilled = errors.New("connection was killed")
	ErrStoreLost        = errors.New("connection to the store was lost") // the network's doing, and nobody's wish
	ErrShutdown         = errors.New("server is shutting down")
)

// Handler decides what happens to statements.
type Handler interface {
	// Match is asked for the text of every COM_QUERY and COM_STMT_PREPARE;
	// false relays it untouched. It stands in every client's way: it must not
	// allocate, and it may not keep sql. Of a text longer than 64 KiB it is
	// first shown the beginning, and then, if that matched, all of it.
	Match(sql []byte, status StatusFlags) bool

	// Handle is called with a matched statement, on the session's goroutine.
	// ctx ends with one of the causes above when nobody waits for the reply any
	// more. Statements run on c before Handle returns run on the client's own
	// session in the store.
	//
	// Returning nil is returning Forward.
	Handle(ctx context.Context, c *Conn, stmt Statement) Reply
}

// SeveralMatcher is a Handler that must see some packets of several statements,
// to refuse them. All others go to the store as they are.
type SeveralMatcher interface {
	// MatchSeveral is asked for those that Match has matched.
	MatchSeveral(sql []byte, status StatusFlags) bool
}

// Statement is one that matched.
type Statement struct {
	SQL    []byte // without query attributes; the Handler may keep it
	Status StatusFlags

	// Prepared says that the client prepares the statement and does not execute
	// it yet. Allowed replies are Forward, ForwardSQL, OnExecute, Local and
	// *Error. After OnExecute and Local the same text comes again, with
	// Prepared false, at every execution.
	Prepared bool
}

// Reply is one of Forward, ForwardSQL, OnExecute, Local, OK, *Error and
// *ResultSet.
type Reply interface{ reply() }

// Forward relays the statement as it came.
type Forward struct {
	// Done is called after the client has been sent the response, on the
	// session's goroutine; ok is false when that was an ERR, or never came. May
	// be nil.
	Done func(ok bool)
}

// ForwardSQL relays another text in the statement's place. Not for the
// execution of a prepared statement.
type ForwardSQL struct {
	SQL  []byte
	Done func(ok bool) // as in Forward
}

// OnExecute lets the store prepare the statement; Handle is asked again at
// every execution. A statement with parameters is relayed from then on.
type OnExecute struct{}

// Local makes a prepared statement the store never sees. Columns are those its
// executions will return, if it returns rows.
type Local struct{ Columns []Column }

// OK answers without rows. Its warnings can be read back with Conn.Warnings.
type OK struct {
	AffectedRows uint64
	Warnings     []Warning
	Info         string
}

// Warning is a row of SHOW WARNINGS.
type Warning struct {
	Level   string // Note, Warning or Error
	Code    uint16
	Message string
}

func (Forward) reply()    {}
func (ForwardSQL) reply() {}
func (OnExecute) reply()  {}
func (Local) reply()      {}
func (OK) reply()         {}
func (*Error) reply()     {}
func (*ResultSet) reply() {}
