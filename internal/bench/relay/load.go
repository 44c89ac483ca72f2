package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// load is a sysbench script at a number of threads.
type load struct {
	name, script string
	args         []string // of the script
	threads      int
	tls          bool
}

// result is one measurement: queries a second, the 99th percentile of their
// time in ms, and the microseconds of processor time that what stands between
// spent on each.
type result struct{ rate, p99, cpu float64 }

func medians(rs []result) result {
	of := func(get func(result) float64) float64 {
		var all []float64
		for _, r := range rs {
			all = append(all, get(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return result{
		rate: of(func(r result) float64 { return r.rate }),
		p99:  of(func(r result) float64 { return r.p99 }),
		cpu:  of(func(r result) float64 { return r.cpu }),
	}
}

// rangesOnly makes every query of oltp_read_only one for a range of 10,000 rows.
var rangesOnly = []string{
	"--range_size=10000", "--simple_ranges=1", "--point_selects=0", "--sum_ranges=0",
	"--order_ranges=0", "--distinct_ranges=0", "--skip_trx=on",
}

const tableRows = 100_000

// sysbench runs in dir, where it looks for certificates.
func sysbench(ctx context.Context, dir string, port int, script string, args ...string) (string, error) {
	all := append([]string{
		script, "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-port=" + strconv.Itoa(port),
		"--mysql-user=root", "--mysql-db=sbtest",
	}, args...)
	cmd := exec.CommandContext(ctx, "sysbench", all...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("sysbench: %w: %s", err, out)
	}
	return string(out), nil
}

// prepare makes sysbench's table.
func (b *bench) prepare(ctx context.Context, port int) error {
	// The names that sysbench gives to what it needs for TLS.
	for name, file := range map[string]string{"cacert.pem": "ssl_cert.pem", "client-cert.pem": "ssl_cert.pem",
		"client-key.pem": "ssl_key.pem"} {
		if err := os.Symlink(file, filepath.Join(b.dir, name)); err != nil {
			return err
		}
	}
	out, err := exec.CommandContext(ctx, "mariadb", "-h127.0.0.1", "-P"+strconv.Itoa(port), "-uroot", "-e",
		"CREATE DATABASE sbtest").CombinedOutput()
	if err != nil {
		return fmt.Errorf("create the schema: %w: %s", err, out)
	}
	_, err = sysbench(ctx, b.dir, port, "oltp_point_select", "--tables=1", "--table-size="+strconv.Itoa(tableRows), "prepare")
	return err
}

var (
	rate = regexp.MustCompile(`(?m)^\s*(?:events per second|total number of events):\s*([\d.]+)|transactions:\s*\d+\s*\(([\d.]+) per sec`)
	p99  = regexp.MustCompile(`(?m)^\s*99th percentile:\s*([\d.]+)`)
)

// measure runs one load once on one way.
func (b *bench) measure(ctx context.Context, w way, l load) (r result, err error) {
	args := append([]string{
		"--tables=1", "--table-size=" + strconv.Itoa(tableRows),
		"--threads=" + strconv.Itoa(l.threads), "--time=" + strconv.Itoa(b.seconds), "--percentile=99",
	}, l.args...)
	args = append(args, "run")
	if l.tls {
		args = append([]string{"--mysql-ssl=on"}, args...)
	}
	before, err := processorTime(w.pid)
	if err != nil {
		return r, err
	}
	out, err := sysbench(ctx, b.dir, w.port, l.script, args...)
	if err != nil {
		return r, err
	}
	after, err := processorTime(w.pid)
	if err != nil {
		return r, err
	}
	m, p := rate.FindStringSubmatch(out), p99.FindStringSubmatch(out)
	if m == nil || p == nil {
		return r, errors.New("sysbench said something else than expected: " + out)
	}
	if m[2] != "" {
		r.rate, err = strconv.ParseFloat(m[2], 64)
	} else if r.rate, err = strconv.ParseFloat(m[1], 64); err == nil {
		r.rate /= float64(b.seconds)
	}
	if err != nil {
		return r, err
	}
	if r.p99, err = strconv.ParseFloat(p[1], 64); err != nil {
		return r, err
	}
	if r.rate > 0 {
		r.cpu = (after - before) * 1e6 / (r.rate * float64(b.seconds))
	}
	return r, nil
}

// processorTime is what a process has used, in seconds: user and system time of
// /proc/<pid>/stat, proc(5), in ticks of 10 ms. 0 for no process.
func processorTime(pid int) (float64, error) {
	if pid == 0 {
		return 0, nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var sum float64
	for _, i := range []int{11, 12} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum / 100, nil
}
