package cluster

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A Node is one dxfproxy process.
type Node struct {
	Name string // for people
	Addr string // host:port where clients connect; also the node's name in the cluster
	Log  string // file its stderr is appended to

	binary  string
	store   string
	client  string
	args    []string
	session bool
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process is gone; err then says how
	err     error
}

// readyTimeout bounds how long a node may take to answer its first client.
const readyTimeout = 30 * time.Second

// Start starts the process and waits until a client gets an answer through it.
// A node that was killed is started again under its old address.
func (n *Node) Start(ctx context.Context) error {
	if n.Addr == "" {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		n.Addr = addr
	}
	logFile, err := os.OpenFile(n.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", n.Name, err)
	}
	defer logFile.Close() // the process has its own copy
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	// Whoever starts a cluster has files for it that others may not read.
	args := append([]string{"serve", "--listen", n.Addr, "--user", me.Username}, n.args...)
	n.cmd = exec.Command(n.binary, args...)
	n.cmd.Env = append(os.Environ(), "DXFPROXY_STORE="+n.store)
	n.cmd.Stdout, n.cmd.Stderr = logFile, logFile
	n.cmd.SysProcAttr = childAttr(n.session)
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	n.exited = make(chan struct{})
	go func() {
		n.err = n.cmd.Wait()
		close(n.exited)
	}()
	return n.waitReady(ctx)
}

func (n *Node) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	db, err := n.Open()
	if err != nil {
		return err
	}
	defer db.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-n.exited:
			return fmt.Errorf("%s ended at its start (%w)\n%s", n.Name, errors.Join(errors.New("see its log"), n.err), n.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w\n%s", n.Name, err, n.LogTail())
		case <-tick.C:
		}
	}
}

// DSN is where clients of this node connect.
func (n *Node) DSN() string { return n.client + "@tcp(" + n.Addr + ")/" }

// Open opens a pool of connections through the node.
func (n *Node) Open() (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(n.DSN())
	if err != nil {
		return nil, err
	}
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// PID is the process id of the node.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Running says whether the process is there (a frozen one is).
func (n *Node) Running() bool {
	if n.exited == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (n *Node) Kill() error {
	if err := n.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", n.Name, err)
	}
	<-n.exited
	return nil
}

// Freeze stops the process with SIGSTOP; Thaw continues it.
func (n *Node) Freeze() error { return n.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw continues a frozen process.
func (n *Node) Thaw() error { return n.cmd.Process.Signal(syscall.SIGCONT) }

// Stop ends the process with SIGTERM and, when ctx ends first, with SIGKILL.
func (n *Node) Stop(ctx context.Context) error {
	if !n.Running() {
		return nil
	}
	_ = n.Thaw()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", n.Name, err)
	}
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	select {
	case <-n.exited:
		if n.err != nil {
			return fmt.Errorf("%s ended with %w\n%s", n.Name, n.err, n.LogTail())
		}
		return nil
	case <-ctx.Done():
	case <-timeout.C:
	}
	_ = n.Kill()
	return fmt.Errorf("%s did not stop and was killed\n%s", n.Name, n.LogTail())
}

// LogTail is the end of the node's log, for error messages.
func (n *Node) LogTail() string {
	b, err := os.ReadFile(n.Log)
	if err != nil {
		return err.Error()
	}
	if len(b) > 4000 {
		b = b[len(b)-4000:]
		b = b[bytes.IndexByte(b, '\n')+1:]
	}
	return string(b)
}

// freeAddr finds a free port on the loopback interface.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
