package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/check"
	"dxfproxy/server"
	"dxfproxy/store"
)

// runCheck looks at the store that serve would use with the same flags, and
// changes nothing in it.
func runCheck(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grantFlags
	cfg, err := parseConfig("check", args, g.flags())
	if err != nil {
		return err
	}
	if cfg.Store == "" {
		return usagef("check looks at the store that --store names; the private one has all that jobs need")
	}
	if g.print {
		return printGrants(ctx, cfg, g, stdout, stderr)
	}
	b, err := namedStore(ctx, cfg, cfg.logger())
	if err != nil {
		return err
	}
	mc, err := mysql.ParseDSN(b.dsn)
	if err != nil {
		return fmt.Errorf("read the store's DSN: %w", err)
	}
	db, err := check.Open(b.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("open store %s: %w", mc.Addr, classifyOpen(err))
	}
	return check.Run(ctx, db, check.Target{
		DSN: b.dsn, Meta: b.meta, Trial: b.trial, MetaSchema: cfg.MetaSchema,
		PlainBeside: cfg.TLSCA != "" && !cfg.RequireSecureTransport,
	}, mc.Addr, stdout)
}

// classifyOpen gives an error of a first connection the kind that has a hint.
func classifyOpen(err error) error {
	var dial net.Error
	switch {
	case server.Refused(err):
		return fmt.Errorf("%w: %w", store.ErrAccessDenied, err)
	case errors.As(err, &dial), errors.Is(err, mysql.ErrInvalidConn):
		return fmt.Errorf("%w: %w", store.ErrUnreachable, err)
	}
	return err
}
