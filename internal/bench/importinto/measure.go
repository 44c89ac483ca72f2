package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"regexp"
	"strconv"
	"time"

	"dxfproxy/internal/bench"
	"dxfproxy/internal/cluster"
)

// measure times one way into an empty table, and compares every row afterwards.
func (b *contest) measure(ctx context.Context, w *way) error {
	if err := b.empty(ctx); err != nil {
		return err
	}
	if w.own {
		if _, err := b.db.ExecContext(ctx, "DROP TABLE bench.sbtest"); err != nil {
			return err
		}
	}
	if err := bench.Settle(ctx, b.db); err != nil {
		return err
	}
	for _, n := range w.nodes {
		if err := forgetPeak(n.PID()); err != nil {
			return err
		}
	}
	storeBefore, nodesBefore := processorTime(b.srv.PID()), nodesTime(w.nodes)
	began := time.Now()
	client, err := w.load(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	store := processorTime(b.srv.PID()) - storeBefore
	client += nodesTime(w.nodes) - nodesBefore
	w.took, w.store, w.client = append(w.took, took), append(w.store, store), append(w.client, client)
	for _, n := range w.nodes {
		w.memory = max(w.memory, peak(n.PID()))
	}
	parts, err := steps(w.nodes, began, began.Add(took))
	if err != nil {
		return err
	}
	fmt.Printf("  %-28s %7.2f s   %s\n", w.name, took.Seconds(), parts)
	return b.check(ctx)
}

// empty makes the table anew, and throws away the binlog of those before.
func (b *contest) empty(ctx context.Context) error {
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS bench",
		"DROP TABLE IF EXISTS bench.sbtest",
		createTable,
		"FLUSH BINARY LOGS",
		"PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY",
	} {
		if _, err := b.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the table: %w", err)
		}
	}
	return nil
}

var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// check compares the table with what was made: its definition, every row, the
// number of rows in every index; and looks that nothing else is left.
func (b *contest) check(ctx context.Context) error {
	sum, err := b.checksum(ctx)
	if err != nil {
		return err
	}
	if sum != b.sum {
		return errors.New("the rows are not those of the files")
	}
	var name, definition string
	if err := b.db.QueryRowContext(ctx, "SHOW CREATE TABLE bench.sbtest").Scan(&name, &definition); err != nil {
		return err
	}
	definition = counter.ReplaceAllString(definition, "")
	if b.definition == "" {
		b.definition = definition
	}
	if definition != b.definition {
		return fmt.Errorf("the table is not what it was:\n%s\nbefore:\n%s", definition, b.definition)
	}
	for _, index := range []string{"by_k", "by_c", "by_pad"} {
		var n int
		if err := b.db.QueryRowContext(ctx, "SELECT COUNT(k) FROM bench.sbtest FORCE INDEX ("+index+") WHERE k > 0").Scan(&n); err != nil {
			return err
		}
		if n != b.rows {
			return fmt.Errorf("index %s has %d rows of %d", index, n, b.rows)
		}
	}
	var tables int
	if err := b.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES "+
		"WHERE TABLE_SCHEMA = 'bench'").Scan(&tables); err != nil {
		return err
	}
	if tables != 1 {
		return fmt.Errorf("%d tables where there should be one", tables)
	}
	return nil
}

// checksum reads all rows in the order of the files and sums them as lines of CSV.
func (b *contest) checksum(ctx context.Context) (uint64, error) {
	rows, err := b.db.QueryContext(ctx, "SELECT id, k, c, pad FROM bench.sbtest FORCE INDEX (PRIMARY) ORDER BY id")
	if err != nil {
		return 0, fmt.Errorf("read the table back: %w", err)
	}
	defer rows.Close()
	sum := fnv.New64a()
	values := make([]sql.RawBytes, 4)
	var line []byte
	for rows.Next() {
		if err := rows.Scan(&values[0], &values[1], &values[2], &values[3]); err != nil {
			return 0, err
		}
		line = line[:0]
		for i, v := range values {
			line = append(line, v...)
			line = append(line, ",,,\n"[i])
		}
		_, _ = sum.Write(line) // never an error
	}
	return sum.Sum64(), rows.Err()
}

// clockTick is USER_HZ, which is 100 wherever Linux runs.
const clockTick = 10 * time.Millisecond

// processorTime is what a process has used; see proc(5), stat.
func processorTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may have spaces; 14 and 15 count from the first.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * clockTick
}

func nodesTime(nodes []*cluster.Node) (d time.Duration) {
	for _, n := range nodes {
		d += processorTime(n.PID())
	}
	return d
}

// forgetPeak sets a process's VmHWM back to what it has now; see proc(5), clear_refs.
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the largest resident size that a process has had, in MiB.
func peak(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	kb := 0
	if m := highWater.FindSubmatch(status); m != nil {
		kb, _ = strconv.Atoi(string(m[1])) // digits
	}
	return kb / 1024
}

func (b *contest) print(ways []*way) {
	base := map[string]time.Duration{}
	for _, w := range ways {
		base[w.name] = bench.Median(w.took)
	}
	ratio := func(w *way, to string) string {
		if base[to] == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", float64(base[to])/float64(bench.Median(w.took)))
	}
	fmt.Printf("\n%-28s %9s %9s  %-23s  %-21s %s\n", "", "", "", "times as fast as", "processor seconds", "memory")
	fmt.Printf("%-28s %9s %9s  %-11s %-11s  %-10s %-10s %s\n", "", "median", "rows/s", "LOAD DATA", "myloader", "store", "nodes or client",
		"of a node")
	for _, w := range ways {
		m := bench.Median(w.took)
		memory := ""
		if w.memory > 0 {
			memory = fmt.Sprintf("%d MiB", w.memory)
		}
		fmt.Printf("%-28s %7.2f s %9.0f  %-11s %-11s  %-10.1f %-15.1f %s\n", w.name, m.Seconds(), float64(b.rows)/m.Seconds(),
			ratio(w, loadDataName), ratio(w, myloaderName), bench.Median(w.store).Seconds(), bench.Median(w.client).Seconds(), memory)
	}
}
