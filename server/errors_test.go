package server_test

import (
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/server/servertest"
)

// TestDuplicatesNameTheTable: a job's statement is about a table that the client does not
// know.
func TestDuplicatesNameTheTable(t *testing.T) {
	for message, want := range map[string]string{
		"Duplicate entry 'x' for key 'ub'":             "Duplicate entry 'x' for key 't.ub'",
		"Duplicate entry 'it's' for key 'PRIMARY'":     "Duplicate entry 'it's' for key 't.PRIMARY'",
		"Duplicate entry 'x' for key 't__dxf7_new.ub'": "Duplicate entry 'x' for key 't.ub'",
		"Duplicate entry 'a' for key 'b' for key 'c'":  "Duplicate entry 'a' for key 'b' for key 't.c'",
		"Duplicate entry 'line\nline' for key 'ub'":    "Duplicate entry 'line\nline' for key 't.ub'",
	} {
		err := server.ClientError(fmt.Errorf("build: %w", &mysql.MySQLError{Number: 1062, SQLState: [5]byte{'2', '3', '0', '0', '0'}, Message: message}), "t")
		var e *dxf.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, want, e.Message)
		require.Equal(t, "23000", e.State)
	}
}

// TestEveryNumber: an error that a job waits for stays what it is, and any other is the
// client's, with the server's own number and text.
func TestEveryNumber(t *testing.T) {
	for _, e := range servertest.Errors(t) {
		err := fmt.Errorf("do something: %w", e.Err)
		require.Equal(t, e.Waits, server.Passes(err), e)
		told, interrupted := server.ClientError(err, "t"), server.StatementError(err, "t")
		if e.Waits {
			require.Equal(t, err, told, e)
		} else {
			require.Equal(t, &dxf.Error{Code: e.Err.Number, State: string(e.Err.SQLState[:]), Message: e.Err.Message}, told, e)
		}
		if e.Name == "ErrQueryInterrupted" { // somebody's wish
			require.Equal(t, &dxf.Error{Code: 1317, State: "70100", Message: e.Err.Message}, interrupted)
		} else {
			require.Equal(t, told, interrupted, e)
		}
		if server.Lost(err) || server.Collided(err) || server.Unanswered(err) {
			require.True(t, e.Waits, e)
		}
		if server.Denied(err) {
			require.False(t, e.Waits, e)
		}
	}
}
