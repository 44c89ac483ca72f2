package mariadbd

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// rootHosts are where root may be known from: an old data directory has others
// than a new one, and MySQL's has others than MariaDB's.
var rootHosts = []string{"localhost", "127.0.0.1", "::1"}

// ClientFile is the path of the file by which root's clients log in, without a word about
// a password: mariadb --defaults-extra-file=…/client.cnf. Only the node's own account of the
// system can read it. It is there when Config.RootPassword is set.
func (s *Server) ClientFile() string { return filepath.Join(s.dir, "client.cnf") }

// RootPassword is root's; empty without Config.RootPassword.
func (s *Server) RootPassword() string { return s.password }

// prepareRoot finds root's password in the client file. Where there is none yet it makes one,
// and returns the server's option that gives it to root before anybody can connect.
func (s *Server) prepareRoot() ([]string, error) {
	if !s.cfg.RootPassword || s.prog.kind == TiDB {
		return nil, nil
	}
	text, err := os.ReadFile(s.ClientFile())
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if p, ok := strings.CutPrefix(strings.TrimSpace(line), "password="); ok {
				s.password = p
				return nil, nil
			}
		}
		return nil, fmt.Errorf("read root's password: %s has none", s.ClientFile())
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read root's password: %w", err)
	}
	s.password = rand.Text()
	var script strings.Builder
	for _, host := range rootHosts {
		fmt.Fprintf(&script, "ALTER USER IF EXISTS root@'%s' IDENTIFIED BY '%s';\n", host, s.password)
	}
	if err := os.WriteFile(s.rootScript(), []byte(script.String()), 0o600); err != nil {
		return nil, err
	}
	return []string{"--init-file=" + s.rootScript()}, s.as.own(s.rootScript())
}

func (s *Server) rootScript() string { return filepath.Join(s.dir, "tmp", "root.sql") }

// keepRoot makes sure that root has the password, and writes it where root's clients
// find it. A start that was interrupted before that makes another one.
func (s *Server) keepRoot(ctx context.Context) error {
	if s.password == "" {
		return nil
	}
	_ = os.Remove(s.rootScript())
	db, err := s.openRoot()
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("log in as root: %w (remove %s for a new password)", err, s.ClientFile())
	}
	addr := s.cfg.ClientAddr
	if addr == "" {
		addr = s.Addr()
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	return s.writePrivate(s.ClientFile(), fmt.Sprintf("# written by dxfproxy at every start: root of the store in this directory\n"+
		"[client]\nuser=root\npassword=%s\nhost=%s\nport=%s\nprotocol=tcp\n", s.password, host, port))
}

// openRoot is a pool of root's own sessions, over the socket.
func (s *Server) openRoot() (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "root", s.password, "unix", s.socket
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// writePrivate writes a file that none but us can read, at once or not at all.
func (s *Server) writePrivate(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
