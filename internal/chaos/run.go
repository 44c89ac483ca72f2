package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/internal/cluster"
	"dxfproxy/internal/cluster/wire"
	"dxfproxy/internal/workload"
	"dxfproxy/mariadbd"
)

// The schemas of a run: that of the jobs' tables, and the nodes' own.
const (
	schema = "app"
	meta   = "dxf"
)

// A run is one job with one fault.
type run struct {
	config
	rnd   *rand.Rand
	seed  uint64
	fault fault
	job   job
	dir   string

	store    *mariadbd.Server
	storeCfg mariadbd.Config
	replica  *mariadbd.Server // only for a failover
	unmount  func()

	wires   []*wire.Wire // of the nodes, and the last of those who write to the store directly
	cluster *cluster.Cluster
	direct  *sql.DB // root's, over the last wire
	table   workload.Table
	load    *workload.Load

	moment   string // when the fault struck
	answered chan error
	answer   error // what the client of the job was told
}

// new makes the run of a seed.
func (c config) new(seed uint64, dir string) *run {
	// Seeds that follow each other are to have nothing else in common.
	r := &run{config: c, seed: seed, dir: dir, rnd: rand.New(rand.NewPCG(seed*0x9e3779b97f4a7c15, seed)), answered: make(chan error, 1)}
	r.fault = c.faults[seed%uint64(len(c.faults))]
	r.job = jobs[(seed/uint64(len(c.faults))+seed)%uint64(len(jobs))]
	r.moment = "the start"
	return r
}

// told says what the job's client was told.
func (r *run) told() string {
	if r.answer == nil {
		return "its client was answered"
	}
	return "its client: " + r.answer.Error()
}

// limit is how long a run may take in all.
const limit = 6 * time.Minute

// run makes the run. The error says what is bad about it, the text how the job ended.
func (r *run) run(ctx context.Context) (outcome string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the run took more than %v", limit))
	defer cancel()
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.start(ctx); err != nil {
		return "", fmt.Errorf("start: %w", err)
	}
	before, err := r.definition(ctx)
	if err != nil {
		return "", err
	}
	r.load = workload.Start(ctx, workload.Config{
		Table: r.table, DSNs: append(r.cluster.DSNs(), r.rootDSN()), Writers: 4, Pause: 3 * time.Millisecond, Seed: r.seed,
		Tolerate: r.fault.tolerate,
	})
	watched := r.watch(ctx)
	go func() { r.answered <- r.submit(ctx) }()
	if err := r.await(ctx); err != nil {
		return "", err
	}
	if err := r.fault.strike(r, ctx); err != nil {
		return "", fmt.Errorf("%s: %w", r.fault.name, err)
	}
	ended, err := r.end(ctx)
	if err := errors.Join(err, watched()); err != nil {
		return "", err
	}
	select {
	case r.answer = <-r.answered:
	case <-time.After(time.Minute):
		return "", errors.New("the job has ended, and its client is not answered")
	}
	if r.fault.apart && (errors.Is(r.answer, mysql.ErrInvalidConn) || numbers(1927)(r.answer)) {
		return "", fmt.Errorf("the job's client: %w", r.answer)
	}
	return ended.state, r.check(ctx, ended, before)
}

// check looks at everything from outside.
func (r *run) check(ctx context.Context, ended progress, before string) error {
	if err := r.load.Stop(); err != nil {
		return fmt.Errorf("a client got: %w", err)
	}
	report, err := r.load.Verify(ctx, r.direct)
	if err != nil {
		return err
	}
	if !report.Clean() {
		return fmt.Errorf("writes: %s", report.String())
	}
	if ended.ok {
		if err := r.job.check(ctx, r); err != nil {
			return fmt.Errorf("the job says %s: %w", ended.state, err)
		}
	} else {
		if r.fault.mayEnd == nil || !r.fault.mayEnd(ended.reason) {
			return fmt.Errorf("the job ended: %s: %s", ended.state, ended.reason)
		}
		after, err := r.definition(ctx)
		if err == nil && after != before {
			err = fmt.Errorf("the job ended: %s (%s), and the table is another:\n%s\nit was\n%s", ended.state, ended.reason, after, before)
		}
		if err != nil {
			return err
		}
	}
	if err := r.nothingLeft(ctx); err != nil {
		return err
	}
	return r.complaints()
}

// definition is that of the job's table.
func (r *run) definition(ctx context.Context) (text string, err error) {
	var name string
	err = r.direct.QueryRowContext(ctx, "SHOW CREATE TABLE "+schema+"."+r.job.table).Scan(&name, &text)
	if at := strings.Index(text, " AUTO_INCREMENT="); at >= 0 {
		text = text[:at]
	}
	return text, err
}

// start starts the store, three nodes, each with a wire of its own, and makes the
// tables.
func (r *run) start(ctx context.Context) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(r.dir, 0o755); err != nil { // the server's own account has to get in
		return err
	}
	if err := r.startStore(ctx); err != nil {
		return err
	}
	dsn, err := r.store.StoreDSN(ctx, meta)
	if err != nil {
		return err
	}
	if r.replica != nil {
		if err := r.replicate(ctx); err != nil {
			return fmt.Errorf("make the replica follow: %w", err)
		}
	}
	var stores []string
	for range 4 {
		w, err := wire.Listen(r.store.Addr())
		if err != nil {
			return err
		}
		r.wires = append(r.wires, w)
		stores = append(stores, strings.Replace(dsn, r.store.Addr(), w.Addr(), 1))
	}
	if r.direct, err = openRoot(r.rootDSN()); err != nil {
		return err
	}
	r.table = workload.Table{Schema: schema, Name: "orders", Rows: r.rows, Seed: int64(r.seed % 1000)}
	if err := r.table.Create(ctx, r.direct, nil); err != nil {
		return err
	}
	if err := r.job.prepare(ctx, r); err != nil {
		return err
	}
	r.cluster, err = cluster.Start(ctx, cluster.Config{
		Binary: r.binary, Stores: stores[:3], Nodes: 3, Dir: r.dir, Args: []string{"--meta-schema", meta, "--import-dir", r.dir},
	})
	if err != nil {
		return err
	}
	// Sizes of this machine's memory are the native way's.
	return r.ask(ctx, 0, "SET GLOBAL dxf_native_ddl_max_size = 0")
}

func (r *run) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if r.load != nil {
		_ = r.load.Stop() // again; the error was looked at
	}
	for _, w := range r.wires {
		w.Release()
		w.Delay(0)
	}
	if r.cluster != nil {
		errs = append(errs, r.cluster.Stop(ctx))
	}
	if r.direct != nil {
		r.direct.Close()
	}
	for _, w := range r.wires {
		w.Close()
	}
	for _, s := range []*mariadbd.Server{r.store, r.replica} {
		if s != nil {
			s.Kill()
		}
	}
	if r.unmount != nil {
		r.unmount()
	}
	return errors.Join(errs...)
}

// rootDSN is where those write who do not go through a node.
func (r *run) rootDSN() string { return "root@tcp(" + r.wires[3].Addr() + ")/" }

func openRoot(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.Logger = &mysql.NopLogger{}
	cfg.Timeout, cfg.InterpolateParams = 5*time.Second, true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// ask runs a statement through a node.
func (r *run) ask(ctx context.Context, node int, sql string) error {
	db, err := openRoot(r.cluster.Nodes[node].DSN())
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, sql)
	return err
}

// submit hands the job in through the first node.
func (r *run) submit(ctx context.Context) error { return r.ask(ctx, 0, r.job.statement(r)) }

// watch has somebody read while the job runs. The function returned ends that, and
// tells what was wrong.
func (r *run) watch(ctx context.Context) func() error {
	if r.job.watch == nil {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan error, 1)
	go func() { seen <- r.job.watch(ctx, r) }()
	return func() error {
		cancel()
		return <-seen
	}
}

// try repeats what the fault may interrupt, until it works.
func try(ctx context.Context, what string, f func() error) error {
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return wrap(err, what)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// pause waits for a time of the run's own plan, not for a thing.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// complaints looks for what no node may write into its log.
func (r *run) complaints() error {
	for _, n := range r.cluster.Nodes {
		text, err := os.ReadFile(n.Log)
		if err != nil {
			return err
		}
		if found := forbidden.Find(text); found != nil {
			return fmt.Errorf("%s: %s: see %s", n.Name, found, n.Log)
		}
	}
	return nil
}

var forbidden = regexp.MustCompile(`DATA RACE|panic: .*|session panicked`)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
