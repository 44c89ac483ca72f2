// Command conformance runs other people's test suites, and scripts with the
// client libraries of many languages, against a MariaDB server: once at the
// server itself and once through dxfproxy. Only what differs counts. It ends with
// status 1 when something differs that no list explains.
//
//	go run ./conformance [suite ...]
//
// The suites are godriver (go-sql-driver/mysql's own tests), clients (the
// programs in clients/), dump (mariadb-dump, mydumper, myloader), mtr (the main
// suite of mariadb-test) and three that run a part of that in another way:
// mtr-ps (prepared statements), mtr-cursor (cursors) and mtr-nonblocking (the
// client library's other half). The part is the tests that take the server as it
// is and start no other program: in what is left out, the mode changes little.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var r run
	flag.StringVar(&r.binary, "binary", "bin/dxfproxy", "the program to test")
	flag.StringVar(&r.mtrArgs, "mtr", "", "further options of mariadb-test, as \"--ps-protocol\"")
	flag.StringVar(&r.mtrTests, "mtr-tests", "", "tests of the main suite, as \"select join\"; empty is all, or the part that a mode runs")
	flag.StringVar(&r.keep, "keep", "", "a directory to keep the suites' own output in")
	flag.Parse()
	different, err := r.suites(ctx, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance: error:", err)
	}
	if err != nil || different > 0 {
		os.Exit(1)
	}
}

// run is one run of some suites.
type run struct {
	binary            string
	mtrArgs, mtrTests string
	keep              string
	dir               string
}

// A suite is one set of tests.
type suite struct {
	name string
	run  func(context.Context) (verdict, error)
}

// suites runs the suites named and returns how many tests differ. Those of
// mariadb-test mostly wait, and run beside each other.
func (r *run) suites(ctx context.Context, names []string) (different int, err error) {
	one := []suite{{"godriver", r.goDriver}, {"clients", r.clients}, {"dump", r.dump}}
	var beside []suite
	for i, mode := range mtrModes {
		beside = append(beside, suite{mode.name, func(ctx context.Context) (verdict, error) { return r.mtr(ctx, mode, i) }})
	}
	all := slices.Concat(one, beside)
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s suite) bool { return s.name == name }) {
			return 0, fmt.Errorf("no suite is called %q", name)
		}
	}
	if r.dir, err = os.MkdirTemp("", "dxfproxy-conformance-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(r.dir)
	// Suites that run as another user have to get in.
	if err := os.Chmod(r.dir, 0o755); err != nil {
		return 0, err
	}
	var mu sync.Mutex
	perform := func(ctx context.Context, s suite) error {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			return nil
		}
		began := time.Now()
		v, err := s.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		v.print(s.name, time.Since(began))
		different += len(v.different)
		return nil
	}
	for _, s := range one {
		if err := perform(ctx, s); err != nil {
			return different, err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.NumCPU()))
	for _, s := range beside {
		g.Go(func() error { return perform(ctx, s) })
	}
	err = g.Wait()
	return different, err
}

// A verdict is what a suite came to.
type verdict struct {
	same      int      // tests that end alike both ways, and how many of them pass
	passed    int      //
	different []string // one line for each that does not
	explained []string // those that differ and may, each with its reason
}

func (v verdict) print(name string, took time.Duration) {
	fmt.Printf("%s: %d tests are the same both ways (%d pass), %d differ for a known reason, %d differ (%v)\n",
		name, v.same, v.passed, len(v.explained), len(v.different), took.Round(time.Second))
	for _, line := range v.explained {
		fmt.Println("  known    ", line)
	}
	for _, line := range v.different {
		fmt.Println("  DIFFERENT", line)
	}
}

// outcomes are how tests ended, by name.
type outcomes map[string]string

const passed = "pass"

// compare finds the tests that ended in another way. reasons explains, by the
// name of a test, differences that must be.
func compare(direct, proxied outcomes, reasons map[string]string) verdict {
	var v verdict
	for _, name := range sortedKeys(direct, proxied) {
		d, p := direct[name], proxied[name]
		switch reason, known := reasons[name]; {
		case d == p:
			v.same++
			if d == passed {
				v.passed++
			}
		case known:
			v.explained = append(v.explained, name+": "+reason)
		default:
			v.different = append(v.different, fmt.Sprintf("%s: direct %s, through the proxy %s", name, ended(d), ended(p)))
		}
	}
	return v
}

func ended(how string) string {
	if how == "" {
		return "was not run"
	}
	return how
}

func sortedKeys(maps ...outcomes) []string {
	var keys []string
	for _, m := range maps {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// reasons reads a list: the name of a test, blanks, and why it is there.
func reasons(text string) map[string]string {
	list := map[string]string{}
	for line := range strings.Lines(text) {
		name, reason, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && !strings.HasPrefix(name, "#") {
			list[name] = strings.TrimSpace(reason)
		}
	}
	return list
}

// withNode runs do with the address of a store and of a node in front of it.
func (r *run) withNode(ctx context.Context, do func(store, node string) error) (err error) {
	dir, err := os.MkdirTemp(r.dir, "")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	options, err := mariadbd.TLSOptions(dir)
	if err != nil {
		return err
	}
	srv, err := mariadbd.Start(ctx, mariadbd.Config{
		DataDir: filepath.Join(dir, "store"), BufferPool: 256 << 20, Relaxed: true,
		Options: append(options, "local-infile=1"),
	})
	if err != nil {
		return err
	}
	defer srv.Kill()
	store, err := srv.StoreDSN(ctx, "dxf")
	if err != nil {
		return err
	}
	c, err := cluster.Start(ctx, cluster.Config{Binary: r.binary, Store: store, Dir: dir, Nodes: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop(context.WithoutCancel(ctx))) }()
	return do(srv.Addr(), c.Nodes[0].Addr)
}

// log writes a suite's own output where -keep says.
func (r *run) log(name string, text []byte) {
	if r.keep != "" {
		_ = os.MkdirAll(r.keep, 0o755)
		_ = os.WriteFile(filepath.Join(r.keep, name), text, 0o644)
	}
}
