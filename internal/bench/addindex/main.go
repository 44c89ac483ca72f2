// Command addindex measures ADD INDEX on a table with three secondary indexes:
// distributed on one node and on three, native through a node, the store's own
// ALTER, and pt-online-schema-change. The contenders take turns, round after
// round, on one store in one run; medians are printed, and ratios of medians. With -small it
// measures changes of small tables instead, with -latency nodes that are far from the store.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"dxfproxy/internal/bench"
	"dxfproxy/internal/cluster"
	"dxfproxy/internal/workload"
	"dxfproxy/mariadbd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var b contest
	flag.StringVar(&b.binary, "binary", "bin/dxfproxy", "the program to measure")
	flag.Int64Var(&b.rows, "rows", 2_000_000, "rows of the table")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of all contenders")
	flag.Int64Var(&b.pool, "buffer-pool", 1024, "innodb_buffer_pool_size in MiB")
	latency := flag.String("latency", "", "measure the copy with nodes that are so far from the store, a round trip: 20ms,50ms")
	small := flag.Bool("small", false, "measure small changes: an index on an empty table, and a dump")
	flag.DurationVar(&b.pause, "pause", 100*time.Millisecond, "between two small changes")
	flag.Parse()
	if *latency != "" {
		trips, err := parseTrips(*latency)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: error:", err)
			os.Exit(2)
		}
		b.trips = trips
	}
	b.onlySmall = *small
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

type contest struct {
	binary string
	rows   int64
	rounds int
	pool   int64

	trips     []time.Duration // none: nobody is far from the store
	onlySmall bool
	pause     time.Duration

	srv   *mariadbd.Server
	db    *sql.DB // straight to the store
	table workload.Table
}

// contender adds the index in its own way.
type contender struct {
	name string
	add  func(ctx context.Context) error
	took []time.Duration
}

func (b *contest) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "dxfproxy-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The server's default durability: what a production database has.
	b.srv, err = mariadbd.Start(ctx, mariadbd.Config{DataDir: filepath.Join(dir, "store"), BufferPool: b.pool << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.srv.Stop(context.WithoutCancel(ctx))) }()
	if b.db, err = sql.Open("mysql", b.srv.DSN()); err != nil {
		return err
	}
	defer b.db.Close()
	b.table = workload.Table{Schema: "bench", Name: "orders", Rows: b.rows, Seed: 1}
	if b.onlySmall {
		return b.runSmall(ctx, dir)
	}
	fmt.Printf("MariaDB %s, buffer pool %d MiB, %d CPUs, %d rows, 3 secondary indexes, %d rounds\n", b.srv.Version(), b.pool, runtime.NumCPU(),
		b.rows, b.rounds)
	if err := b.table.Create(ctx, b.db, nil); err != nil {
		return err
	}
	if len(b.trips) > 0 {
		return b.runFar(ctx, dir)
	}
	// Two clusters of their own, each with its own framework tables.
	one, err := bench.Nodes(ctx, b.srv, b.binary, dir, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, one.Stop(context.WithoutCancel(ctx))) }()
	three, err := bench.Nodes(ctx, b.srv, b.binary, dir, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, three.Stop(context.WithoutCancel(ctx))) }()

	cs := []*contender{
		{name: "dxfproxy, DXF ON, 3 nodes", add: through(three, "ON")},
		{name: "dxfproxy, DXF ON, 1 node", add: through(one, "ON")},
		{name: "dxfproxy, native", add: through(one, "OFF")},
		{name: "the store's own ALTER", add: b.own},
	}
	if pt, err := exec.LookPath("pt-online-schema-change"); err == nil {
		cs = append(cs, &contender{name: "pt-online-schema-change", add: b.ptOSC(pt)})
	} else {
		fmt.Println("pt-online-schema-change is not installed (package percona-toolkit): left out")
	}
	if err := b.rotate(ctx, cs); err != nil {
		return err
	}
	b.print(cs)
	if err := b.cutovers(ctx, three); err != nil {
		return fmt.Errorf("cut-overs: %w", err)
	}
	return printMemory(append(one.Nodes, three.Nodes...))
}

func (b *contest) runFar(ctx context.Context, dir string) error {
	f, err := b.farCluster(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(b.distances(ctx, f, b.trips), f.stop(ctx))
}

func (b *contest) runSmall(ctx context.Context, dir string) error {
	c, err := bench.Nodes(ctx, b.srv, b.binary, dir, 3)
	if err != nil {
		return err
	}
	return errors.Join(b.small(ctx, c), c.Stop(context.WithoutCancel(ctx)))
}

// rotate measures all contenders, round after round.
func (b *contest) rotate(ctx context.Context, cs []*contender) error {
	// The first large job makes the server's undo and temporary files grow, for
	// all that come after it.
	warm := *cs[0]
	warm.name = "warm-up, not counted"
	if err := b.measure(ctx, &warm); err != nil {
		return err
	}
	for round := range b.rounds {
		for i := range cs {
			c := cs[i]
			if round%2 == 1 {
				c = cs[len(cs)-1-i] // nobody always comes after the same one
			}
			if err := bench.Settle(ctx, b.db); err != nil {
				return err
			}
			if err := b.measure(ctx, c); err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, c.name, err)
			}
		}
	}
	return nil
}

const alter = "ADD INDEX by_day (created_at)"

// through adds the index by a client of the cluster's first node.
func through(c *cluster.Cluster, dist string) func(context.Context) error {
	return func(ctx context.Context) error {
		db, err := c.Nodes[0].Open()
		if err != nil {
			return err
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, "SET GLOBAL tidb_enable_dist_task = "+dist); err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, "ALTER TABLE bench.orders "+alter)
		return err
	}
}

func (b *contest) own(ctx context.Context) error {
	_, err := b.db.ExecContext(ctx, "ALTER TABLE bench.orders "+alter)
	return err
}

func (b *contest) ptOSC(program string) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, program, "--execute", "--alter", alter,
			"--recursion-method", "none", "--no-version-check",
			"h=127.0.0.1,P="+strconv.Itoa(b.srv.Port())+",u=root,D=bench,t=orders").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
}

// measure times one contender and takes the index away again.
func (b *contest) measure(ctx context.Context, c *contender) error {
	began := time.Now()
	if err := c.add(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	c.took = append(c.took, took)
	fmt.Printf("  %-28s %7.2f s\n", c.name, took.Seconds())
	var there int
	if err := b.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.statistics
WHERE table_schema = 'bench' AND table_name = 'orders' AND index_name = 'by_day'`).Scan(&there); err != nil {
		return err
	}
	if there != 1 {
		return errors.New("the index is not there")
	}
	_, err := b.db.ExecContext(ctx, "ALTER TABLE bench.orders DROP INDEX by_day")
	return err
}

func (b *contest) print(cs []*contender) {
	last := cs[len(cs)-1]
	fmt.Printf("\n%-28s %9s %12s   %s\n", "ADD INDEX", "median", "rows/s", "times as fast as "+last.name)
	for _, c := range cs {
		m := bench.Median(c.took)
		fmt.Printf("%-28s %7.2f s %12.0f   %.2f\n", c.name, m.Seconds(), float64(b.rows)/m.Seconds(), float64(bench.Median(last.took))/float64(m))
	}
}
