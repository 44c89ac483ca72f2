package store

import (
	"errors"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"
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

// Error numbers of MySQL and MariaDB.
const (
	erDBAccessDenied     = 1044
	erAccessDenied       = 1045
	erDupFieldName       = 1060
	erDupEntry           = 1062
	erParse              = 1064
	erTableAccessDenied  = 1142
	erColumnAccessDenied = 1143
	erUnknownVariable    = 1193
	erLockWaitTimeout    = 1205
	erDeadlock           = 1213
	erSpecificAccess     = 1227
	erNoSuchFunction     = 1305
	erStatementLog       = 1665
	erPluginDenied       = 1698
	erAccountLocked      = 3118
)

// number returns the server's error number inside err, or 0.
func number(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// classify puts the kind of an error of Open in front of it.
func classify(err error) error {
	var kind error
	var dial net.Error
	switch number(err) {
	case erAccessDenied, erPluginDenied, erAccountLocked:
		kind = ErrAccessDenied
	case erDBAccessDenied, erTableAccessDenied, erColumnAccessDenied, erSpecificAccess:
		kind = ErrNoRights
	case erStatementLog:
		kind = ErrStatementLog
	case erParse, erNoSuchFunction:
		kind = ErrUnsupported
	case 0:
		if errors.As(err, &dial) || errors.Is(err, mysql.ErrInvalidConn) {
			kind = ErrUnreachable
		}
	}
	if kind == nil {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}
