// Command relay measures what a node costs the statements it relays: sysbench
// point selects at several numbers of threads, and results of 10,000 rows, at
// the store itself, through HAProxy in TCP mode, and through a node. The three
// take turns, round after round, in one run; medians are printed, and ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var b bench
	var threads string
	flag.StringVar(&b.binary, "binary", "bin/dxfproxy", "the program to measure")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds of everything")
	flag.IntVar(&b.seconds, "seconds", 5, "seconds of one measurement")
	flag.StringVar(&threads, "threads", "1,16,64", "numbers of threads")
	flag.Parse()
	for _, t := range strings.Split(threads, ",") {
		n, err := strconv.Atoi(t)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench-relay: error: --threads:", err)
			os.Exit(2)
		}
		b.threads = append(b.threads, n)
	}
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-relay: error:", err)
		os.Exit(1)
	}
}

type bench struct {
	binary  string
	rounds  int
	seconds int
	threads []int
	dir     string
}

const (
	direct = iota
	haproxy
	node
)

// way is one way to the store.
type way struct {
	name string
	port int
	pid  int // of what stands between; 0: nothing
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "dxfproxy-bench-relay-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	options, err := mariadbd.TLSOptions(b.dir)
	if err != nil {
		return err
	}
	srv, err := mariadbd.Start(ctx, mariadbd.Config{DataDir: filepath.Join(b.dir, "store"), BufferPool: 512 << 20,
		Options: append(options, "ssl_ca="+filepath.Join(b.dir, "ssl_cert.pem"))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Stop(context.WithoutCancel(ctx))) }()
	binary, err := filepath.Abs(b.binary)
	if err != nil {
		return err
	}
	store, err := srv.StoreDSN(ctx, "dxf")
	if err != nil {
		return err
	}
	c, err := cluster.Start(ctx, cluster.Config{Binary: binary, Store: store, Nodes: 1, Dir: b.dir, Sessions: true, Args: []string{
		"--tls-cert", filepath.Join(b.dir, "ssl_cert.pem"), "--tls-key", filepath.Join(b.dir, "ssl_key.pem"),
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop(context.WithoutCancel(ctx))) }()
	ha, err := b.haproxy(ctx, srv.Port())
	if err != nil {
		return err
	}
	defer ha.stop()
	_, port, err := net.SplitHostPort(c.Nodes[0].Addr)
	if err != nil {
		return err
	}
	nodePort, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	ways := []way{
		direct:  {"direct", srv.Port(), 0},
		haproxy: {"HAProxy", ha.port, ha.cmd.Process.Pid},
		node:    {"dxfproxy", nodePort, c.Nodes[0].PID()},
	}
	fmt.Printf("MariaDB %s, %d CPUs, %d rounds of %d s, all on this machine\n", srv.Version(), runtime.NumCPU(), b.rounds, b.seconds)
	if err := b.prepare(ctx, srv.Port()); err != nil {
		return err
	}
	for _, threads := range b.threads {
		if err := b.compare(ctx, ways, load{name: "oltp_point_select", script: "oltp_point_select", threads: threads}); err != nil {
			return err
		}
	}
	// HAProxy passes TLS on as it comes; the node speaks it on both legs.
	if err := b.compare(ctx, ways, load{name: "oltp_point_select under TLS", script: "oltp_point_select", threads: 16,
		tls: true}); err != nil {
		return err
	}
	// One client alone leaves processors idle between its waits; four do not.
	for _, threads := range []int{1, 4} {
		if err := b.compare(ctx, ways, load{name: "10,000 rows a query", script: "oltp_read_only", args: rangesOnly,
			threads: threads}); err != nil {
			return err
		}
	}
	return nil
}

// compare runs a load on all ways in turn and prints the medians.
func (b *bench) compare(ctx context.Context, ways []way, l load) error {
	all := make([][]result, len(ways))
	for round := range b.rounds {
		for i := range ways {
			i = (i + round) % len(ways) // nobody is always the first
			r, err := b.measure(ctx, ways[i], l)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", l.name, ways[i].name, err)
			}
			all[i] = append(all[i], r)
		}
	}
	fmt.Printf("\n%s, %d threads\n%-10s %10s %10s %10s %14s %12s\n", l.name, l.threads, "", "queries/s", "of direct", "of HAProxy",
		"CPU us/query", "p99 ms")
	base, ha := medians(all[direct]), medians(all[haproxy])
	for i, w := range ways {
		m := medians(all[i])
		fmt.Printf("%-10s %10.0f %10.2f %10.2f %14.1f %12.2f\n", w.name, m.rate, m.rate/base.rate, m.rate/ha.rate, m.cpu, m.p99)
	}
	return nil
}

// A proxy is HAProxy in TCP mode.
type proxy struct {
	cmd  *exec.Cmd
	port int
}

func (p *proxy) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

const haproxyConfig = `global
	maxconn 2000
defaults
	mode tcp
	timeout connect 10s
	timeout client 1h
	timeout server 1h
	option redispatch
frontend clients
	bind 127.0.0.1:%d
	default_backend store
backend store
	server store 127.0.0.1:%d
`

func (b *bench) haproxy(ctx context.Context, store int) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{port: l.Addr().(*net.TCPAddr).Port}
	if err := l.Close(); err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, haproxyConfig, p.port, store), 0o600); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy" // not everybody's PATH has it
	}
	p.cmd = exec.Command(program, "-f", file)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as store and node have: whoever shares one shares its processors
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start haproxy (package haproxy): %w", err)
	}
	for end := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)))
		if err == nil {
			return p, c.Close()
		}
		if time.Now().After(end) || ctx.Err() != nil {
			p.stop()
			return nil, fmt.Errorf("reach haproxy: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
