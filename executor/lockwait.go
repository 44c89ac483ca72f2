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

const (
	// heldLimit is how long clean-up waits at a stretch: other jobs have to be cleaned up too.
	heldLimit = 10 * time.Second
	// strangerLimit is how long a stranger who cannot be ended is waited for.
	strangerLimit = 5 * time.Second
)

// errHeld: a session that was killed still holds the lock. It will let go, so try again.
var errHeld = errors.New("the session that holds the job's lock has not ended yet")

// A lockWait is one wait of Planner.LockedSession, and what it does about who holds the locks.
type lockWait struct {
	Planner
	s       *server.Session
	lock    table.Lock
	who     string        // as LockedSession's
	orphans time.Duration // as LockedSession's
	start   time.Time
	met     bool // somebody held a lock
	vigil   server.Vigil
}

// meet notes that the connection holder has the lock, and ends it where LockedSession says so.
// holder 0: it has just let go.
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

// end ends the session of a predecessor.
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
