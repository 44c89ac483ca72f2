package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// An Attempt is one attempt of an exchange.
type Attempt struct {
	*Run
	Exchange
	Locker, Renamer *server.Session // see ExchangeNames
	Trip            time.Duration   // to the store and back

	attempt                  int        // the first is 1
	tableSQL, oldSQL, newSQL string     // the names, quoted
	held                     bool       // clients are held back
	answer                   chan error // of the RENAME; nil: it is not asked for yet

	lockerUse  sync.Mutex // while the table is locked, whoever uses the locker has this
	lockerUsed time.Time  // when it was used last
	killed     bool       // the locker did not answer, and was ended

	// adrift: nobody knows whether the RENAME still stands in the queue. Only the sentry
	// keeps it from giving the table's name to a table that is not sealed.
	adrift bool
}

// tryExchange makes one attempt, with sessions of its own. Each of the two holds one of the
// job's locks: once it has that, the server has ended the session that had the same part
// in an earlier attempt, and nothing of that attempt can still happen.
func (r *Run) tryExchange(ctx context.Context, t Exchange, attempt int) (done bool, why string, err error) {
	s := &Attempt{
		Run: r, Exchange: t, attempt: attempt,
		tableSQL: server.Quote(r.schema, r.table), oldSQL: server.Quote(r.schema, t.Old), newSQL: server.Quote(r.schema, t.New),
	}
	pool := r.DB
	if t.Batches != nil {
		pool = t.Batches
	}
	var both errgroup.Group
	both.Go(func() (err error) {
		s.Locker, err = r.lockedOn(ctx, pool, t.Lock.Name(), fmt.Sprintf("SET SESSION lock_wait_timeout = %d", tableLockWait))
		return err
	})
	beside := *r // the summary, in which each notes what it waits for, is not shared
	both.Go(func() (err error) {
		s.Renamer, err = beside.LockedSession(ctx, t.Lock.Renamer(), fmt.Sprintf("SET SESSION lock_wait_timeout = %d", renameWait),
			fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d", renameWait))
		return err
	})
	err = both.Wait()
	for _, session := range []*server.Session{s.Locker, s.Renamer} {
		if session != nil {
			defer session.Close()
		}
	}
	if err != nil {
		return false, "", err
	}
	defer func() {
		if server.Lost(err) { // nothing of this attempt is still to come when the next one begins
			s.kill(ctx, s.Renamer)
		}
	}()
	// Waiting for the second lock may have cost the first session its life.
	asked := time.Now()
	if err := s.Locker.PingContext(ctx); err != nil {
		return false, "", fmt.Errorf("keep the job's lock: %w", err)
	}
	s.Trip = time.Since(asked)
	if done, err = s.committed(ctx); err != nil || done {
		return done, "", err
	}
	if why, err = t.Gates(ctx, s); err != nil || why != "" {
		return false, why, err
	}
	return s.once(ctx)
}

// committed says whether the names are exchanged already, by which tables there are. It drops
// the sentry that an earlier attempt may have left.
func (s *Attempt) committed(ctx context.Context) (bool, error) {
	st, err := table.LoadNames(ctx, s.Locker, s.schema, s.New, s.Old, s.Mark)
	switch {
	case err != nil:
		return false, err
	case !st.New && st.Old:
		return true, nil
	case !st.New:
		return false, dxf.Errorf("table %s is gone", s.New)
	case st.Old:
		return false, dxf.Errorf("table %s is in the way", s.Old)
	case st.Sentry:
		if _, err := s.Locker.ExecContext(ctx, "DROP TABLE IF EXISTS "+s.oldSQL); err != nil {
			return false, fmt.Errorf("drop the sentry of an earlier attempt: %w", err)
		}
	}
	return false, nil
}

// Exchangeable refuses to go on where the table is another one than TableID says, or has got
// what an exchange of names would leave with the old table: triggers, or foreign keys of
// other tables that refer to it.
func (s *Attempt) Exchangeable(ctx context.Context) error {
	info, err := table.Load(ctx, s.Locker, s.schema, s.table)
	if errors.Is(err, table.ErrNoTable) {
		return dxf.NoSuchTable(s.schema, s.table)
	}
	if err != nil {
		return err
	}
	if len(info.Triggers) > 0 || len(info.Children) > 0 {
		return dxf.SchemaChanged("")
	}
	// This is not asked again while the table is locked, for the server goes through all its
	// tables to answer it. If somebody drops the table later, the changefeed sees that.
	return s.SameTable(ctx, s.Locker, s.TableID)
}

// SameDefinition refuses to go on where the table's definition is not that of Fingerprint.
func (s *Attempt) SameDefinition(ctx context.Context) error {
	text, err := table.ShowCreate(ctx, s.Locker, s.schema, s.table)
	if err == nil && s.Fingerprint != "" && table.Fingerprint(text) != s.Fingerprint {
		return dxf.SchemaChanged("")
	}
	return err
}

// Settled waits up to 3 s for the end of prepared XA transactions that have used the table; why
// says that one is still there. If its session is lost it does not keep the table locked,
// but the RENAME would wait for it, and everybody for the RENAME.
func (s *Attempt) Settled(ctx context.Context) (why string, err error) {
	all, err := server.Prepared(ctx, s.Locker)
	if err != nil || len(all) == 0 {
		return "", err
	}
	p, err := table.OpenProbe(ctx, s.DB)
	if err != nil {
		return "", err
	}
	defer p.Close()
	for end := time.Now().Add(3 * time.Second); ; {
		free, told, err := p.Free(ctx, s.schema, s.table)
		if err != nil || free {
			return "", err
		}
		if all, err = server.Prepared(ctx, s.Locker); err != nil || len(all) == 0 {
			return "", err
		}
		if time.Now().After(end) {
			if !told { // nobody knows: the RENAME will show it
				return "", nil
			}
			return "waits for a prepared XA transaction (XA RECOVER)", nil
		}
		if err := dxf.Sleep(ctx, lookAgain); err != nil {
			return "", err
		}
	}
}

// lookAgain is the pause between two looks for prepared XA transactions.
const lookAgain = 20 * time.Millisecond

// once locks, seals and renames.
func (s *Attempt) once(ctx context.Context) (done bool, why string, err error) {
	if err := s.prepare(ctx); err != nil {
		return false, "", errors.Join(err, s.undo(ctx, false))
	}
	blocked := time.Now()
	defer s.release()
	if err := s.lock(ctx); err != nil {
		if server.IsErr(err, server.ErrLockWaitTimeout) {
			why = "waits for a lock on the table"
			if b := s.Blocker(ctx, s.Locker.ID, s.Renamer.ID); b != "" {
				why += ", " + b
			}
			err = nil
		}
		return false, why, errors.Join(err, s.undo(ctx, false))
	}
	locked := time.Now()
	s.lockerUsed = locked
	holding, letGo := context.WithTimeout(ctx, exchangeLimit)
	defer letGo()
	if why, err = s.ready(holding); err != nil || why != "" {
		s.endCall(ctx)
		return false, why, errors.Join(err, s.undo(ctx, true))
	}
	sealed := time.Now()
	renamed, err := s.rename(holding)
	if !renamed {
		if server.Lost(err) {
			// The RENAME may still be in the queue. The next attempt waits for the renamer's
			// end, and begins by undoing the seal.
			return false, "", errors.Join(err, s.undo(ctx, false))
		}
		return false, "could not rename the table; tries again", errors.Join(err, s.undo(ctx, true))
	}
	end := time.Now()

	s.Log.Info("tables exchanged", zap.Int("attempt", s.attempt), zap.Duration("writers_blocked", end.Sub(blocked)),
		zap.Duration("lock", locked.Sub(blocked)), zap.Duration("seal", sealed.Sub(locked)), zap.Duration("rename", end.Sub(sealed)))
	return true, "", nil
}

// undo ends an attempt that changed nothing: clients first, then the seal, then
// the sentry. What it cannot do the next attempt does.
func (s *Attempt) undo(ctx context.Context, sealed bool) error {
	if err := s.unlock(ctx); err != nil {
		s.Log.Debug("unlock", zap.Error(err)) // the session is gone, and with it its locks
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if sealed && s.Unseal != nil {
		if err := s.Unseal(ctx); err != nil {
			s.Log.Debug("undo the seal", zap.Error(err))
		}
	}
	if s.adrift {
		return nil // the next attempt waits for its end
	}
	done, err := s.committed(ctx) // drops the sentry
	if done || err != nil {
		s.Log.Debug("clean up after an attempt", zap.Bool("renamed", done), zap.Error(err))
	}
	return nil
}
