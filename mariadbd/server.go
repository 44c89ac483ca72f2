package mariadbd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"
)

// socketLimit is the longest socket path that every system takes; Linux allows
// 107 bytes (unix(7)), others 103.
const socketLimit = 103

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

// prepareDir makes the directory, makes sure that it is one of ours, and locks it.
func (s *Server) prepareDir() error {
	if err := os.MkdirAll(s.cfg.DataDir, 0o755); err != nil {
		return dirError(err)
	}
	dir, err := filepath.Abs(s.cfg.DataDir)
	if err != nil {
		return err
	}
	if s.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return dirError(err)
	}
	if err := checkOurs(s.dir); err != nil {
		return err
	}
	if s.lock, err = lockFile(filepath.Join(s.dir, "dxfproxy.lock")); err != nil {
		return dirError(err)
	}
	return nil
}

// checkOurs refuses a directory that holds something, and no lock of ours.
func checkOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return dirError(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dxfproxy.lock")); errors.Is(err, fs.ErrNotExist) {
		for _, e := range entries {
			if e.Name() != "lost+found" { // a file system of its own
				return fmt.Errorf("%w: it holds %s", ErrForeign, e.Name())
			}
		}
	}
	return nil
}

// dirError marks errors of a directory that we may not use.
func dirError(err error) error {
	for _, e := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, fs.ErrExist} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrNotWritable, err)
		}
	}
	return err
}

// prepareData makes the server's data directory, or sees to it that the server
// can use the one that is there.
func (s *Server) prepareData(ctx context.Context, scratch, data string) error {
	_, err := os.Stat(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := install(ctx, s.prog, s.cfg, s.as, scratch, data); err != nil {
			return err
		}
	case err != nil:
		return dirError(err)
	default:
		if was, ok := dataVersion(data); ok && was.newerSeries(s.prog.version) {
			return fmt.Errorf("%w: MariaDB %s wrote it, %s is installed", ErrNewerData, was, s.prog.version)
		} else if ok && s.prog.version.newerSeries(was) {
			s.log.Warn("embedded store was made by an older server; run mariadb-upgrade on it",
				zap.Stringer("made by", was), zap.Stringer("server", s.prog.version))
		}
		if err := s.as.own(data); err != nil {
			return err
		}
	}
	tmp := filepath.Join(s.dir, "tmp")
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("empty the server's scratch space: %w", err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fmt.Errorf("make the server's scratch space: %w", err)
	}
	return s.as.own(tmp)
}

// prepareSocket chooses where the server's socket goes: with the data, or in a
// directory with a shorter name.
func (s *Server) prepareSocket(data string) error {
	s.socket = filepath.Join(data, "mariadbd.sock")
	if len(s.socket) <= socketLimit {
		return nil
	}
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "dxf")
	if err != nil {
		return fmt.Errorf("make a directory for the server's socket: %w", err)
	}
	s.socketTemp, s.socket = dir, filepath.Join(dir, "s")
	return s.as.own(dir)
}

// launch starts the server program and waits until it answers. A free port can
// be gone again before the server takes it, so it has a few tries.
func (s *Server) launch(ctx context.Context, settings []string, data string) error {
	const tries = 5
	for try := 1; ; try++ {
		if err := s.choosePort(); err != nil {
			return err
		}
		err := s.launchOnce(ctx, append(s.whereabouts(data), settings...))
		if errors.Is(err, ErrPortInUse) && s.cfg.Port == 0 && try < tries {
			_ = os.Remove(s.portFile())
			continue
		}
		return err
	}
}

// whereabouts are the options that say where the server's things are.
func (s *Server) whereabouts(data string) []string {
	tmp := filepath.Join(s.dir, "tmp")
	if s.prog.kind == TiDB {
		return []string{
			"--store=unistore", "--path=" + data, "--temp-dir=" + tmp, "--socket=" + s.socket,
			"--host=127.0.0.1", "-P=" + strconv.Itoa(s.port), "--report-status=false",
		}
	}
	args := []string{
		"--no-defaults",
		"--datadir=" + data,
		"--tmpdir=" + tmp,
		"--socket=" + s.socket,
		"--pid-file=" + filepath.Join(data, "mariadbd.pid"),
		"--port=" + strconv.Itoa(s.port),
	}
	if s.prog.baseDir != "" {
		args = append(args, "--basedir="+s.prog.baseDir)
	}
	return append(args, s.as.asRoot()...)
}

func (s *Server) launchOnce(ctx context.Context, args []string) error {
	out, end, err := openLog(s.LogFile())
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer out.Close() // the server has its own descriptor
	s.logFrom = end
	_ = os.Remove(s.socket)

	cmd := exec.Command(s.prog.server, args...)
	cmd.Dir = filepath.Join(s.dir, "tmp") // TiDB makes directories where it is
	cmd.Stdout, cmd.Stderr = out, out
	if s.proc, err = spawn(cmd, s.as); err != nil {
		return fmt.Errorf("run %s: %w", s.prog.server, err)
	}
	if err := s.waitReady(ctx); err != nil {
		s.proc.signal(syscall.SIGKILL)
		<-s.proc.done
		return err
	}
	// A port that others may know: the node's other halves, a user's client.
	_ = os.WriteFile(s.portFile(), []byte(strconv.Itoa(s.port)+"\n"), 0o644)
	return nil
}

// portTaken is how a server says so: MariaDB and MySQL, then TiDB.
var portTaken = regexp.MustCompile(`Can't start server: Bind on TCP/IP port|listen tcp .*: address already in use`)

// waitReady returns when the server answers a query on its socket. By then it
// listens on its port too.
func (s *Server) waitReady(ctx context.Context) error {
	db, err := s.openRoot()
	if err != nil {
		return err
	}
	defer db.Close()

	var last error
	ready := false
	answers := func() bool {
		if _, last = os.Stat(s.socket); last == nil {
			last = db.PingContext(ctx)
			// An answer that is an error is an answer: somebody gave root a password.
			var refused *mysql.MySQLError
			ready = last == nil || errors.As(last, &refused)
		}
		return ready || s.proc.ended()
	}
	for {
		if err := poll(ctx, 10*time.Second, answers); err != nil {
			return fmt.Errorf("wait for the server: %w", errors.Join(err, last))
		}
		switch {
		case s.proc.ended():
			if portTaken.MatchString(logSince(s.LogFile(), s.logFrom)) {
				return fmt.Errorf("listen on %s: %w", s.Addr(), ErrPortInUse)
			}
			return s.exitError()
		case ready:
			return nil
		}
		s.log.Info("embedded store is still starting", zap.Int("pid", s.PID()), zap.String("log", s.LogFile()))
	}
}

func (s *Server) portFile() string { return filepath.Join(s.dir, "mariadbd.port") }

// choosePort takes the port asked for, the one of the last run, or any other
// that is free at the moment.
func (s *Server) choosePort() error {
	if s.cfg.Port != 0 {
		s.port = s.cfg.Port
		return nil
	}
	text, _ := os.ReadFile(s.portFile())
	last, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	for _, port := range []int{last, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		s.port = l.Addr().(*net.TCPAddr).Port
		return l.Close()
	}
	return errors.New("no loopback port is free")
}
