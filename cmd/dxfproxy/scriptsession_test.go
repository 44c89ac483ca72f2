package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptSession logs in, and stays.
func scriptSession(ts *testscript.TestScript, _ bool, args []string) {
	db := openNode(ts, args[1])
	db.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := db.Conn(ctx)
	ts.Check(err)
	startedBy(ts).sessions[args[0]] = conn
	ts.Defer(func() { conn.Close(); db.Close() })
}

func scriptOn(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	runStatements(ctx, ts, neg, startedBy(ts).sessions[args[0]], args[1:])
}

// runStatements prints rows and errors; all statements must have an error, or
// none.
func runStatements(ctx context.Context, ts *testscript.TestScript, wantError bool, conn *sql.Conn, statements []string) {
	for _, statement := range statements {
		out, err := printRows(ctx, conn, statement)
		fmt.Fprint(ts.Stdout(), out)
		if err != nil {
			fmt.Fprintln(ts.Stdout(), err)
		}
		if wantError != (err != nil) {
			ts.Fatalf("%s: %v", statement, err)
		}
	}
}

func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	ts.Check(startedBy(ts).nodes[args[0]].cmd.Process.Signal(signals[args[1]]))
}

// scriptCert writes a certificate and its key, which is its own authority.
func scriptCert(ts *testscript.TestScript, _ bool, args []string) {
	text, err := makeCertificate([]string{"localhost", "127.0.0.1"})
	ts.Check(err)
	cert, key, _ := strings.Cut(string(text), "-----BEGIN PRIVATE")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), []byte(cert), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key"), []byte("-----BEGIN PRIVATE"+key), 0o644))
}

// scriptVerified logs in under TLS and looks at the node's certificate.
func scriptVerified(ts *testscript.TestScript, neg bool, args []string) {
	roots, err := readAuthorities(ts.MkAbs(args[0]))
	ts.Check(err)
	cfg := &tls.Config{RootCAs: roots}
	if len(args) > 2 {
		cert, err := tls.LoadX509KeyPair(ts.MkAbs(args[2]+".pem"), ts.MkAbs(args[2]+".key"))
		ts.Check(err)
		cfg.Certificates = []tls.Certificate{cert}
	}
	ts.Check(mysql.RegisterTLSConfig(args[0], cfg))
	db := openNode(ts, "root@tcp("+args[1]+")/?tls="+args[0])
	defer db.Close()
	if err := db.Ping(); neg != (err != nil) {
		ts.Fatalf("log in to %s with the authority %s: %v", args[1], args[0], err)
	}
}

// scriptRefused waits until nobody listens.
func scriptRefused(ts *testscript.TestScript, _ bool, args []string) {
	if !poll(func() bool {
		c, err := net.Dial("tcp", args[0])
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}) {
		ts.Fatalf("somebody still listens on %s", args[0])
	}
}

var printedStatement = regexp.MustCompile(`(?m)^ +([A-Z].*);$`)

// scriptApply runs the statements in what was printed, as a reader would.
func scriptApply(ts *testscript.TestScript, _ bool, args []string) {
	db := openNode(ts, args[1])
	defer db.Close()
	for _, m := range printedStatement.FindAllStringSubmatch(ts.ReadFile(args[0]), -1) {
		if _, err := db.Exec(m[1]); err != nil {
			ts.Fatalf("%s: %v", m[1], err)
		}
	}
}
