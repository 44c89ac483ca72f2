// Command chaos runs jobs again and again while what is around them breaks: nodes
// are killed and frozen, connections cut and swallowed, the store crashes, is
// restarted, fails over, is full or refuses. Writers go on all the time, and what
// the store has acknowledged to them is compared row by row at the end. Every run
// has a store of its own and three nodes.
//
//	go run ./chaos [-runs n] [-seed n] [-faults "swallow failover"]
//
// A run is bad when a write is lost or doubled, when a client gets an error that
// the store alone would not have given, when a job makes no progress and tells no
// reason for a minute after the fault is over, when it ends in an error that the
// fault does not explain, or when something is left behind. It ends with status 1
// if there was one. A seed makes the same run again, as far as time allows.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c config
	var only string
	flag.StringVar(&c.binary, "binary", "bin/dxfproxy", "the program to test")
	flag.StringVar(&c.baseDir, "basedir", "", "the store's installation, as scripts/stores prints it; empty for the MariaDB on PATH")
	flag.IntVar(&c.runs, "runs", len(faults)*len(jobs), "how many runs")
	flag.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()), "of the first run; the next ones count up")
	flag.StringVar(&only, "faults", "", "these only, as \"swallow failover\"")
	flag.Int64Var(&c.rows, "rows", 60_000, "rows of the table")
	flag.Parse()
	c.faults = faults
	if only != "" {
		chosen := strings.Fields(only)
		c.faults = slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !slices.Contains(chosen, f.name) })
		if len(c.faults) != len(chosen) {
			fmt.Fprintf(os.Stderr, "chaos: -faults %q: there are %s\n", only, names(faults))
			os.Exit(2)
		}
	}
	bad, err := c.all(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: error:", err)
	}
	if err != nil || bad > 0 {
		os.Exit(1)
	}
}

// config is what all runs have in common.
type config struct {
	binary, baseDir string
	runs            int
	seed            uint64
	rows            int64
	faults          []fault
}

// all makes the runs, one after the other, and tells how many were bad.
func (c config) all(ctx context.Context) (bad int, err error) {
	dir, err := os.MkdirTemp("", "dxfproxy-chaos-")
	if err != nil {
		return 0, err
	}
	defer func() {
		if bad == 0 {
			os.RemoveAll(dir)
		}
	}()
	outcomes := map[string]int{}
	for i := range c.runs {
		seed := c.seed + uint64(i)
		r := c.new(seed, filepath.Join(dir, fmt.Sprint(i)))
		fmt.Printf("%3d/%d  -seed %d  %-16s %-14s ", i+1, c.runs, seed, r.fault.name, r.job.name)
		began := time.Now()
		outcome, err := r.run(ctx)
		if ctx.Err() != nil {
			return bad, ctx.Err()
		}
		took := time.Since(began).Round(time.Second / 10)
		if err != nil {
			bad++
			fmt.Printf("BAD after %v at %s: %v\n     see %s\n", took, r.moment, err, r.dir)
			outcomes[r.fault.name+": BAD"]++
			continue
		}
		fmt.Printf("%s  (%v, %s; %s)\n", outcome, took, r.moment, r.told())
		outcomes[r.fault.name+": "+outcome]++
		os.RemoveAll(r.dir)
	}
	fmt.Println()
	for _, k := range sortedKeys(outcomes) {
		fmt.Printf("%4d  %s\n", outcomes[k], k)
	}
	fmt.Printf("%d runs, %d bad\n", c.runs, bad)
	return bad, nil
}

func names(list []fault) string {
	var all []string
	for _, f := range list {
		all = append(all, f.name)
	}
	return strings.Join(all, " ")
}
