// Package demo shows the main jobs end to end on one machine: a store, three
// nodes, a live load, an index added by all nodes together, one of them killed
// half-way, CSV files imported by all of them, and every row compared at the end.
// It is a client like any other: what it shows it reads through a node, by SQL.
package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dxfproxy/backfill"
	"dxfproxy/internal/cluster"
	"dxfproxy/internal/workload"
	"dxfproxy/mariadbd"
)

// Config says how large the demo is.
type Config struct {
	Binary string // the dxfproxy program the nodes run
	Rows   int64
	Seed   uint64
	Out    io.Writer
}

// ErrFailed is the end of a demo in which something was not right; what it was
// has been printed.
var ErrFailed = errors.New("the demo found something wrong")

const statement = "ALTER TABLE shop.orders ADD INDEX by_day (created_at)"

// dirPrefix names the temporary directories of demos.
const dirPrefix = "dxfproxy-demo-"

// Run runs the demo. It leaves nothing behind: data and logs are in a temporary
// directory, which is kept only when something went wrong, for an hour at least.
func Run(ctx context.Context, cfg Config) (err error) {
	began := time.Now()
	mariadbd.Sweep(dirPrefix)
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	// Store and nodes that root starts run as mysql, which must get in.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	say := func(format string, args ...any) { fmt.Fprintf(cfg.Out, format+"\n", args...) }
	defer func() {
		if err == nil || ctx.Err() != nil {
			os.RemoveAll(dir)
		} else {
			say("logs of the store and the nodes are in %s", dir)
		}
	}()

	say("seed %d", cfg.Seed)
	srv, err := mariadbd.Start(ctx, mariadbd.Config{DataDir: filepath.Join(dir, "store"), Relaxed: true, RootPassword: true})
	if err != nil {
		return fmt.Errorf("start the store: %w", err)
	}
	defer func() { err = errors.Join(err, srv.Stop(context.WithoutCancel(ctx))) }()
	say("store    MariaDB %s on %s", srv.Version(), srv.Addr())

	store, err := srv.StoreDSN(ctx, "dxf")
	if err != nil {
		return err
	}
	c, err := cluster.Start(ctx, cluster.Config{
		Binary: cfg.Binary, Store: store, Client: "root:" + srv.RootPassword(), Dir: dir, Nodes: 3,
		Args: []string{"--import-dir", dir},
	})
	if err != nil {
		return fmt.Errorf("start the nodes: %w", err)
	}
	defer func() { err = errors.Join(err, c.Stop(context.WithoutCancel(ctx))) }()
	for _, n := range c.Nodes {
		say("%s   %s", n.Name, n.Addr)
	}

	if err := show(ctx, c, cfg, dir, say); err != nil {
		return err
	}
	say("done in %v", time.Since(began).Round(time.Second))
	return nil
}

// show runs the jobs on the nodes, and looks at what they have made.
func show(ctx context.Context, c *cluster.Cluster, cfg Config, dir string, say func(string, ...any)) error {
	db, err := c.Nodes[0].Open()
	if err != nil {
		return err
	}
	defer db.Close()
	table := workload.Table{Schema: "shop", Name: "orders", Rows: cfg.Rows, Seed: int64(cfg.Seed % 1_000_000)}
	if err := fill(ctx, db, table, cfg.Out); err != nil {
		return err
	}
	// However few the --rows: this is about the distributed way.
	if _, err := db.ExecContext(ctx, "SET GLOBAL dxf_native_ddl_max_size = 0"); err != nil {
		return fmt.Errorf("set a variable: %w", err)
	}
	load := workload.Start(ctx, workload.Config{
		Table: table, DSNs: c.DSNs(), Writers: 3, Pause: 5 * time.Millisecond, Seed: cfg.Seed,
	})
	defer func() { _ = load.Stop() }() // again; the error was looked at
	say("load     3 clients insert, update and delete through all nodes, from now to the end")
	say("")
	say("mysql> %s;", statement)

	r := rand.New(rand.NewPCG(cfg.Seed, 0))
	v := &victim{node: c.Nodes[1+r.IntN(2)], at: 0.35 + 0.3*r.Float64()}
	if err := addIndex(ctx, db, c, load, v, cfg.Out); err != nil {
		return err
	}
	if !v.killed {
		say("WRONG    the index was there before a node could be killed; try more --rows")
		return ErrFailed
	}
	say("")
	if err := v.node.Start(ctx); err != nil {
		return fmt.Errorf("start the node that was killed: %w", err)
	}
	say("*** %s is back", v.node.Name)
	archive := workload.Table{Schema: table.Schema, Name: "archive", Rows: cfg.Rows, Seed: table.Seed + 1}
	im := &importing{db: db, cluster: c, load: load, table: archive, out: cfg.Out}
	if err := im.run(ctx, filepath.Join(dir, "csv"), table.Quoted()); err != nil {
		return err
	}
	say("")
	if err := load.Stop(); err != nil {
		say("WRONG    a client of the load saw an error: %v", err)
		return ErrFailed
	}
	s := load.Stats()
	say("load     %s transactions acknowledged, %s rows changed, slowest %v",
		group(s.Commits), group(s.Changes), s.MaxLatency.Round(time.Millisecond))
	if err := check(ctx, db, load, table, say); err != nil {
		return err
	}
	if err := im.check(ctx); err != nil {
		return err
	}
	return nothingLeft(ctx, db, table.Schema, []string{table.Name, archive.Name}, say)
}

func fill(ctx context.Context, db *sql.DB, table workload.Table, out io.Writer) error {
	began := time.Now()
	d := newDisplay(out, table.Rows, "fill")
	err := table.Create(ctx, db, func(rows int64) { d.show(rows, table.Rows, nil) })
	d.close()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "table    shop.orders, %s rows, 3 secondary indexes, made in %v\n", group(table.Rows),
		time.Since(began).Round(time.Second))
	return nil
}

// victim is the node that is killed when the copy has come to a share at of
// the rows.
type victim struct {
	node   *cluster.Node
	at     float64
	killed bool
}

// addIndex runs the statement and shows its progress until it ends.
func addIndex(ctx context.Context, db *sql.DB, c *cluster.Cluster, load *workload.Load, v *victim, out io.Writer) error {
	began := time.Now()
	result := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(ctx, statement)
		result <- err
	}()
	load.ResetMaxLatency()
	w := &watcher{db: db, cluster: c, load: load, out: out, kind: backfill.Type}
	defer w.close()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-result:
			w.close()
			if err != nil {
				fmt.Fprintf(out, "WRONG    %v\n", err)
				return ErrFailed
			}
			fmt.Fprintf(out, "Query OK, 0 rows affected (%.3f sec)\n", time.Since(began).Seconds())
			return nil
		case <-tick.C:
		}
		p, err := w.look(ctx)
		if err != nil {
			return err
		}
		if !v.killed && p.moving && float64(p.done) >= v.at*float64(p.total) {
			v.killed = true
			if err := v.node.Kill(); err != nil {
				return err
			}
			w.event("kill -9 %s (%s) at %d %% of the copy", v.node.Name, v.node.Addr, 100*p.done/max(p.total, 1))
		}
	}
}

// check compares what was written with what is there.
func check(ctx context.Context, db *sql.DB, load *workload.Load, table workload.Table, say func(string, ...any)) error {
	rep, err := load.Verify(ctx, db)
	if err != nil {
		return err
	}
	if !rep.Clean() {
		say("WRONG    %s", rep)
		return ErrFailed
	}
	say("rows     %s rows compared with what was acknowledged: none missing, none twice, none different", group(rep.Rows))
	var index int
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.statistics
WHERE table_schema = ? AND table_name = ? AND index_name = 'by_day'`, table.Schema, table.Name).Scan(&index); err != nil {
		return err
	}
	var withIndex, without int64
	if index == 1 {
		err = db.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM "+table.Quoted()+" FORCE INDEX (by_day) "+
			"WHERE created_at > '0001-01-01'), (SELECT COUNT(*) FROM "+table.Quoted()+" FORCE INDEX (PRIMARY))").Scan(&withIndex, &without)
		if err != nil {
			return err
		}
	}
	if index != 1 || withIndex != without {
		say("WRONG    index by_day: there %d, rows in it %d of %d", index, withIndex, without)
		return ErrFailed
	}
	say("index    by_day is there and holds %s rows", group(withIndex))
	return nil
}

// nothingLeft looks for tables that are none of those named.
func nothingLeft(ctx context.Context, db *sql.DB, schema string, tables []string, say func(string, ...any)) error {
	var left int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.tables "+
		"WHERE table_schema = ? AND FIND_IN_SET(table_name, ?) = 0",
		schema, strings.Join(tables, ",")).Scan(&left); err != nil {
		return err
	}
	if left != 0 {
		say("WRONG    %d tables left behind in %s", left, schema)
		return ErrFailed
	}
	say("tables   nothing left behind")
	return nil
}

// group writes a number with commas.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
