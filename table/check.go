package table

import (
	"fmt"

	"dxfproxy/server"
)

// A Reason says, for people, why a table cannot be copied online. The change is
// then left to the store's own DDL, and the user is told.
type Reason string

// Conditions are what a change is checked under.
type Conditions struct {
	server.Settings
	Mode string // sql_mode of who asks for the change, not of the server
}

// Check returns the first reason why the change cannot be made to a copy of the
// table that is kept in step from the binlog; "" when it can.
func Check(t *Info, target Definition, s Conditions) Reason {
	for _, check := range []func(*Info, Definition, Conditions) Reason{
		checkEngine, checkVersioned, checkCompressed, checkPeriods, checkMySQL, checkKey, checkTriggers, checkForeignKeys,
		checkChange, checkTargetKey, checkAutoIncrement, checkKept, checkRows,
		checkBinlog, checkGrants,
	} {
		if r := check(t, target, s); r != "" {
			return r
		}
	}
	return ""
}

// reasonf writes a Reason.
func reasonf(format string, args ...any) Reason { return Reason(fmt.Sprintf(format, args...)) }
