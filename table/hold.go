package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"dxfproxy/server"
)

// Who may make tables and views in a schema can put a view in the place of any of its
// tables, at any moment. One with SQL SECURITY INVOKER reads and writes what our
// account may, and calls functions under it. So every statement about rows of a table
// in a user's schema says, or is behind one that says, that it means no view.

// OnlyTable stands behind a table's name in a SELECT. It is a hint that changes
// nothing, and hints are what the servers take for no view (error 1176): before they
// have looked at what the view is made of. FORCE INDEX does the same.
const OnlyTable = " USE INDEX FOR ORDER BY ()"

// Hold keeps what the quoted name means until the end of the transaction of q, and
// fails with ErrNoTable if that is no table. It is for the statements that take no
// hint, INSERT and LOAD DATA, in front of them. The lock is theirs, so that they need
// no other.
func Hold(ctx context.Context, q server.Querier, name string) error {
	var one int
	err := q.QueryRowContext(ctx, "SELECT 1 FROM "+name+OnlyTable+" LIMIT 0 FOR UPDATE").Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return HoldErr(name, err)
}

// HoldSQL is Hold as a statement without an answer, for batches; the errors of these
// go through HoldErr.
func HoldSQL(name string) string {
	return "SET @dxf_hold = (SELECT 1 FROM " + name + OnlyTable + " LIMIT 0)"
}

// HoldErr says what it is about where the name was no table's.
func HoldErr(name string, err error) error {
	if server.IsErr(err, server.ErrKeyDoesNotExist) {
		return fmt.Errorf("%s is a view: %w", name, ErrNoTable)
	}
	return err
}
