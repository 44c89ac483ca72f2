package server_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/server"
)

// TestC17C18WhatPasses: a full disk, wherever it is met, and limits of connections are waited for.
func TestC17C18WhatPasses(t *testing.T) {
	for _, e := range []mysql.MySQLError{
		{Number: 1021, Message: "Disk full (/tmp/#sql-temptable-1-2.MAI); waiting for someone to free some space... (errno: 28 \"No space left on device\")"},
		{Number: 3, Message: "Error writing file '/tmp/MLx' (Errcode: 28 \"No space left on device\")"},
		{Number: 1, Message: "Can't create/write to file '/tmp/#sql' (Errcode: 28 - No space left on device)"},
		{Number: 1030, Message: "Got error 28 \"No space left on device\" from storage engine InnoDB"},
		{Number: 1026, Message: "Error writing file 'binlog' (errno: 28 - No space left on device)"},
		{Number: 1203, Message: "User dxf already has more than 'max_user_connections' active connections"},
		{Number: 1226, Message: "User 'dxf' has exceeded the 'max_user_connections' resource (current value: 3)"},
		{Number: 1290, Message: "The MariaDB server is running with the --read-only option so it cannot execute this statement"},
		{Number: 1836, Message: "Running in read-only mode"},
		{Number: 1040, Message: "Too many connections"},
	} {
		require.True(t, server.Passes(fmt.Errorf("x: %w", &e)), e.Message)
	}
	for _, e := range []mysql.MySQLError{
		{Number: 1030, Message: "Got error 1 \"Operation not permitted\" from storage engine InnoDB"},
		{Number: 1062, Message: "Duplicate entry 'no space left' for key 'x'"},
		{Number: 1146}, {Number: 1142}, {Number: 3, Message: "Error writing file '/tmp/x' (Errcode: 13 \"Permission denied\")"},
	} {
		require.False(t, server.Passes(&e), e.Message)
	}
	for _, err := range []error{driver.ErrBadConn, mysql.ErrInvalidConn, &mysql.MySQLError{Number: 1927}} {
		require.True(t, server.Lost(fmt.Errorf("x: %w", err)), "%v", err)
	}
	require.True(t, server.Lost(context.DeadlineExceeded), "an answer that did not come in time")
	for _, err := range []error{nil, context.Canceled, errors.New("x"), &mysql.MySQLError{Number: 1205}} {
		require.False(t, server.Lost(err), "%v", err)
	}
}
