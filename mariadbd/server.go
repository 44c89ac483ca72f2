package mariadbd

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"
)

// Server is a running server. Its methods may be called from any goroutine.
type Server struct {
	cfg     Config
	dir     string // Config.DataDir, absolute and without links
	prog    program
	as      account
	log     *zap.Logger
	lock    *os.File
	logFrom int64 // where this run's part of the server's log begins

	proc       *process
	port       int
	socket     string
	socketTemp string // directory made for the socket; empty if it lies with the data

	password string     // root's; empty: none
	accounts sync.Mutex // held while StoreDSN makes some

	asked atomic.Bool   // to end
	done  chan struct{} // closed when the server has ended and its lock is given back
	err   error         // valid once done is closed
}

// Start starts a server on cfg.DataDir, which it makes when it is missing, and
// returns when it answers; after a crash that includes recovery, however long it
// takes. ctx bounds the start only: the server runs until Stop, or until this
// process ends.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{cfg: cfg.withDefaults(), done: make(chan struct{})}
	s.log = s.cfg.Logger
	if err := s.start(ctx); err != nil {
		s.release()
		return nil, fmt.Errorf("start the embedded store in %s: %w", cfg.DataDir, err)
	}
	go s.watch()
	return s, nil
}

// DSN is the server's address in the form of github.com/go-sql-driver/mysql,
// without a database: "root@tcp(127.0.0.1:34567)/".
func (s *Server) DSN() string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = "root", s.password, "tcp", s.Addr()
	return c.FormatDSN()
}

// Addr is host:port of the loopback listener.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port is that of the loopback listener.
func (s *Server) Port() int { return s.port }

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return s.socket }

// PID is the server's process id.
func (s *Server) PID() int { return s.proc.cmd.Process.Pid }

// Kind is whose server it is.
func (s *Server) Kind() Kind { return s.prog.kind }

// Version is the server's, as in "10.11.19".
func (s *Server) Version() string { return s.prog.version.String() }

// LogFile is the path of the server's own log.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "mariadbd.log") }

// Done is closed when the server has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says, once Done is closed, why the server ended: nil if it was asked to,
// else an error that wraps ErrExited and quotes the server's log.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server and waits for it. A server that has not ended when ctx
// does, or after Config.StopGrace, is killed, which is an error but loses nothing:
// the next start recovers. Stopping a second time does nothing.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StopGrace)
	defer cancel()
	s.asked.Store(true)
	s.proc.signal(syscall.SIGTERM)
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		s.Kill()
		return fmt.Errorf("stop the embedded store: killed: %w", context.Cause(ctx))
	}
}

// Kill ends the server at once, as a crash would, and waits for it.
func (s *Server) Kill() {
	s.asked.Store(true)
	s.proc.signal(syscall.SIGKILL)
	<-s.done
}

// watch waits for the server's end. It is the one goroutine of a Server, and
// Done is its end.
func (s *Server) watch() {
	<-s.proc.done
	if s.asked.Load() {
		s.log.Info("embedded store stopped", zap.Int("pid", s.PID()))
	} else {
		s.err = s.exitError()
		s.log.Error("embedded store died", zap.Error(s.err))
	}
	s.release()
	close(s.done)
}

// release gives back what a server holds beside its process.
func (s *Server) release() {
	if s.socketTemp != "" {
		_ = os.RemoveAll(s.socketTemp)
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

func (s *Server) exitError() error {
	how := "exit status 0"
	if s.proc.err != nil {
		how = s.proc.err.Error()
	}
	return fmt.Errorf("%w: %s; its log %s says\n%s", ErrExited, how, s.LogFile(), lastLines(logSince(s.LogFile(), s.logFrom)))
}

func (s *Server) start(ctx context.Context) error {
	began := time.Now()
	var err error
	if s.prog, err = findProgram(ctx, s.cfg.BaseDir); err != nil {
		return err
	}
	settings, err := s.cfg.settings(s.prog.kind)
	if err != nil {
		return err
	}
	if err := s.prepareDir(); err != nil {
		return err
	}
	s.as = chooseAccount(s.log, s.dir, s.prog.baseDir)
	data, scratch := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "data.new")
	if err := stopLeftovers(ctx, s.log, data, scratch); err != nil {
		return err
	}
	if err := s.prepareData(ctx, scratch, data); err != nil {
		return err
	}
	if err := s.prepareSocket(data); err != nil {
		return err
	}
	root, err := s.prepareRoot()
	if err != nil {
		return err
	}
	if err := s.launch(ctx, append(settings, root...), data); err != nil {
		return err
	}
	if err := s.keepRoot(ctx); err != nil {
		s.proc.signal(syscall.SIGKILL)
		<-s.proc.done
		return err
	}
	s.log.Info("embedded store started", zap.String("address", s.Addr()), zap.Int("pid", s.PID()),
		zap.Stringer("version", s.prog.version), zap.String("directory", s.dir), zap.Duration("took", time.Since(began)))
	return nil
}
