package executor

import (
	"context"
	"database/sql"
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

// Budgets of an exchange. Clients who come to the table wait for their sum, and
// that of what seals it, at worst, and for a few milliseconds as a rule.
const (
	tableLockWait = 1 // seconds LOCK TABLES may queue where somebody came in between
	renameWait    = 3 // seconds the rename may wait

	// Between attempts. Whoever kept the table is not asked to wait long for us.
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// lockedIdle is how many seconds the server waits for the next word of the session that
	// has locked the table, if its node stands still or is cut off.
	lockedIdle = 3
	// answerLimit is how long one answer to that session may take; locking limits that to
	// LOCK TABLES, and exchangeLimit is for how long the table may be locked in all.
	answerLimit   = 2 * time.Second
	locking       = tableLockWait*time.Second + answerLimit
	exchangeLimit = 5 * time.Second
	// prepareLimit is for what is done before.
	prepareLimit = 10 * time.Second
)

// An Exchange is an exchange of tables: the new one takes the table's name, and the
// table the old name. What must be true before, and at the moment of it, is the
// task type's.
type Exchange struct {
	New, Old    string
	Fingerprint string // of the table's definition
	TableID     string // table.Identity of the table; "" is not looked at
	Lock        table.Lock
	Mark        table.Mark
	Name        string // what the exchange is called
	SetsCounter bool   // AUTO_INCREMENT was asked for: the fresh table counts on where its rows end, not the table

	// several is a pool whose sessions take several statements at once, for the session
	// that locks the table; nil: there is none.
	Batches *sql.DB

	// gates are the conditions under which an attempt is worth the clients' while;
	// why says which does not hold yet.
	Gates func(ctx context.Context, s *Attempt) (why string, err error)
	// look is asked of the table while s.a, on which it may ask, has locked it; nil: nothing.
	Recheck func(ctx context.Context, s *Attempt) error
	// seal makes sure, while the table is locked by s.a, that the fresh table is what
	// the table has to become; why says that another attempt may. nil: it is.
	Seal func(ctx context.Context, s *Attempt) (why string, err error)
	// unseal undoes it; nil: there is nothing to undo.
	Unseal func(ctx context.Context) error
}

// ExchangeNames makes attempts until the names are exchanged.
//
// Two sessions do it. A locks the table and a sentry under the old name; C asks for the
// rename and queues on the table, ahead of every statement that has come since, while
// the fresh table is sealed; A drops the sentry and lets go. Whoever dies or gives up,
// either the rename meets the sentry and nothing has happened, or nothing was missing
// when it took place. In doubt the names tell.
func (r *Run) ExchangeNames(ctx context.Context, t Exchange) error {
	backoff := firstBackoff
	for attempt := 1; ; attempt++ {
		done, why, err := r.tryExchange(ctx, t, attempt)
		if err == nil && done {
			r.Waiting("")
			return nil
		}
		if err != nil {
			var own *dxf.Error
			if errors.As(err, &own) || ctx.Err() != nil || ended(err) || !again(err) {
				return err
			}
			r.Log.Warn("attempt failed", zap.Int("attempt", attempt), zap.Error(err))
			r.Waiting("%s lost a session; tries again", t.Name)
			if err := dxf.Sleep(ctx, 200*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		r.Log.Debug("attempt put off", zap.Int("attempt", attempt), zap.String("why", why))
		r.Waiting("%s %s", t.Name, why)
		if err := dxf.Sleep(ctx, backoff); err != nil {
			return err
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// again says whether an attempt may have failed by what the next one does not meet: its
// sessions' end, others' locks, the sentry in the way of its own rename, and a KILL QUERY of
// the rename. What else passes ends the run, and counts as one of the task's errors.
func again(err error) bool {
	return server.Lost(err) || server.Collided(err) || server.IsErr(err, server.ErrTableExists, server.ErrQueryInterrupted)
}

// Attempt is one attempt.
type Attempt struct {
	*Run
	Exchange
	attempt                  int
	held                     bool // clients are held back
	Locker, Renamer          *server.Session
	tableSQL, oldSQL, newSQL string        // table, old and fresh, quoted
	Trip                     time.Duration // to the store and back
	answer                   chan error    // of the rename, once it is asked for

	lockerUse  sync.Mutex // of who uses a while it has locked the table
	lockerUsed time.Time  // when it was
	killed     bool       // it did not answer

	// adrift: nobody knows whether the rename still stands in the queue, and only the
	// sentry keeps it from giving the name to a table that was not sealed.
	adrift bool
}

// tryExchange makes one attempt with sessions of its own. Both hold a lock that
// a predecessor's session of the same part holds until the server has ended it:
// only then is nothing of an earlier attempt still to come.
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
	beside := *r // with its own word of what it waits for
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

// committed decides by names whether the rename took place. A sentry that an
// earlier attempt left is dropped.
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

// Exchangeable refuses another table of the name, and one that got, since it was
// planned, what would stay with the old one: triggers, and children that refer to it.
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
	// Not while the table is locked: the server goes through all its tables. Who
	// drops it from here on is seen by the changefeed.
	return s.SameTable(ctx, s.Locker, s.TableID)
}

// SameTable refuses another table that has come to the name of the one that
// table.Identity called want; "" is not looked at.
func (r *Run) SameTable(ctx context.Context, q server.Querier, want string) error {
	if want == "" {
		return nil
	}
	id, err := table.Identity(ctx, q, r.schema, r.table)
	if err == nil && id != want {
		return dxf.SchemaChanged("")
	}
	return err
}

// SameDefinition is asked while the table is locked.
func (s *Attempt) SameDefinition(ctx context.Context) error {
	text, err := table.ShowCreate(ctx, s.Locker, s.schema, s.table)
	if err == nil && s.Fingerprint != "" && table.Fingerprint(text) != s.Fingerprint {
		return dxf.SchemaChanged("")
	}
	return err
}

// Settled waits a while for prepared XA transactions that have used the table; why says
// that one still has. One of a lost session keeps its rows locked, but not the table: the
// rename would wait for it, and everybody for the rename.
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
			if !told { // the rename will tell
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
			// C may still be in the queue. Its end is waited for by the next
			// attempt, which begins with what undoes the seal.
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
