package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"dxfproxy/check"
	"dxfproxy/grants"
)

// errPasswordless is an account that everybody would have who reaches this node.
type errPasswordless struct {
	addr     string
	accounts []string
}

func (e errPasswordless) Error() string {
	return fmt.Sprintf("listen on %s: the store lets %s in without a password, and so would this node everybody who reaches it",
		e.addr, strings.Join(e.accounts, " and "))
}

// mend is the statements that give the accounts passwords.
func (e errPasswordless) mend() string {
	var all []string
	for _, a := range e.accounts {
		all = append(all, fmt.Sprintf("ALTER USER %s IDENTIFIED BY '…';", a))
	}
	return strings.Join(all, " ") + " or listen on 127.0.0.1"
}

// refusePasswordless refuses to open an address to the network before a store in which
// anybody can be somebody with powers. Clients that need a certificate are not anybody.
func refusePasswordless(ctx context.Context, cfg config, at net.Addr, dsn string) error {
	if at.(*net.TCPAddr).IP.IsLoopback() || cfg.TLSCA != "" && cfg.RequireSecureTransport {
		return nil
	}
	db, err := check.Open(dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	var seen string
	if err := db.QueryRowContext(ctx, `SELECT SUBSTRING_INDEX(USER(), '@', -1)`).Scan(&seen); err != nil {
		return nil // whoever needs the store will say so
	}
	all, known, err := check.Logins(ctx, db, cfg.MetaSchema)
	if err != nil {
		return err
	}
	if !known {
		return refuseOpenRoot(ctx, at, dsn)
	}
	no := errPasswordless{addr: at.String()}
	for _, l := range all {
		if l.Open && l.Powers && l.ReachableBy(seen, cfg.StoreProxyProtocol != "") {
			no.accounts = append(no.accounts, l.String())
		}
	}
	if len(no.accounts) > 0 {
		return no
	}
	return nil
}

// refuseOpenRoot tries the one account that every store has.
func refuseOpenRoot(ctx context.Context, at net.Addr, dsn string) error {
	db, err := check.OpenAs(dsn, grants.Account{User: "root"})
	if err != nil {
		return err
	}
	defer db.Close()
	var who string
	if db.QueryRowContext(ctx, `SELECT CURRENT_USER()`).Scan(&who) == nil {
		return errPasswordless{at.String(), []string{grants.QuoteAccount(who)}}
	}
	return nil
}
