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
		printHelp(stdout)
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
