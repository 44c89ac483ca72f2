// Package clustertest gives tests nodes of their own, built with the race
// detector and gone with the test.
package clustertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// Binary is the program that Main has built.
var Binary string

// Main runs the tests of a package with one server for all of them, as
// mariadbdtest.Main does, and with the program that Start starts.
func Main(m *testing.M, srv **mariadbd.Server, options ...string) {
	os.Exit(run(m, srv, options))
}

func run(m *testing.M, srv **mariadbd.Server, options []string) int {
	// A name that is swept, should we be killed.
	dir, err := os.MkdirTemp("", "dxfproxy-test-node-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Binary = filepath.Join(dir, "dxfproxy")
	if out, err := exec.Command("go", "build", "-race", "-o", Binary, "dxfproxy/cmd/dxfproxy").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build dxfproxy: %v\n%s", err, out)
		return 1
	}
	return mariadbdtest.Run(m, srv, options...)
}

// TempDir is for what a test would not have left behind even when it is killed.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(Binary), "test-") // swept with it
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Start starts nodes before a store and stops them at the end of the test, which
// fails if one of them has raced.
func Start(t testing.TB, store string, nodes int, args ...string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Binary: Binary, Store: store, Dir: TempDir(t), Nodes: nodes, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Errorf("stop the cluster: %v", err)
		}
		for _, n := range c.Nodes {
			if strings.Contains(n.LogTail(), "DATA RACE") {
				t.Errorf("%s: data race\n%s", n.Name, n.LogTail())
			}
			if t.Failed() {
				t.Logf("%s (%s):\n%s", n.Name, n.Addr, n.LogTail())
			}
		}
	})
	return c
}
