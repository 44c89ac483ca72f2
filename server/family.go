package server

import (
	"context"
	"fmt"
	"strings"
)

// Family is whose server a store is. What MariaDB and MySQL write differently is
// in this file, as far as it is a matter of words.
type Family int

// The families of servers that jobs run on.
const (
	MariaDB Family = iota
	MySQL
)

func (f Family) String() string { return [...]string{"MariaDB", "MySQL"}[f] }

// FamilyOf asks a server, but for a session, which knows.
func FamilyOf(ctx context.Context, q Querier) (Family, error) {
	if s, ok := q.(*Session); ok {
		return s.Family, nil
	}
	var version string
	if err := q.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return MariaDB, fmt.Errorf("ask the server for its version: %w", err)
	}
	return FamilyOfVersion(version), nil
}

// FamilyOfVersion tells by VERSION().
func FamilyOfVersion(version string) Family {
	if strings.Contains(version, "MariaDB") {
		return MariaDB
	}
	return MySQL
}

// ShareNoWait locks the rows of a SELECT shared, or fails at once.
func (f Family) ShareNoWait() string {
	if f == MySQL {
		return " FOR SHARE NOWAIT"
	}
	return " LOCK IN SHARE MODE NOWAIT"
}

// ShareWait locks them and waits for a moment: a second on MariaDB, and
// innodb_lock_wait_timeout on MySQL.
func (f Family) ShareWait() string {
	if f == MySQL {
		return " FOR SHARE"
	}
	return " LOCK IN SHARE MODE WAIT 1"
}

// binlogStatus asks for the end of the binlog.
func (f Family) binlogStatus() string {
	if f == MySQL {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// idleTransaction is the setting that ends an idle transaction. MySQL has none but
// that which ends any idle session.
const idleTransaction = "SET SESSION idle_transaction_timeout = "

// setting translates a statement that sets up a session.
func (f Family) setting(statement string) string {
	if seconds, ok := strings.CutPrefix(statement, idleTransaction); ok && f == MySQL && seconds != "0" {
		return "SET SESSION wait_timeout = " + seconds
	}
	return statement
}

// lacks says of a session variable that only the other family has it.
func (f Family) lacks(variable string) bool {
	switch variable {
	case "max_statement_time", "idle_transaction_timeout", "check_constraint_checks", "in_predicate_conversion_threshold":
		return f == MySQL
	case "information_schema_stats_expiry":
		return f == MariaDB
	}
	return false
}
