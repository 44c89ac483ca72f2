// Command importinto measures how a large CSV file gets into a table with three
// secondary indexes: IMPORT INTO on one node and on three, LOAD DATA LOCAL INFILE,
// and myloader; and, of the same rows, IMPORT INTO of packed CSV from an object
// store and of Parquet. The ways take turns, round after round, on one store in
// one run, and after each every row is compared; medians are printed, and ratios
// of medians.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	_ "github.com/go-sql-driver/mysql" // registers the driver "mysql"

	"dxfproxy/internal/bench"
	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var b contest
	flag.StringVar(&b.binary, "binary", "bin/dxfproxy", "the program to measure")
	flag.StringVar(&b.baseDir, "basedir", "", "the store's installation, as scripts/stores prints it; empty for the MariaDB on PATH")
	flag.IntVar(&b.rows, "rows", 2_000_000, "rows of the table")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of all ways")
	flag.Int64Var(&b.pool, "buffer-pool", 128, "innodb_buffer_pool_size in MiB; 128 is the servers' own default")
	flag.Uint64Var(&b.seed, "seed", 1, "of the rows")
	flag.StringVar(&b.only, "only", "", "measure the ways whose names match this regular expression")
	flag.StringVar(&b.with, "with", "", "further options of IMPORT INTO, as \"thread = 2\"")
	flag.Parse()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-import: error:", err)
		os.Exit(1)
	}
}

type contest struct {
	binary, baseDir string
	rows, rounds    int
	pool            int64
	seed            uint64
	only, with      string

	dir        string
	srv        *mariadbd.Server
	db         *sql.DB // straight to the store
	one, three *cluster.Cluster
	objects    *httptest.Server // the S3 server
	packed     string           // where the packed CSV is
	sum        uint64           // of all rows, see checksum
	definition string           // of the table, finished
}

// dirPrefix names the temporary directories of this benchmark.
const dirPrefix = "dxfproxy-bench-import-"

func (b *contest) run(ctx context.Context) (err error) {
	mariadbd.Sweep(dirPrefix)
	if b.dir, err = os.MkdirTemp("", dirPrefix); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	// The system account mysql has to get in.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	// The server's default durability: what a production database has.
	b.srv, err = mariadbd.Start(ctx, mariadbd.Config{
		DataDir: filepath.Join(b.dir, "store"), BaseDir: b.baseDir, BufferPool: b.pool << 20, Options: []string{"local_infile=ON"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.srv.Stop(context.WithoutCancel(ctx))) }()
	if b.db, err = sql.Open("mysql", b.srv.DSN()); err != nil {
		return err
	}
	defer b.db.Close()
	fmt.Printf("%s %s, buffer pool %d MiB, %d CPUs, %d rows, 3 secondary indexes, %d rounds\n", b.srv.Kind(), b.srv.Version(), b.pool,
		runtime.NumCPU(), b.rows, b.rounds)
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.objects.Close()
	// Two clusters of their own, each with its own framework tables.
	if b.one, err = bench.Nodes(ctx, b.srv, b.binary, b.dir, 1, "--import-dir", b.dir, "--import-endpoints", b.objects.URL); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.one.Stop(context.WithoutCancel(ctx))) }()
	if b.three, err = bench.Nodes(ctx, b.srv, b.binary, b.dir, 3, "--import-dir", b.dir, "--import-endpoints", b.objects.URL); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.three.Stop(context.WithoutCancel(ctx))) }()

	ways, err := b.ways(ctx)
	if err != nil {
		return err
	}
	for round := range b.rounds {
		for i := range ways {
			w := ways[i]
			if round%2 == 1 {
				w = ways[len(ways)-1-i] // nobody always comes after the same one
			}
			if err := b.measure(ctx, w); err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, w.name, err)
			}
		}
	}
	b.print(ways)
	return nil
}

// prepare makes the files, and the dump that myloader reads, of a table that holds
// what is in them.
func (b *contest) prepare(ctx context.Context) error {
	if err := b.makeFiles(ctx); err != nil {
		return fmt.Errorf("make the files: %w", err)
	}
	// The first large load makes the server's undo and temporary files grow, for
	// all that come after it.
	if err := b.empty(ctx); err != nil {
		return err
	}
	if _, err := b.loadData(ctx); err != nil {
		return fmt.Errorf("load the rows for the first time: %w", err)
	}
	if err := b.check(ctx); err != nil {
		return err
	}
	return b.dump(ctx)
}
