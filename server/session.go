package server

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Session is one connection to the store under settings of its own. It is
// never replaced behind the user's back: when it is cut, everything on it
// fails, and its locks are gone. Closing it ends it; it does not go back to the
// pool with our settings on it.
type Session struct {
	*sql.Conn
	ID     int64 // CONNECTION_ID()
	Family Family
	db     *sql.DB
}

// baseSettings: temporal literals are in UTC; values that are in a table
// already are taken as they are, zero dates and zero ids included.
const baseSettings = `SET NAMES utf8mb4, SESSION time_zone = '+00:00',
	SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', SESSION lock_wait_timeout = 5, SESSION innodb_lock_wait_timeout = 5`

// freshStatistics lets MySQL's information_schema tell AUTO_INCREMENT and sizes as
// they are, not as they were when somebody asked within the last day.
const freshStatistics = "SET SESSION information_schema_stats_expiry = 0"

// known is a connection that was asked who it is when it was opened.
type known interface {
	Server() (id int64, version string)
}

// OpenSession connects and makes settings, statements that are run in order, those of
// variables first and at once. A setting that the server does not know is left out.
func OpenSession(ctx context.Context, db *sql.DB, settings ...string) (*Session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	s := &Session{Conn: conn, db: db}
	if err = s.identify(ctx); err == nil {
		err = s.set(ctx, append([]string{"SET SESSION max_statement_time = 0", freshStatistics}, settings...))
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("set up a session on the store: %w", err)
	}
	return s, nil
}

// identify asks the connection who it is, or else the server.
func (s *Session) identify(ctx context.Context) error {
	var version string
	err := s.Raw(func(c any) error {
		if k, ok := c.(known); ok {
			s.ID, version = k.Server()
		}
		return nil
	})
	if err == nil && version == "" {
		err = s.QueryRowContext(ctx, "SELECT CONNECTION_ID(), VERSION()").Scan(&s.ID, &version)
	}
	s.Family = FamilyOfVersion(version)
	return err
}

// set makes the base settings and others. Those of variables go to the server in one
// statement, unless it does not know them all.
func (s *Session) set(ctx context.Context, settings []string) error {
	all, alone := []string{baseSettings}, []string(nil)
	for _, statement := range settings {
		statement = s.Family.setting(statement)
		if name, _, ok := strings.Cut(strings.TrimPrefix(statement, "SET SESSION "), " = "); !ok || strings.Contains(name, " ") {
			alone = append(alone, statement)
		} else if !s.Family.lacks(name) {
			all = append(all, strings.TrimPrefix(statement, "SET "))
		}
	}
	_, err := s.ExecContext(ctx, strings.Join(all, ", "))
	if IsErr(err, ErrUnknownSystemVariable) {
		for i := range all[1:] {
			all[i+1] = "SET " + all[i+1]
		}
		err, alone = nil, append(all, alone...)
	}
	for _, statement := range alone {
		if err == nil {
			if _, err = s.ExecContext(ctx, statement); IsErr(err, ErrUnknownSystemVariable) {
				err = nil
			}
		}
	}
	return err
}

// Close ends the connection.
func (s *Session) Close() error {
	err := s.Raw(func(any) error { return driver.ErrBadConn }) // the pool throws it away
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	_ = s.Conn.Close()
	return err
}

// End is Close for a session that writes into a user's table, whose triggers may take as
// long as they like: when ctx has ended, and the driver has only left the statement, it
// is ended on the server too. Else it would hold its locks and its turn.
func (s *Session) End(ctx context.Context) {
	if ctx.Err() != nil {
		s.kill(context.WithoutCancel(ctx))
	}
	_ = s.Close()
}

// killTime bounds what ending a session may take of the time of who is to stop.
const killTime = 2 * time.Second

func (s *Session) kill(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	var id int64
	// A server that was started again counts from 1: there the number is somebody else's.
	if err := conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err == nil && id > s.ID {
		_ = Kill(ctx, conn, s.ID)
	}
}
