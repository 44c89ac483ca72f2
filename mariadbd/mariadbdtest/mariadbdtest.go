// Package mariadbdtest gives tests a MariaDB server of their own, started in
// well under a second and gone with the test. DXFPROXY_TEST_BASEDIR names the
// installation of another server for them to run against (mariadbd.Config.BaseDir).
package mariadbdtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // registers the driver "mysql"

	"dxfproxy/mariadbd"
)

// dirPattern names the directories of test servers, in the system's temporary
// directory. Tests that begin a name of their own with it have it swept as well.
const dirPattern = "dxfproxy-test-"

// startLimit is far above what a start takes: the machine may be busy with the
// tests of ten other packages.
const startLimit = 2 * time.Minute

// StartT starts a server with the further options given ("name=value") and kills
// it when the test is over.
func StartT(t testing.TB, options ...string) *mariadbd.Server {
	t.Helper()
	srv, clean, err := start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		clean()
		if t.Failed() {
			if err := srv.Err(); err != nil {
				t.Log(err)
			}
		}
	})
	return srv
}

// Main runs the tests of a package with one server for all of them:
//
//	var srv *mariadbd.Server
//
//	func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }
func Main(m *testing.M, srv **mariadbd.Server, options ...string) {
	os.Exit(Run(m, srv, options...))
}

// Run is Main for a TestMain that has something to do afterwards: it returns the
// status to exit with.
func Run(m *testing.M, srv **mariadbd.Server, options ...string) int {
	s, clean, err := start(context.Background(), options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer clean()
	*srv = s
	code := m.Run()
	if err := s.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

var schemas atomic.Int64

// Schema makes an empty schema that is dropped with the test, and returns its
// name and a pool of connections that work in it.
func Schema(t testing.TB, srv *mariadbd.Server) (string, *sql.DB) {
	t.Helper()
	name := fmt.Sprintf("test_%d", schemas.Add(1))
	root := open(t, srv, "")
	if _, err := root.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := root.Exec("DROP DATABASE IF EXISTS " + name); err != nil && srv.Err() == nil {
			t.Error(err)
		}
	})
	return name, open(t, srv, name)
}

// StoreDSN is the DSN of the account that nodes with this meta schema do their work
// by, beside its two others; see mariadbd.Server.StoreDSN.
func StoreDSN(t testing.TB, srv *mariadbd.Server, meta string) string {
	t.Helper()
	dsn, err := srv.StoreDSN(t.Context(), meta)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// open is a pool closed with the test. Cleanups run last in, first out: pools
// opened later are closed before the schema is dropped.
func open(t testing.TB, srv *mariadbd.Server, schema string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", srv.DSN()+schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// start starts a small and careless server and returns what ends it.
func start(ctx context.Context, options []string) (*mariadbd.Server, func(), error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	mariadbd.Sweep(dirPattern)
	dir, err := os.MkdirTemp("", dirPattern)
	if err != nil {
		return nil, nil, err
	}
	// The system account mysql has to get in when the tests run as root.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, nil, err
	}
	srv, err := mariadbd.Start(ctx, mariadbd.Config{
		DataDir:     filepath.Join(dir, "store"),
		BaseDir:     os.Getenv("DXFPROXY_TEST_BASEDIR"),
		BufferPool:  64 << 20,
		RedoLog:     16 << 20,
		Relaxed:     true,
		TemplateDir: templates(),
		Options:     append(quick(), options...),
	})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, nil, err
	}
	return srv, func() {
		srv.Kill() // the data is thrown away, so nothing need be written out
		_ = os.RemoveAll(dir)
	}, nil
}

// quick are options that make a small server start faster.
func quick() []string {
	return []string{
		"innodb_buffer_pool_load_at_startup=OFF",
		"innodb_doublewrite=OFF", // a torn page needs a power failure
		"innodb_fast_shutdown=2",
		"key_buffer_size=1M",
		"loose_aria_pagecache_buffer_size=8M", // not on MySQL
	}
}

// templates is where initialised data directories are kept from run to run.
func templates() string {
	if cache, err := os.UserCacheDir(); err == nil && !strings.HasPrefix(cache, "/nonexistent") {
		return filepath.Join(cache, "dxfproxy", "templates")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("dxfproxy-templates-%d", os.Getuid()))
}
