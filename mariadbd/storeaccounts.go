package mariadbd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/grants"
)

// StoreDSNFile is the path of the file with what StoreDSN has last returned, which
// only the node's own account of the system can read.
func (s *Server) StoreDSNFile() string { return filepath.Join(s.dir, "store.dsn") }

// StoreDSN makes the accounts by which nodes come to their store, with the meta
// schema given and not one privilege more than they need, and returns the DSN of the
// jobs' work. It is called as the schema, "dxf:…@tcp(127.0.0.1:34567)/", the others as is
// the default, dxf_meta and dxf_trial; all have one password, made at random once.
// TiDB, which nodes only relay to, has root alone.
func (s *Server) StoreDSN(ctx context.Context, meta string) (string, error) {
	if s.prog.kind == TiDB {
		return s.DSN(), nil
	}
	s.accounts.Lock()
	defer s.accounts.Unlock()
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = storeUser(meta), "tcp", s.Addr()
	if text, err := os.ReadFile(s.StoreDSNFile()); err == nil {
		if was, err := mysql.ParseDSN(strings.TrimSpace(string(text))); err == nil {
			c.Passwd = was.Passwd
		}
	}
	made := c.Passwd == ""
	if made {
		c.Passwd = rand.Text()
	}
	if err := s.grantStore(ctx, meta, c.User, c.Passwd, made); err != nil {
		return "", fmt.Errorf("make the accounts of nodes: %w", err)
	}
	return c.FormatDSN(), s.writePrivate(s.StoreDSNFile(), c.FormatDSN()+"\n")
}

// storeUser is the account called after a meta schema. MySQL's names have 32 bytes.
func storeUser(meta string) string {
	const most = 32 - len("_trial")
	if len(meta) <= most {
		return meta
	}
	sum := sha256.Sum256([]byte(meta))
	return meta[:most-9] + "_" + hex.EncodeToString(sum[:4])
}

// grantStore makes the accounts; those that are there already have this password,
// unless it is new.
func (s *Server) grantStore(ctx context.Context, meta, user, password string, made bool) (err error) {
	l := grants.Layout{Family: grants.MariaDB, Meta: meta}
	if s.prog.kind == MySQL {
		l.Family = grants.MySQL
	}
	a := grants.Accounts{Host: "127.0.0.1"}
	a.Work = grants.Account{User: user, Password: password}
	a.Meta = grants.Account{User: user + "_meta", Password: password}
	a.Trial = grants.Account{User: user + "_trial", Password: password}
	db, err := s.openRoot()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	script := l.Script(a)
	if made {
		for _, r := range []grants.Role{grants.Work, grants.Meta, grants.Trial} {
			script = append(script, fmt.Sprintf("ALTER USER %s@%s IDENTIFIED BY %s", grants.Quote(a.Of(r).User), grants.Quote(a.Host),
				grants.Quote(password)))
		}
	}
	for _, q := range script {
		if _, err := db.ExecContext(ctx, q); err != nil {
			verb, _, _ := strings.Cut(q, " IDENTIFIED BY ")
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
	return nil
}
