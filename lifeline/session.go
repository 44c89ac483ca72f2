package lifeline

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/server"
)

// mysqlConn is what the driver's connections can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// A session is a connection to the store as the pools have it.
type session struct {
	mysqlConn
	wire *wire

	id      int64 // CONNECTION_ID()
	version string
	server  host
	format  string      // binlog_format
	spent   atomic.Bool // the next user is to have another: the server is read-only by now, or the format was not ROW
}

// Server tells the connection's number at the server and the server's version.
func (s *session) Server() (id int64, version string) { return s.id, s.version }

// silent is why a connection was ended.
type silent struct {
	id     int64
	waited time.Duration
	found  string // what the server was doing
}

func (e *silent) Error() string {
	return fmt.Sprintf("the store's answer did not arrive for %s (connection %d, %s)", e.waited.Round(100*time.Millisecond), e.id, e.found)
}

// told gives an error its reason, which the driver has lost, and takes notice of servers
// that only read.
func (s *session) told(err error) error {
	if err == nil {
		return nil
	}
	if server.IsErr(err, server.ErrOptionPreventsStatement, server.ErrReadOnlyMode) { // --read-only, innodb_read_only
		s.spent.Store(true)
	}
	if why := s.wire.dead.Load(); why != nil && errors.Is(err, mysql.ErrInvalidConn) {
		return fmt.Errorf("%w: %w", mysql.ErrInvalidConn, why)
	}
	return err
}

func (s *session) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	t, err := s.mysqlConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, s.told(err)
	}
	return tx{t, s}, nil
}

func (s *session) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	st, err := s.mysqlConn.PrepareContext(ctx, query)
	return st, s.told(err)
}

func (s *session) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	r, err := s.mysqlConn.ExecContext(ctx, query, args)
	return r, s.told(err)
}

func (s *session) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	r, err := s.mysqlConn.QueryContext(ctx, query, args)
	return r, s.told(err)
}

func (s *session) Ping(ctx context.Context) error { return s.told(s.mysqlConn.Ping(ctx)) }

// Close says goodbye. Where nobody hears it any more that is no error.
func (s *session) Close() error {
	_ = s.mysqlConn.Close()
	return nil
}

// ResetSession is asked before a pool hands the connection out again.
func (s *session) ResetSession(ctx context.Context) error {
	if s.wire.watch.doubtful(s.wire) {
		return driver.ErrBadConn
	}
	return s.mysqlConn.ResetSession(ctx)
}

// IsValid is asked before a pool takes it back.
func (s *session) IsValid() bool { return !s.spent.Load() && s.mysqlConn.IsValid() }

// tx is a transaction whose errors have their reasons.
type tx struct {
	driver.Tx
	s *session
}

func (t tx) Commit() error   { return t.s.told(t.Tx.Commit()) }
func (t tx) Rollback() error { return t.s.told(t.Tx.Rollback()) }
