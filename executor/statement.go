package executor

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// lockSettings end a session whose node is frozen, and with it its locks.
var lockSettings = []string{"SET SESSION wait_timeout = 15", "SET SESSION idle_transaction_timeout = 0"}

// KeepAlive is how often an idle session with such settings is used.
const KeepAlive = 3 * time.Second

// unreachable is how long a statement that is to end is tried to be killed.
const unreachable = 20 * time.Second

// LockedSession opens a session that holds the advisory lock. Who holds it else is at
// work under a right that is over, or was: what is left of him is ended.
func (r *Run) LockedSession(ctx context.Context, lock string, settings ...string) (*server.Session, error) {
	return r.lockedOn(ctx, r.DB, lock, settings...)
}

// lockedOn is lockedSession with a connection of a pool.
func (r *Run) lockedOn(ctx context.Context, pool *sql.DB, lock string, settings ...string) (*server.Session, error) {
	s, err := server.OpenSession(ctx, pool, append(append([]string{}, lockSettings...), settings...)...)
	if err != nil {
		return nil, err
	}
	var vigil server.Vigil
	_, err = s.Lock(ctx, r.Secret.Lock(lock), 0, func(holder int64) error {
		if ours, err := s.Owns(ctx, holder); err == nil && !ours && holder != 0 {
			r.Waiting("%s waits for connection %d of another account, which holds the job's lock", r.step, holder)
			err = s.Kill(ctx, holder)
			r.Log.Warn("a stranger holds a job's lock", zap.String("lock", lock), zap.Int64("connection", holder), zap.Error(err))
			return nil
		}
		r.Waiting("%s waits for the session of its predecessor (connection %d) to end", r.step, holder)
		if holder != 0 && vigil.Left(ctx, s, holder) {
			err := s.Kill(ctx, holder)
			r.Log.Warn("a session that was left held the job's lock", zap.Int64("connection", holder), zap.Error(err))
		}
		return nil
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	r.Waiting("")
	return s, nil
}

// RunDDL runs one statement that may take long on a session, and tells what it is
// doing meanwhile. When ctx ends the statement is killed and waited for: a
// definition must not change after we have reported that it was not.
func (r *Run) RunDDL(ctx context.Context, s *server.Session, statement string, tell func(server.Process)) error {
	_, err := r.RunLong(ctx, s, s, statement, tell)
	return err
}

// RunLong is the same for any statement: one of the transaction that is open on s, if
// there is one (see holder). It returns how many rows the statement says it has changed.
func (r *Run) RunLong(ctx context.Context, s *server.Session, on querier, statement string, tell func(server.Process)) (affected int64, err error) {
	done := make(chan error, 1)
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go func() {
		res, err := on.ExecContext(running, statement)
		if err == nil {
			affected, _ = res.RowsAffected() // some statements say nothing
		}
		done <- err
	}()
	var given time.Time // when our right to it was over
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil && ctx.Err() != nil && server.IsErr(err, server.ErrQueryInterrupted, server.ErrConnectionKilled) {
				return 0, context.Cause(ctx)
			}
			return affected, err
		case <-tick.C:
			// The looks are best effort; the statement's own answer counts.
			if p, ok, err := s.Process(ctx, r.DB); err == nil && ok {
				tell(p)
			}
		case <-ctx.Done():
			// It may not have begun, so it is killed until it has ended. Where nobody
			// reaches the server, the next one to hold the job's lock waits for its end.
			if given.IsZero() {
				given = time.Now()
			} else if time.Since(given) > unreachable {
				end()
				<-done
				return 0, context.Cause(ctx)
			}
			kill, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			_ = server.KillQuery(kill, r.DB, s.ID)
			stop()
			select {
			case err := <-done:
				if err == nil {
					return affected, nil // it was faster
				}
				if server.Lost(err) || server.IsErr(err, server.ErrQueryInterrupted) {
					return 0, context.Cause(ctx)
				}
				return affected, err
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}

// killTry is how long one try of a KILL may take. It is more than lets the pool doubt its
// other connections, so that the next one is made over a new one.
const (
	killTry   = 1200 * time.Millisecond
	killTries = 3
)

// kill ends a session of ours that does not answer, and what it holds is free.
func (r *Run) kill(ctx context.Context, s *server.Session) {
	for range killTries {
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTry)
		err := server.Kill(try, r.DB, s.ID)
		cancel()
		if err == nil {
			r.Log.Warn("a session that did not answer was ended", zap.Int64("connection", s.ID))
			return
		}
		r.Log.Warn("end a session that does not answer", zap.Int64("connection", s.ID), zap.Error(err))
	}
}

// Blocker names a connection that may hold the table's metadata lock, in words; "" when
// none is seen.
func (r *Run) Blocker(ctx context.Context, except ...int64) string {
	return server.Blocker(ctx, r.DB, r.schema, r.table, except...)
}

// ended says whether err tells that our right to work is over.
func ended(err error) bool { return errors.Is(err, dxf.ErrLeaseLost) }
