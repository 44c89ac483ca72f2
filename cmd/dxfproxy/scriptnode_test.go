package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"dxfproxy/mariadbd"
)

// started is what a script has running.
type started struct {
	nodes    map[string]*scriptNode
	sessions map[string]*sql.Conn
	roots    map[string]string // root's password, by a node's address
	store    *mariadbd.Server
}

type startedKey struct{}

func startedBy(ts *testscript.TestScript) *started { return ts.Value(startedKey{}).(*started) }

// scriptNode is a node that a script started.
type scriptNode struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it is gone; err then says how
	err    error
}

func scriptServe(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	before := 0
	if old, err := os.ReadFile(ts.MkAbs(name + ".log")); err == nil {
		before = strings.Count(string(old), "is ready")
	}
	log, err := os.OpenFile(ts.MkAbs(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	ts.Check(err)
	defer log.Close() // the process has its own
	// testscript puts the program first on the script's PATH.
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator))
	n := &scriptNode{cmd: exec.Command(filepath.Join(bin, "dxfproxy"), append([]string{"serve"}, args[1:]...)...), exited: make(chan struct{})}
	n.cmd.Dir = ts.MkAbs(".")
	n.cmd.Env = append(os.Environ(), "DXFPROXY_STORE="+ts.Getenv("DXFPROXY_STORE"), "DXFPROXY_MAX_CONNECTIONS="+ts.Getenv("DXFPROXY_MAX_CONNECTIONS"))
	n.cmd.Stdout, n.cmd.Stderr = log, log
	ts.Check(n.cmd.Start())
	go func() {
		n.err = n.cmd.Wait()
		close(n.exited)
	}()
	startedBy(ts).nodes[name] = n
	ts.Defer(func() { _ = n.end(syscall.SIGKILL) })
	if !poll(func() bool {
		select {
		case <-n.exited:
			return true
		default:
			return strings.Count(ts.ReadFile(name+".log"), "is ready") > before
		}
	}) {
		ts.Fatalf("%s is not ready:\n%s", name, ts.ReadFile(name+".log"))
	}
	n.rememberRoot(ts, args[1:])
	select {
	case <-n.exited:
		ts.Fatalf("%s ended: %v\n%s", name, n.err, ts.ReadFile(name+".log"))
	default:
	}
}

// rememberRoot notes root's password of a node with a private store, for sql.
func (n *scriptNode) rememberRoot(ts *testscript.TestScript, flags []string) {
	fs := flagSet(new(config).flags()...)
	ts.Check(fs.Parse(flags))
	listen, _ := fs.GetString("listen")
	dir, _ := fs.GetString("data-dir")
	text, err := os.ReadFile(filepath.Join(ts.MkAbs(dir), "client.cnf"))
	delete(startedBy(ts).roots, listen)
	if err != nil || fs.Changed("store") {
		return
	}
	_, password, _ := strings.Cut(string(text), "password=")
	password, _, _ = strings.Cut(password, "\n")
	startedBy(ts).roots[listen] = password
}

// end sends a signal and waits until the node is gone.
func (n *scriptNode) end(sig syscall.Signal) error {
	_ = n.cmd.Process.Signal(sig)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-n.exited:
		return n.err
	case <-timeout.C:
		_ = n.cmd.Process.Kill()
		<-n.exited
		return fmt.Errorf("did not end within %s of %s", patience, sig)
	}
}

func scriptEnd(ts *testscript.TestScript, _ bool, args []string) {
	n := startedBy(ts).nodes[args[0]]
	if args[1] == "KILL" {
		_ = n.end(syscall.SIGKILL)
		return
	}
	if err := n.end(syscall.SIGTERM); err != nil {
		ts.Fatalf("%s: %v\n%s", args[0], err, ts.ReadFile(args[0]+".log"))
	}
}

func scriptStopStore(ts *testscript.TestScript, _ bool, _ []string) { startedBy(ts).store.Kill() }
