// Package cluster runs several dxfproxy processes over one store on this
// machine: for the demo, for tests with faults and for benchmarks. The
// processes are real, so they can be killed, frozen and continued as processes
// are.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Config says what to start.
type Config struct {
	Binary string   // the dxfproxy program
	Store  string   // DSN of the store
	Stores []string // the same for each node, where they differ; Store is not used then
	Client string   // user:password of the nodes' clients; empty means root without one
	Dir    string   // where each node's log goes (node-<n>.log)
	Nodes  int      // 0 means 3
	Args   []string // further arguments of serve, for all nodes
	// Sessions gives each node a session of its own, as services have: Linux shares
	// processors between sessions first (sched(7), autogroup).
	Sessions bool
}

// A Cluster is some nodes over one store.
type Cluster struct {
	Nodes []*Node
}

// Start starts the nodes and waits until all of them answer.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = 3
	}
	if cfg.Client == "" {
		cfg.Client = "root"
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the log directory: %w", err)
	}
	c := &Cluster{}
	for i := range cfg.Nodes {
		if len(cfg.Stores) > 0 {
			cfg.Store = cfg.Stores[i]
		}
		n := &Node{
			Name:   fmt.Sprintf("node-%d", i+1),
			Log:    filepath.Join(cfg.Dir, fmt.Sprintf("node-%d.log", i+1)),
			binary: cfg.Binary, store: cfg.Store, client: cfg.Client, args: cfg.Args, session: cfg.Sessions,
		}
		c.Nodes = append(c.Nodes, n)
	}
	var g errgroup.Group
	for _, n := range c.Nodes {
		g.Go(func() error { return n.Start(ctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// Stop stops every node that still runs, all at once, each cleanly.
func (c *Cluster) Stop(ctx context.Context) error {
	errs := make([]error, len(c.Nodes))
	var done sync.WaitGroup
	for i, n := range c.Nodes {
		done.Add(1)
		go func() {
			defer done.Done()
			errs[i] = n.Stop(ctx)
		}()
	}
	done.Wait()
	return errors.Join(errs...)
}

// DSNs lists where clients connect, node by node.
func (c *Cluster) DSNs() []string {
	var dsns []string
	for _, n := range c.Nodes {
		dsns = append(dsns, n.DSN())
	}
	return dsns
}
