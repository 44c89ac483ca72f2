package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/scheduler"
	"dxfproxy/server"
	"dxfproxy/store"
	"dxfproxy/table"
)

// serve runs one node until ctx ends.
func serve(ctx context.Context, args []string, stdout, _ io.Writer) (err error) {
	cfg, err := parseConfig("serve", args)
	if err != nil {
		return err
	}
	log := cfg.logger()
	defer log.Sync()

	// The address first: whoever is told "in use" has lost no time and left
	// no trace.
	listeners, err := listen(cfg.Listen, cfg.Socket)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	addr := listeners[0].Addr()
	if cfg.Node == "" {
		if cfg.Node, err = nodeName(cfg.Listen, addr); err != nil {
			return err
		}
	}

	if err := changeUser(cfg, log); err != nil {
		return err
	}
	b, err := openStore(ctx, cfg, addr, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := refusePasswordless(ctx, cfg, addr, b.dsn); err != nil {
		return err
	}
	certs, err := clientCertificates(cfg, addr, log)
	if err != nil {
		return err
	}
	warnOfAddresses(cfg, addr, b, log)
	warnOfPlain(cfg, log)
	front := newRelay(cfg, b, certs, listeners, log)

	run, closeStore, err := newRun(ctx, cfg, b, front, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	log.Info("node started", zap.Stringer("listen", addr), zap.String("version", version), zap.Int("slots", slots()))
	fmt.Fprintf(stdout, "dxfproxy %s is ready: %s\n", version, clientCommand(cfg, addr))
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return run(gctx) })
	g.Go(func() error { reloadOnHangup(gctx, certs, log); return nil })
	g.Go(func() error {
		select {
		case err := <-b.died:
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
func newRun(
	ctx context.Context, cfg config, b backing, front *relay, log *zap.Logger,
) (run func(context.Context) error, closeStore func() error, err error) {
	// Two sessions for the work of each slot, those of guests too, one for each of the tasks
	// that an owner plans, and a few that look at what the others do.
	db, err := store.Open(ctx, store.Config{
		DSN: b.dsn, Meta: b.meta, Trial: b.trial, Schema: cfg.MetaSchema, Types: knownTypes(), Log: log,
		WorkConns: 2*(slots()+scheduler.MaxGuests) + dxf.MostRunningTasks + 8,
	})
	if errors.Is(err, store.ErrTiDB) {
		log.Warn("this node only relays: TiDB runs ADD INDEX and the like as jobs of its own, and answers for them",
			zap.String("reason", err.Error()))
		return front.run, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	warnOfStore(ctx, db, log)
	front.leaveRoom(ctx, db.SQL())
	n, err := newNode(cfg, b, db, front, log)
	if err == nil {
		if err = db.TakeName(ctx, n.self); err != nil {
			_ = n.waker.Close()
		}
	}
	if err != nil {
		_ = db.Close()
		return nil, nil, err
	}
	return n.run, db.Close, nil
}

// warnOfStore says, once at the start, when every job on this store will be the
// store's own DDL, and what our account lacks of what is not of single schemas. Without PROCESS,
// for one, a job sees nobody else's session: it waits where it could look.
func warnOfStore(ctx context.Context, db *store.DB, log *zap.Logger) {
	settings, err := server.LoadSettings(ctx, db.SQL())
	if err != nil {
		log.Warn("the store's settings could not be read", zap.Error(err))
		return
	}
	if reason := table.Unfit(settings); reason != "" {
		log.Warn("no table of this store can be copied online: ADD INDEX will run as the store's own DDL", zap.String("reason", string(reason)))
	}
	held, err := grants.Load(ctx, db.SQL())
	if err != nil {
		log.Warn("the grants of the store's account could not be read", zap.Error(err))
		return
	}
	l := grants.Layout{Meta: db.Schema()}
	if settings.Family == server.MySQL {
		l.Family = grants.MySQL
	}
	for _, n := range held.Lacks(l.Needs(grants.Work)) {
		if n.Schema == grants.Everywhere && !l.OnTables(n) {
			log.Warn("the account of the store lacks privileges: jobs are slower, do not say what they wait for, or are the store's own DDL; "+
				"dxfproxy check tells the grants",
				zap.Strings("lacks", n.Privileges))
		}
	}
}

// clientCommand is what to type to get in, on this machine.
func clientCommand(cfg config, addr net.Addr) string {
	if cfg.Store == "" {
		file := filepath.Join(cfg.DataDir, "client.cnf")
		if !filepath.IsAbs(file) {
			file = "./" + file
		}
		return "mariadb --defaults-extra-file=" + file
	}
	host, port, _ := net.SplitHostPort(reachable(addr))
	return fmt.Sprintf("mariadb -h%s -P%s -uroot", host, port)
}

// reachable is where clients on this machine reach a listener: one for all addresses
// by the loopback's.
func reachable(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if unspecified(host) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// slots is how many subtasks this node runs at once: one for each CPU.
func slots() int { return runtime.NumCPU() }
