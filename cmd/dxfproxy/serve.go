package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/mariadbd"
	"dxfproxy/store"
	"dxfproxy/table"
)

// serve runs one node until ctx ends.
func serve(ctx context.Context, args []string, stdout, _ io.Writer) (err error) {
	cfg, err := parseConfig(args)
	if err != nil {
		return err
	}
	log := cfg.logger()
	defer log.Sync()

	// The address first: whoever is told "in use" has lost no time and left
	// no trace.
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return listenError{cfg.Listen, err}
	}
	defer ln.Close()
	if cfg.Node == cfg.Listen { // a port of 0 was chosen by the system
		cfg.Node = ln.Addr().String()
	}

	dsn, stopStore, died, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopStore()) }()

	run, closeStore, err := newRun(ctx, cfg, dsn, ln, log)
	if err != nil {
		return err
	}
	defer closeStore()
	log.Info("node started", zap.String("listen", ln.Addr().String()), zap.String("version", version), zap.Int("slots", slots()))
	fmt.Fprintf(stdout, "dxfproxy %s is ready: %s\n", version, clientCommand(ln.Addr()))
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return run(gctx) })
	g.Go(func() error {
		select {
		case err := <-died:
			return err
		case <-gctx.Done():
			return nil
		}
	})
	err = g.Wait()
	log.Info("node stopped", zap.Error(err))
	return err
}

// newRun makes what this node runs, and what closes its connections after that:
// all its parts, or, before a store that has jobs of its own, the relay alone.
func newRun(ctx context.Context, cfg config, dsn string, ln net.Listener, log *zap.Logger) (run func(context.Context) error, closeStore func() error, err error) {
	db, err := store.Open(ctx, store.Config{DSN: dsn, Schema: cfg.MetaSchema})
	if errors.Is(err, store.ErrTiDB) {
		log.Warn("this node only relays: TiDB runs ADD INDEX and the like as jobs of its own, and answers for them", zap.String("reason", err.Error()))
		server, err := newServer(cfg, dsn, log)
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context) error { return server.Serve(ctx, ln) }, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	warnOfStore(ctx, db, log)
	n, err := newNode(cfg, dsn, db, ln, log)
	if err != nil {
		_ = db.Close()
		return nil, nil, err
	}
	return n.run, db.Close, nil
}

// warnOfStore says, once at the start, when every job on this store will be the
// store's own DDL.
func warnOfStore(ctx context.Context, db *store.DB, log *zap.Logger) {
	settings, err := table.LoadSettings(ctx, db.SQL())
	if err != nil {
		log.Warn("the store's settings could not be read", zap.Error(err))
		return
	}
	if reason := settings.Reason(); reason != "" {
		log.Warn("no table of this store can be copied online: ADD INDEX will run as the store's own DDL", zap.String("reason", string(reason)))
	}
}

// clientCommand is what to type to get in.
func clientCommand(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	return fmt.Sprintf("mariadb -h%s -P%s -uroot", host, port)
}

// openStore starts the embedded store, or takes the one that --store names. It
// returns its DSN, what stops it, and a channel that tells when it has died.
func openStore(ctx context.Context, cfg config, log *zap.Logger) (string, func() error, <-chan error, error) {
	if cfg.Store != "" {
		return cfg.Store, func() error { return nil }, nil, nil
	}
	srv, err := mariadbd.Start(ctx, mariadbd.Config{DataDir: cfg.DataDir, Logger: log})
	if err != nil {
		return "", nil, nil, err
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
	return srv.DSN(), stop, died, nil
}

// storeAddr is the network address in a DSN.
func storeAddr(dsn string) (network, addr string, err error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "", "", fmt.Errorf("parse the store's DSN: %w", err)
	}
	return c.Net, c.Addr, nil
}

// slots is how many subtasks this node runs at once: one for each CPU.
func slots() int { return runtime.NumCPU() }
