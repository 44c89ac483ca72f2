package store

import (
	"errors"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/server"
)

// Why Open refuses; errors.Is tells.
var (
	// ErrUnreachable: nobody answers at the store's address.
	ErrUnreachable = errors.New("store does not answer")
	// ErrAccessDenied: the store refuses the account or its password.
	ErrAccessDenied = errors.New("store refuses the account")
	// ErrNoRights: the account may not create or use the meta schema.
	ErrNoRights = errors.New("account lacks privileges")
	// ErrUnsupported: the server lacks something the tables are made of.
	ErrUnsupported = errors.New("server is not supported as a store")
	// ErrStatementLog: the binlog has statements, and the account may not have its own
	// writes in it as rows.
	ErrStatementLog = errors.New("the store's binlog is one of statements")
	// ErrTiDB: the server is TiDB, which runs such jobs itself.
	ErrTiDB = errors.New("server is TiDB")
	// ErrNameTaken: another node of this name is alive.
	ErrNameTaken = errors.New("another live node has this name")
	// ErrNewerSchema: the tables were made by a newer dxfproxy.
	ErrNewerSchema = errors.New("tables were made by a newer dxfproxy")
)

// classify puts the kind of an error of Open in front of it.
func classify(err error) error {
	var kind error
	var dial net.Error
	switch {
	case server.Refused(err):
		kind = ErrAccessDenied
	case server.Denied(err):
		kind = ErrNoRights
	case server.IsErr(err, server.ErrBinlogStmtModeAndRowEngine):
		kind = ErrStatementLog
	case server.IsErr(err, server.ErrParse, server.ErrSpDoesNotExist):
		kind = ErrUnsupported
	case server.Number(err) == 0 && (errors.As(err, &dial) || errors.Is(err, mysql.ErrInvalidConn)):
		kind = ErrUnreachable
	}
	if kind == nil {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}
