// Command dxfproxy is a MySQL proxy that runs ADD INDEX and IMPORT INTO as
// distributed jobs on any MySQL-compatible store.
//
// This package is wiring: flags, signals, start and shutdown. It is the only
// place that knows every other package.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// version is set by the Makefile from the repository's tags.
var version = "dev"

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1 // something went wrong; stderr says what
	exitUsage = 2 // the command line was wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, takeArgs()[1:], os.Stdout, os.Stderr))
}

// run is the command line without the process around it: scripts test it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := "serve"
	if len(args) > 0 && (args[0] == "--version" || args[0] == "-v") {
		args[0] = "version"
	}
	if len(args) > 0 && (args[0] == "" || args[0][0] != '-') {
		name, args = args[0], args[1:]
	}
	var err error
	switch name {
	case "serve":
		err = serve(ctx, args, stdout, stderr)
	case "demo":
		err = runDemo(ctx, args, stdout, stderr)
	case "check":
		err = runCheck(ctx, args, stdout, stderr)
	case "version":
		fmt.Fprintln(stdout, "dxfproxy", version)
	case "help":
		err = pflag.ErrHelp
	default:
		err = redacted(usagef("%s is not a command", quote(name)), []string{name})
	}
	return report(err, stdout, stderr)
}

// report prints err as its kind demands and returns the exit status. What goes
// where: help to stdout; errors and hints to stderr, one line each, lower
// case, no full stop.
func report(err error, stdout, stderr io.Writer) int {
	var u usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case errors.As(err, &u):
		fmt.Fprintf(stderr, "dxfproxy: error: %s\n", u)
		fmt.Fprintln(stderr, "dxfproxy: hint: see dxfproxy --help")
		return exitUsage
	}
	fmt.Fprintf(stderr, "dxfproxy: error: %s\n", err)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(stderr, "dxfproxy: hint: %s\n", hint)
	}
	return exitError
}

// A usageError is a command line that cannot be meant.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

func quote(s string) string { return fmt.Sprintf("%q", s) }

// usage is the whole help, set by hand to fit one screen.
const usage = `dxfproxy - a MySQL proxy that runs ADD INDEX as a distributed job

Usage:
  dxfproxy [serve] [flags]   run one node (the default)
  dxfproxy check [flags]     what the store of --store lacks for jobs, and how to mend it
  dxfproxy check --grants    the SQL that makes the accounts of nodes with what they need, and no more
  dxfproxy demo [flags]      store, three nodes, live load, ADD INDEX, a node killed, IMPORT INTO, rows compared
  dxfproxy version           print the version

Flags of serve (or DXFPROXY_STORE and the like in the environment, or the same names in the TOML file of --config):
  --listen ADDR          where MySQL clients connect             (127.0.0.1:4000)
  --socket PATH          and a Unix socket                       (none)
  --store DSN            the store, user:password@tcp(host:port)/ (a private MariaDB);
                         tcp(a:3306,b:3306): clients get the first that answers
  --store-file FILE      and the file that holds it, mode 600
  --data-dir DIR         data of the private MariaDB             (./dxfproxy-data)
  --service-scope NAME   this node's tidb_service_scope          ('')
  --meta-schema NAME     schema of the framework's own tables    (dxf)
  --meta-account USER[:PASSWORD]   whose they are                (store's user and _meta, its password)
  --trial-account USER[:PASSWORD]  who tries users' statements   (store's user and _trial, its password)
  --node NAME            this node's name in the cluster         (host:port of --listen; the machine's for 0.0.0.0)
  --run-ddl=false        this node is never elected owner        (true)
  --max-connections N    clients at once, then error 1040        (1000)
  --connect-timeout D    how long a login may take               (10s)
  --drain-timeout D      how long transactions may go on at stop (10s)
  --import-memory SIZE   of all imports of this node together    (128MiB per CPU, at least 256MiB)
  --import-max-row SIZE  longest row of an import                (16MiB)
  --tls-cert FILE        certificate for clients, or none; SIGHUP loads it again (self-made)
  --tls-key FILE         its key
  --tls-ca FILE          clients must have a certificate signed by one of these
  --require-secure-transport  clients without TLS get error 3159 (false; true with --tls-ca)
  --store-tls WHEN       as-client, require or disable           (as-client)
  --store-ca FILE        who signs the store's certificate       (not verified)
  --proxy-protocol-networks LIST  whose connections begin with a PROXY header (none)
  --store-proxy-protocol V  v1 or v2: tell the store who the client is (none)
  --user NAME            the system's account that a node started by root runs as (dxfproxy or mysql)
  --import-dir LIST      folders of this machine that IMPORT INTO may read (none)
  --import-endpoints LIST  host[:port] or URL: object stores it may ask beside public ones under https (none)
  --import-ambient-credentials LIST  s3://bucket/folder: what it may read with this node's cloud credentials (none)
  --log-level LEVEL      debug, info, warn or error              (info)
  --config FILE          TOML file with these names

Flags of check, beside those of serve:
  --grants               print the statements for: mariadb -uroot -p
  --grants-on LIST       schemas whose tables jobs may change    (all)
  --family NAME          mariadb or mysql, where the store does not answer (mariadb)

Flags of demo:
  --rows N               rows of the table                       (1000000)
  --seed N               seed of the load and of the kill        (from the clock)

Example:
  dxfproxy serve &
  mariadb -h127.0.0.1 -P4000 -uroot
  > ALTER TABLE test.orders ADD INDEX by_day (created_at);
  > ADMIN SHOW DDL JOBS;
`
