package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/server"
	"dxfproxy/store"
)

// A finding is something a store lacks.
type finding struct {
	what string
	fix  []string // statements to run, or settings to change
	note bool     // jobs do without
}

// errNotReady is a store that was looked at and lacks something.
type errNotReady struct{ missing int }

func (e errNotReady) Error() string {
	if e.missing == 1 {
		return "the store is not ready for jobs: 1 thing is missing"
	}
	return fmt.Sprintf("the store is not ready for jobs: %d things are missing", e.missing)
}

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
	db, err := openPlain(b.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("open store %s: %w", mc.Addr, classifyOpen(err))
	}
	return check(ctx, db, b, mc.Addr, cfg, stdout)
}

// check prints what it finds, topic by topic.
func check(ctx context.Context, db *sql.DB, b backing, addr string, cfg config, out io.Writer) error {
	s, err := inspect(ctx, db, b, cfg)
	if err != nil {
		return fmt.Errorf("look at store %s: %w", addr, err)
	}
	fmt.Fprintf(out, "store %s is %s %s, the account %s\n", addr, s.kind, s.version, s.account)
	if s.kind == tidb {
		fmt.Fprintln(out, "ok    nodes relay to it; TiDB runs ADD INDEX and the like as jobs of its own")
		return nil
	}
	missing := 0
	for _, topic := range topics {
		found := topic.look(s)
		if len(found) == 0 {
			fmt.Fprintf(out, "ok    %s\n", topic.name)
		}
		for _, f := range found {
			word := "note"
			if !f.note {
				word = "FAIL"
				missing++
			}
			fmt.Fprintf(out, "%-5s %s: %s\n", word, topic.name, f.what)
			for _, line := range f.fix {
				fmt.Fprintf(out, "      %s\n", line)
			}
		}
	}
	if missing > 0 {
		return errNotReady{missing}
	}
	return nil
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
