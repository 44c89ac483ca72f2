package check

import (
	"database/sql"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/grants"
)

// Open is a pool in no schema, and silent.
func Open(dsn string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	c.DBName, c.Logger = "", &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// OpenAs is Open for another account.
func OpenAs(dsn string, a grants.Account) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	c.User, c.Passwd = a.User, a.Password
	return Open(c.FormatDSN())
}
