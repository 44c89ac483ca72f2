package executor

import (
	"context"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// A table lock that queues hurts open transactions: one that has read the table and goes on
// to write it waits for us, as we wait for it, and it is the one that gets error 1213.
// (Every ALTER of the server does that too.) So the locker does not queue. The nodes hold
// back for a moment what clients would begin, what is open ends, and the lock is free. A
// transaction that stays open, or clients who come to the store itself and leave no gap,
// keep the job waiting, unless Worker.LockWait says that the locker may queue.
const (
	politeAttempts = 3                      // that clients are held back for at once
	firstHold      = 150 * time.Millisecond // how long for, doubled with each of these
	longTry        = time.Second            // how long later attempts try without holding clients back
	longHold       = 600 * time.Millisecond // how long they hold them back then
	lockPause      = time.Millisecond
	tryPause       = 10 * time.Millisecond
)

// lock locks the table and the sentry, or returns error 1205. The end of ctx does not break
// off what takes but a moment: the session would be lost, and the sentry would stay.
func (s *Attempt) lock(ctx context.Context) error {
	statement := fmt.Sprintf("LOCK TABLES %s WRITE, %s WRITE", s.tableSQL, s.oldSQL)
	if s.LockWait != nil && s.attempt > politeAttempts {
		if wait := s.LockWait(ctx); wait > 0 {
			return s.queue(ctx, statement, wait)
		}
	}
	err := s.swiftly(context.WithoutCancel(ctx), locking, func(ctx context.Context) error { return s.lockPolitely(ctx, statement) })
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// queue waits for the lock in the queue, with everybody who comes behind it.
func (s *Attempt) queue(ctx context.Context, statement string, wait time.Duration) error {
	if _, err := s.Locker.ExecContext(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", max(int(wait.Seconds()), 1))); err != nil {
		return err
	}
	return s.RunDDL(ctx, s.Locker, statement, func(server.Process) {})
}

// lockPolitely takes the lock without queueing, as the comment above says.
func (s *Attempt) lockPolitely(ctx context.Context, statement string) error {
	if s.attempt <= politeAttempts {
		err := s.tryLock(ctx, statement)
		if server.IsErr(err, server.ErrLockWaitTimeout) {
			err = s.lockHolding(ctx, statement, firstHold<<(s.attempt-1))
		}
		return err
	}
	err := s.lockWithin(ctx, statement, longTry, tryPause)
	if server.IsErr(err, server.ErrLockWaitTimeout) {
		err = s.lockHolding(ctx, statement, longHold)
	}
	return err
}

// swiftly does something on the locker's session, and kills that if it gives no answer within
// the limit: clients must not wait for an answer that does not come.
func (s *Attempt) swiftly(ctx context.Context, limit time.Duration, do func(ctx context.Context) error) error {
	s.lockerUse.Lock()
	defer s.lockerUse.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := do(ctx)
	if err != nil && !s.killed && (ctx.Err() != nil || server.Lost(err)) {
		s.killed = true
		s.kill(ctx, s.Locker)
	}
	return err
}

// Alive keeps the session that has locked the table in use, as the server ends it after
// lockedIdle. Seal calls it while it waits.
func (s *Attempt) Alive(ctx context.Context) error {
	return s.swiftly(ctx, answerLimit, func(ctx context.Context) error {
		if time.Since(s.lockerUsed) < lockedIdle*time.Second/3 {
			return nil
		}
		s.lockerUsed = time.Now()
		return s.Locker.PingContext(ctx)
	})
}

// lockHolding tries to lock again and again while clients are held back: for d, and for the
// ways that the statements of open transactions have to the store. release lets them go on
// before that time is over.
func (s *Attempt) lockHolding(ctx context.Context, statement string, d time.Duration) error {
	d += 2 * s.Trip
	if s.Hold != nil {
		s.Hold(d)
		s.held = true
	}
	return s.lockWithin(ctx, statement, d, lockPause)
}

// lockWithin tries to lock again and again for d.
func (s *Attempt) lockWithin(ctx context.Context, statement string, d, pause time.Duration) error {
	for end := time.Now().Add(d); ; {
		err := s.tryLock(ctx, statement)
		if !server.IsErr(err, server.ErrLockWaitTimeout) || time.Now().After(end) {
			return err
		}
		if err := dxf.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// tryLock takes a lock that is free, or ends with error 1205. MySQL's LOCK TABLES
// has no NOWAIT: who holds the table is looked up first, which leaves a moment for
// somebody to come in between.
func (s *Attempt) tryLock(ctx context.Context, statement string) error {
	_, err := s.Locker.ExecContext(ctx, statement+" NOWAIT")
	if !server.IsErr(err, server.ErrParse) {
		return err
	}
	const holders = `SELECT COUNT(*) FROM performance_schema.metadata_locks
		WHERE OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = ? AND OBJECT_NAME = ? AND LOCK_STATUS = 'GRANTED'`
	var n int
	if err := s.Locker.QueryRowContext(ctx, holders, s.schema, s.table).Scan(&n); err != nil {
		s.Log.Debug("look for holders of the table", zap.Error(err)) // no performance_schema: then nobody knows
	}
	if n > 0 {
		return &mysql.MySQLError{Number: server.ErrLockWaitTimeout, Message: "the table is in use"}
	}
	_, err = s.Locker.ExecContext(ctx, statement)
	return err
}

// release lets clients go on who are held back.
func (s *Attempt) release() {
	if s.held {
		s.Hold(0)
		s.held = false
	}
}

// unlock lets everybody have the table again.
func (s *Attempt) unlock(ctx context.Context) error {
	return s.swiftly(context.WithoutCancel(ctx), answerLimit, func(ctx context.Context) error {
		_, err := s.Locker.ExecContext(ctx, "UNLOCK TABLES")
		return err
	})
}
