package mariadbd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"
)

// socketLimit is the longest socket path that every system takes; Linux allows
// 107 bytes (unix(7)), others 103.
const socketLimit = 103

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
