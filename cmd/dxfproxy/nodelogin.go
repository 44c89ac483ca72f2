package main

import (
	"context"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"
)

// nodeLogin logs in to the store by the account of the DSN, over a connection that
// is there already, and says goodbye.
func nodeLogin(dsn string) func(ctx context.Context, store net.Conn) error {
	return func(ctx context.Context, store net.Conn) error {
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			return fmt.Errorf("read the store's DSN: %w", err)
		}
		// Without what would cost a statement each.
		cfg.DBName, cfg.Params, cfg.Collation, cfg.MaxAllowedPacket = "", nil, "", 1<<20
		cfg.Logger = &mysql.NopLogger{}
		cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return store, nil }
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return fmt.Errorf("read the store's DSN: %w", err)
		}
		conn, err := connector.Connect(ctx)
		if err != nil {
			return fmt.Errorf("log in to the store: %w", err)
		}
		return conn.Close()
	}
}
