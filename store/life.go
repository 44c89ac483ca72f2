package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
)

// A life is the proof that this process is alive: a session with an advisory
// lock whose name is made of the UUID it was started with. The lock is free as soon as the
// process is dead and its host has closed its connections, while a process that
// stands still keeps it. An owner that was killed and started again under its
// name need not wait for the lease of its former life then. It would be safe to
// take it from a living one as well (its term is over, and its writes refused);
// but two nodes that were given one name would take it from each other for ever.
type life struct {
	pool *sql.DB // of one connection

	mu   sync.Mutex
	conn *sql.Conn
	lock string // that conn holds, or did before it was cut
}

// lifeLock is the name of a life's lock, given its UUID. All of it is a tag: a UUID
// and one would be too long.
func (db *DB) lifeLock(uuid string) string {
	return "dxf_life_" + hex.EncodeToString(db.secret.Sign("life", []byte(uuid)))[:40]
}

// keep makes sure that a lock once taken is still held: its session may have been cut.
// If it cannot now, the next heartbeat does.
func (l *life) keep(ctx context.Context) {
	l.mu.Lock()
	lock := l.lock
	l.mu.Unlock()
	if lock != "" {
		_ = l.prove(ctx, lock)
	}
}

// prove takes the lock, or makes sure that it is held.
func (l *life) prove(ctx context.Context, lock string) error {
	const heldSQL = `SELECT COALESCE(IS_USED_LOCK(?) = CONNECTION_ID(), 0)`
	const keepSQL = `SET SESSION wait_timeout = 31536000` // its maximum, a year
	const lockSQL = `DO GET_LOCK(?, 0)`
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		var held bool
		if err := l.conn.QueryRowContext(ctx, heldSQL, lock).Scan(&held); err == nil && held {
			return nil
		}
		l.end() // it was cut, or it is that of another UUID
	}
	conn, err := l.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("prove to be alive: %w", err)
	}
	l.conn, l.lock = conn, lock
	if _, err := conn.ExecContext(ctx, keepSQL); err != nil {
		l.end()
		return fmt.Errorf("prove to be alive: %w", err)
	}
	if _, err := conn.ExecContext(ctx, lockSQL, lock); err != nil {
		l.end()
		return fmt.Errorf("prove to be alive: %w", err)
	}
	return nil
}

// end ends the session, and with it the lock.
func (l *life) end() {
	_ = l.conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool throws it away
	_ = l.conn.Close()
	l.conn = nil
}

func (l *life) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.end()
	}
	if err := l.pool.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}
