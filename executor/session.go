package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A session of ours ends when its node has been frozen for this many seconds.
const sessionEnd = "SET SESSION wait_timeout = 20"

// OrphanWait is how long clean-up waits for the session of a predecessor to end
// by itself. The server notices at once that a node is gone, but only when the
// statement that its session was in has ended: an index build of an hour.
const OrphanWait = 3 * time.Second

// LockedSession opens a session that holds the job's locks; who is what it is for, in the words of
// the notes: planning or clean-up. A session that holds them already works for an owner
// or a node whose right to that has ended, by its death perhaps. If it does nothing, it is
// ended at once. If it is in a statement, it is waited for, and ended after orphans (0:
// never): clean-up sets that, for by then nobody may do anything for the job any more.
// A session of another account is ended in any case.
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

const (
	// heldLimit is how long clean-up waits at a stretch: others have to be cleaned up,
	// too.
	heldLimit = 10 * time.Second
	// strangerLimit is how long a stranger who cannot be ended is waited for.
	strangerLimit = 5 * time.Second
)

// errHeld: a session that is to end, or was ended, has not yet. It will.
var errHeld = errors.New("the session that holds the job's lock has not ended yet")

// lockWait is what a session that waits for the job's locks does about who holds them.
type lockWait struct {
	Planner
	s       *server.Session
	lock    table.Lock
	who     string
	orphans time.Duration
	start   time.Time
	met     bool
	vigil   server.Vigil
}

// meet tells of a holder, and ends it if that is to be. 0 is nobody any more.
func (h *lockWait) meet(ctx context.Context, holder int64) error {
	h.met = true
	waited := time.Since(h.start)
	ours := true // where it cannot be told: it is waited for
	if holder != 0 {
		if o, err := h.s.Owns(ctx, holder); err == nil {
			ours = o
		}
	}
	text := fmt.Sprintf("%s waits for the session of its predecessor (connection %d) to end", h.who, holder)
	kill := ours && holder != 0 && (h.vigil.Left(ctx, h.s, holder) || h.orphans > 0 && waited > h.orphans)
	switch {
	case kill:
		text = fmt.Sprintf("%s ends the session of its predecessor (connection %d)", h.who, holder)
	case !ours:
		text = fmt.Sprintf("%s ends connection %d of another account, which holds the job's lock", h.who, holder)
	}
	if err := h.Waiting(text); err != nil {
		h.Log.Warn("note what the job waits for", zap.String("lock", h.lock.Name()), zap.Error(err))
		return nil // the term may be over, and the holder our successor
	}
	switch {
	case !ours:
		return h.endStranger(ctx, holder, waited)
	case kill:
		h.end(ctx, holder)
		if waited > heldLimit {
			return errHeld
		}
	}
	return nil
}

func (h *lockWait) end(ctx context.Context, connection int64) {
	err := h.s.Kill(ctx, connection)
	fields := []zap.Field{zap.String("lock", h.lock.Name()), zap.Int64("connection", connection)}
	if err != nil {
		h.Log.Warn("end an orphaned session", append(fields, zap.Error(err))...)
		return
	}
	h.Log.Info("orphaned session ended", fields...)
}

// endStranger ends a connection of another account, which knows the name of a lock
// that it should not know. Where that may not be done, the job does not wait for long.
func (h *lockWait) endStranger(ctx context.Context, connection int64, waited time.Duration) error {
	err := h.s.Kill(ctx, connection)
	h.Log.Warn("a stranger holds a job's lock", zap.String("lock", h.lock.Name()), zap.Int64("connection", connection), zap.Error(err))
	switch {
	case err != nil && waited > strangerLimit:
		return dxf.Errorf("connection %d of another account holds the job's lock and cannot be ended: %s", connection, err)
	case waited > heldLimit:
		return errHeld
	}
	return nil
}
