package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/grants"
	"dxfproxy/mariadbd"
	"dxfproxy/seal"
)

// backing is how the node reaches its store.
type backing struct {
	dsn   string         // for the jobs' own connections
	meta  grants.Account // the same store's, for the framework's tables
	trial grants.Account // and for users' statements on empty copies
	addrs []string       // for clients, in the order to try them
	tls   *tls.Config    // towards it

	stop func() error // ends the embedded store; nil: it is none of ours
	died <-chan error // tells that it has ended by itself; nil: as above
}

// close ends the embedded store.
func (b backing) close() error {
	if b.stop == nil {
		return nil
	}
	return b.stop()
}

// sealKey is the key for secrets that all nodes with this store and meta schema have.
func (b backing) sealKey(metaSchema string) (*seal.Key, error) {
	c, err := mysql.ParseDSN(b.dsn)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	return seal.NewKey(c.Passwd, metaSchema), nil
}

// openStore starts the embedded store, or takes the one that --store names.
func openStore(ctx context.Context, cfg config, at net.Addr, log *zap.Logger) (backing, error) {
	if cfg.Store != "" {
		return namedStore(ctx, cfg, log)
	}
	srv, err := mariadbd.Start(ctx, mariadbd.Config{DataDir: cfg.DataDir, RootPassword: true, ClientAddr: reachable(at), Logger: log})
	if err != nil {
		return backing{}, err
	}
	died := make(chan error, 1)
	go func() {
		<-srv.Done()
		if err := srv.Err(); err != nil {
			died <- err
		}
	}()
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		return srv.Stop(ctx)
	}
	dsn, err := srv.StoreDSN(ctx, cfg.MetaSchema)
	if err != nil {
		return backing{}, errors.Join(err, stop())
	}
	b := backing{dsn: dsn, addrs: []string{srv.Addr()}, stop: stop, died: died}
	b.meta, b.trial, err = otherAccounts(cfg, dsn)
	return b, err
}

// otherAccounts are the accounts beside that of a DSN: those named, else called
// after it, with its password unless they have their own.
func otherAccounts(cfg config, dsn string) (meta, trial grants.Account, err error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return meta, trial, fmt.Errorf("read the store's DSN: %w", err)
	}
	account := func(named, byDefault string) grants.Account {
		user, password, ok := strings.Cut(named, ":")
		if user == "" {
			user = c.User + byDefault
		}
		if !ok {
			password = c.Passwd
		}
		return grants.Account{User: user, Password: password}
	}
	return account(cfg.MetaAccount, "_meta"), account(cfg.TrialAccount, "_trial"), nil
}

// storeTLSName is under which the driver knows the TLS towards the store.
const storeTLSName = "dxfproxy-store"

// namedStore is the store of --store. Where TLS is required, or its authority
// known, the jobs' connections use it too, unless the DSN says otherwise.
func namedStore(ctx context.Context, cfg config, log *zap.Logger) (b backing, err error) {
	all, err := storeDSNs(cfg.Store)
	if err != nil {
		return b, err
	}
	for _, c := range all {
		b.addrs = append(b.addrs, c.Addr)
	}
	if b.tls, err = storeTLSConfig(cfg.StoreCA, all); err != nil {
		return b, err
	}
	jobs := choose(ctx, all, log)
	if jobs.TLSConfig == "" && (cfg.StoreTLS == "require" || cfg.StoreCA != "") {
		if err := mysql.RegisterTLSConfig(storeTLSName, b.tls); err != nil {
			return b, fmt.Errorf("set up TLS to the store: %w", err)
		}
		jobs.TLSConfig = storeTLSName
	}
	b.dsn = jobs.FormatDSN()
	b.meta, b.trial, err = otherAccounts(cfg, b.dsn)
	return b, err
}

// warnOfAddresses says when clients from elsewhere look to the store as if they
// were on its own machine, which accounts for localhost let in.
func warnOfAddresses(cfg config, at net.Addr, b backing, log *zap.Logger) {
	open := !at.(*net.TCPAddr).IP.IsLoopback()
	for _, addr := range b.addrs {
		host, _, _ := net.SplitHostPort(addr)
		local := host == "localhost" || net.ParseIP(host).IsLoopback()
		if open && local && cfg.StoreProxyProtocol == "" {
			log.Warn("clients from anywhere reach the store's accounts for localhost: give those passwords, or see --store-proxy-protocol",
				zap.Stringer("listen", at), zap.String("store", addr))
			return
		}
	}
}

// warnOfPlain says that who has no certificate may still come in without TLS.
func warnOfPlain(cfg config, log *zap.Logger) {
	if cfg.TLSCA != "" && !cfg.RequireSecureTransport {
		log.Warn("clients that do not use TLS need no certificate of --tls-ca: see --require-secure-transport")
	}
}
