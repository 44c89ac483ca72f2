// Command conformance runs other people's test suites, and scripts with the
// client libraries of many languages, against a MariaDB server: once at the
// server itself and once through dxfproxy. Only what differs counts. It ends with
// status 1 when something differs that no list explains.
//
//	go run ./conformance [suite ...]
//
// The suites are godriver (go-sql-driver/mysql's own tests), mtr (the main suite
// of mariadb-test), clients (the programs in clients/) and dump (mariadb-dump,
// mydumper, myloader).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"dxfproxy/cluster"
	"dxfproxy/mariadbd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var r run
	flag.StringVar(&r.binary, "binary", "bin/dxfproxy", "the program to test")
	flag.StringVar(&r.mtrArgs, "mtr", "", "further options of mariadb-test, as \"--ps-protocol\"")
	flag.StringVar(&r.mtrTests, "mtr-tests", "", "tests of the main suite, as \"select join\"; empty is all")
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

// suites runs the suites named and returns how many tests differ.
func (r *run) suites(ctx context.Context, names []string) (different int, err error) {
	all := []struct {
		name string
		run  func(context.Context) (verdict, error)
	}{
		{"godriver", r.goDriver}, {"clients", r.clients}, {"dump", r.dump}, {"mtr", r.mtr},
	}
	if r.dir, err = os.MkdirTemp("", "dxfproxy-conformance-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(r.dir)
	// Suites that run as another user have to get in.
	if err := os.Chmod(r.dir, 0o755); err != nil {
		return 0, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s struct {
			name string
			run  func(context.Context) (verdict, error)
		},
		) bool {
			return s.name == name
		}) {
			return 0, fmt.Errorf("no suite is called %q", name)
		}
	}
	for _, suite := range all {
		if len(names) > 0 && !slices.Contains(names, suite.name) {
			continue
		}
		began := time.Now()
		v, err := suite.run(ctx)
		if err != nil {
			return different, fmt.Errorf("%s: %w", suite.name, err)
		}
		v.print(suite.name, time.Since(began))
		different += len(v.different)
	}
	return different, nil
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
	srv, err := mariadbd.Start(ctx, mariadbd.Config{
		DataDir: filepath.Join(dir, "store"), BufferPool: 256 << 20, Relaxed: true,
		Options: []string{"local-infile=1"},
	})
	if err != nil {
		return err
	}
	defer srv.Kill()
	c, err := cluster.Start(ctx, cluster.Config{Binary: r.binary, Store: srv.DSN(), Dir: dir, Nodes: 1})
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
