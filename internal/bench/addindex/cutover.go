package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"dxfproxy/internal/bench"
	"dxfproxy/internal/cluster"
	"dxfproxy/internal/workload"
)

// cutoverRuns is how many cut-overs the median is taken of.
const cutoverRuns = 9

// blocked finds in a node's log how long a cut-over kept writers waiting: from
// the request for the lock to the end of the rename.
var blocked = regexp.MustCompile(`"writers_blocked": "([^"]+)"`)

// cutovers adds an index to a table under write load again and again, and
// prints how long writers were blocked, by the nodes' own logs and as the
// slowest transaction of a client.
func (b *contest) cutovers(ctx context.Context, c *cluster.Cluster) error {
	table := workload.Table{Schema: "bench", Name: "hot", Rows: 100_000, Seed: 2}
	if err := table.Create(ctx, b.db, nil); err != nil {
		return err
	}
	db, err := c.Nodes[0].Open()
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "SET GLOBAL tidb_enable_dist_task = ON, GLOBAL dxf_native_ddl_max_size = 0"); err != nil {
		return err
	}
	before, err := blockedTimes(c)
	if err != nil {
		return err
	}
	load := workload.Start(ctx, workload.Config{Table: table, DSNs: c.DSNs(), Writers: 4, Seed: 2})
	defer func() { _ = load.Stop() }() // again; the error was looked at
	var slowest []time.Duration
	for range cutoverRuns {
		load.ResetMaxLatency()
		if _, err := db.ExecContext(ctx, "ALTER TABLE bench.hot ADD INDEX by_day (created_at)"); err != nil {
			return err
		}
		slowest = append(slowest, load.Stats().MaxLatency)
		if _, err := b.db.ExecContext(ctx, "ALTER TABLE bench.hot DROP INDEX by_day"); err != nil {
			return err
		}
	}
	if err := load.Stop(); err != nil {
		return err
	}
	rep, err := load.Verify(ctx, b.db)
	if err != nil {
		return err
	}
	if !rep.Clean() {
		return errors.New(rep.String())
	}
	after, err := blockedTimes(c)
	if err != nil {
		return err
	}
	var times []time.Duration
	for i := range after {
		times = append(times, after[i][len(before[i]):]...)
	}
	if len(times) != cutoverRuns {
		return fmt.Errorf("%d cut-overs in the logs, want %d", len(times), cutoverRuns)
	}
	s := load.Stats()
	fmt.Printf("\n%d cut-overs under 4 writers (%d transactions, %s): writers blocked %.0f ms (median), "+
		"slowest transaction of the whole job %.0f ms (median)\n",
		cutoverRuns, s.Commits, rep, ms(bench.Median(times)), ms(bench.Median(slowest)))
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// blockedTimes reads the nodes' logs, node by node.
func blockedTimes(c *cluster.Cluster) ([][]time.Duration, error) {
	times := make([][]time.Duration, len(c.Nodes))
	for i, n := range c.Nodes {
		log, err := os.ReadFile(n.Log)
		if err != nil {
			return nil, err
		}
		for _, m := range blocked.FindAllSubmatch(log, -1) {
			d, err := time.ParseDuration(string(m[1]))
			if err != nil {
				return nil, fmt.Errorf("log of %s: %w", n.Name, err)
			}
			times[i] = append(times[i], d)
		}
	}
	return times, nil
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// printMemory prints the largest resident size any node has had.
func printMemory(nodes []*cluster.Node) error {
	var most int
	for _, n := range nodes {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
		if err != nil {
			return err
		}
		if m := highWater.FindSubmatch(status); m != nil {
			kb, _ := strconv.Atoi(string(m[1])) // digits
			most = max(most, kb)
		}
	}
	fmt.Printf("memory of a node: at most %d MiB\n", most/1024)
	return nil
}
