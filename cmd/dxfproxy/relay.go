package main

import (
	"context"
	"database/sql"
	"net"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/protocol"
)

// relay is what of a node clients see: its listeners and the server behind them.
type relay struct {
	server    *protocol.Server
	listeners []net.Listener // the address first
	log       *zap.Logger
}

func newRelay(cfg config, b backing, certs *certificates, listeners []net.Listener, log *zap.Logger) *relay {
	server := &protocol.Server{
		Dial: newStoreDialer(b.addrs, log).dial, Log: log,
		MaxConnections: cfg.MaxConnections, HandshakeTimeout: cfg.ConnectTimeout, DrainTimeout: max(cfg.DrainTimeout, 1),
		RequireTLS: cfg.RequireSecureTransport, StoreTLS: storeTLSModes[cfg.StoreTLS], StoreTLSConfig: b.tls,
		ProxyNetworks: cfg.proxyNetworks, StoreProxyHeader: proxyVersions[cfg.StoreProxyProtocol],
		LogIn: nodeLogin(b.dsn),
	}
	if certs != nil {
		server.TLS = certs.config()
	}
	return &relay{server: server, listeners: listeners, log: log}
}

// leaveRoom keeps clients that have not logged in from more than half of the
// store's connections: the rest is for those who have, and for jobs.
func (r *relay) leaveRoom(ctx context.Context, store *sql.DB) {
	var most int
	if err := store.QueryRowContext(ctx, "SELECT @@max_connections").Scan(&most); err != nil {
		r.log.Warn("the store does not say how many connections it takes", zap.Error(err))
		return
	}
	r.server.MaxUnanswered = max(most/2, 1)
}

// run serves clients until ctx ends, and then lets them finish.
func (r *relay) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, ln := range r.listeners {
		g.Go(func() error { return r.server.Serve(ctx, ln) })
	}
	g.Go(func() error { steerProcessors(ctx, r.log); return nil })
	return g.Wait()
}

// reloadOnHangup reads the certificates again at every SIGHUP, until ctx ends.
func reloadOnHangup(ctx context.Context, certs *certificates, log *zap.Logger) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		if certs == nil {
			log.Info("nothing to load again: clients are not offered TLS")
			continue
		}
		if err := certs.load(); err != nil {
			log.Error("the certificate in use stays", zap.Error(err))
		}
	}
}
