package executor

import (
	"context"
	"database/sql"
	"time"

	"go.uber.org/zap"

	"dxfproxy/server"
	"dxfproxy/table"
)

// A job's definitions are changed on sessions that hold one of its advisory locks
// (table.Lock). Planning and clean-up hold both of them (Planner.LockedSession), a step holds
// one (Run.LockedSession). Where a session of a predecessor has the lock, a step waits
// for it; planning and clean-up, which the owner does, may end it.

// sessionEnd: such a session of planning ends when its node has been frozen for 20 s.
const sessionEnd = "SET SESSION wait_timeout = 20"

// OrphanWait is how long clean-up waits for the session of a predecessor to end by itself.
// The server notices that the node is gone only when the statement of that session has
// ended, and that may be an index build of an hour.
const OrphanWait = 3 * time.Second

// LockedSession opens a session that holds both locks of a job; who says what for, "planning" or
// "clean-up", in the notes on what the job waits for.
//
// Another session that holds one of them belongs to an owner or a node that has lost its
// right to the job, or has died. If it does nothing, it is ended at once. If it is in a
// statement, its end is waited for, and after orphans (0: never) it is ended: clean-up asks
// for that, because by then nobody may do anything for the job any more. A session of
// another account, which should not know the lock's name, is ended in any case.
func (p Planner) LockedSession(ctx context.Context, lock table.Lock, who string, orphans time.Duration) (*server.Session, error) {
	s, err := server.OpenSession(ctx, p.DB, sessionEnd, "SET SESSION foreign_key_checks = 0")
	if err != nil {
		return nil, err
	}
	names := []string{p.Secret.Lock(lock.Name()), p.Secret.Lock(lock.Renamer())}
	if free, err := s.LockFree(ctx, names[0], names[1]); err != nil || free {
		if err != nil {
			s.Close()
			return nil, err
		}
		return s, nil
	}
	h := lockWait{Planner: p, s: s, lock: lock, who: who, orphans: orphans, start: time.Now()}
	for _, name := range names {
		if _, err := s.Lock(ctx, name, 0, func(holder int64) error { return h.meet(ctx, holder) }); err != nil {
			s.Close()
			return nil, err
		}
	}
	if h.met {
		if err := p.Waiting(""); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// lockSettings make the server end the session of a step, and its locks with it, when its node
// has been frozen for 15 s.
var lockSettings = []string{"SET SESSION wait_timeout = 15", "SET SESSION idle_transaction_timeout = 0"}

// KeepAlive is how often the session of a step is used while it has nothing to do, so that
// the server does not end it.
const KeepAlive = 3 * time.Second

// LockedSession opens a session that holds an advisory lock of the job, with more settings
// (SET statements). Another session that holds it is that of an earlier run, whose lease
// is over: its end is waited for, and it is ended where its node has left it behind, or where it is
// of another account.
func (r *Run) LockedSession(ctx context.Context, lock string, settings ...string) (*server.Session, error) {
	return r.lockedOn(ctx, r.DB, lock, settings...)
}

// lockedOn is LockedSession with a connection of the given pool.
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

// kill ends a session of ours that does not answer, and so frees what it holds.
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

// killTry is how long one try of a KILL may take, and killTries how many there are. By the end
// of a try the pool doubts its other connections, so that the next try has a new one.
const (
	killTry   = 1200 * time.Millisecond
	killTries = 3
)
