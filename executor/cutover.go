package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/table"
)

// Budgets of a cut-over. Clients who come to the table wait for their sum at
// worst, and for a few milliseconds as a rule.
const (
	tableLockWait = 1               // seconds LOCK TABLES may queue, with everybody behind it
	sealLimit     = 2 * time.Second // for the last changes to reach the shadow
	renameWait    = 3               // seconds the rename may wait
	lagLimit      = 500 * time.Millisecond
)

// cutover gives the shadow the table's name.
//
// Two sessions do it. A locks the table and a sentry under the old name; when
// the last change is applied, C asks for the rename and queues on the table,
// ahead of every statement that has come since; A drops the sentry and lets go.
// Whoever dies, either the rename meets the sentry and nothing has happened, or
// nothing was missing when it took place. In doubt the names tell.
func (r *run) cutover(ctx context.Context) error {
	backoff := time.Second
	for attempt := 1; ; attempt++ {
		done, why, err := r.tryCutover(ctx, attempt)
		if err == nil && done {
			r.waiting("")
			r.sum.RowCount = r.meta.Rows
			return nil
		}
		if err != nil {
			var own *dxf.Error
			if errors.As(err, &own) || ctx.Err() != nil || ended(err) ||
				!(lostConnection(err) || table.IsErr(err, errLockWait, errDeadlock, errTableExists, errInterrupted)) {
				return err
			}
			r.log.Warn("cut-over attempt failed", zap.Int("attempt", attempt), zap.Error(err))
			r.waiting("cut-over lost a session; tries again")
			if err := sleep(ctx, 200*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		r.waiting("cut-over %s", why)
		if err := sleep(ctx, backoff); err != nil {
			return err
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// swap is one attempt.
type swap struct {
	*run
	attempt int
	held    bool // clients are held back
	a, c    *table.Session
	t, old  string // quoted
	shadow  string
}

// tryCutover makes one attempt with sessions of its own. Both hold a lock that
// a predecessor's session of the same part holds until the server has ended it:
// only then is nothing of an earlier attempt still to come.
func (r *run) tryCutover(ctx context.Context, attempt int) (done bool, why string, err error) {
	s := &swap{
		run: r, attempt: attempt,
		t: table.Quote(r.meta.Schema, r.meta.Table), old: table.Quote(r.meta.Schema, r.meta.Old), shadow: table.Quote(r.meta.Schema, r.meta.Shadow),
	}
	if s.a, err = r.lockedSession(ctx, table.LockName(r.meta.JobID), fmt.Sprintf("SET SESSION lock_wait_timeout = %d", tableLockWait)); err != nil {
		return false, "", err
	}
	defer s.a.Close()
	if s.c, err = r.lockedSession(ctx, table.SwapLockName(r.meta.JobID), fmt.Sprintf("SET SESSION lock_wait_timeout = %d", renameWait),
		fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d", renameWait)); err != nil {
		return false, "", err
	}
	defer s.c.Close()
	// Waiting for the second lock may have cost the first session its life.
	if err := s.a.PingContext(ctx); err != nil {
		return false, "", fmt.Errorf("keep the job's lock: %w", err)
	}
	if done, err = s.committed(ctx); err != nil || done {
		return done, "", err
	}
	if why, err = s.gates(ctx); err != nil || why != "" {
		return false, why, err
	}
	return s.exchange(ctx)
}

// committed decides by names whether the rename took place. A sentry that an
// earlier attempt left is dropped.
func (s *swap) committed(ctx context.Context) (bool, error) {
	st, err := table.LoadNames(ctx, s.a, s.meta.Schema, s.meta.Shadow, s.meta.Old, s.meta.JobID)
	switch {
	case err != nil:
		return false, err
	case !st.Shadow && st.Old:
		return true, nil
	case !st.Shadow:
		return false, dxf.Errorf("the shadow table %s is gone", s.meta.Shadow)
	case st.Old:
		return false, dxf.Errorf("table %s is in the way", s.meta.Old)
	case st.Sentry:
		if _, err := s.a.ExecContext(ctx, "DROP TABLE IF EXISTS "+s.old); err != nil {
			return false, fmt.Errorf("drop the sentry of an earlier attempt: %w", err)
		}
	}
	return false, nil
}

// gates are the conditions under which an attempt is worth the clients' while.
func (s *swap) gates(ctx context.Context) (why string, err error) {
	if err := s.sendOn(ctx); err != nil { // an earlier attempt sealed it
		return "", err
	}
	if err := s.unchanged(ctx); err != nil {
		return "", err
	}
	start := time.Now()
	ok, err := s.sync(ctx, 5*time.Second)
	if err != nil {
		return "", err
	}
	if took := time.Since(start); !ok || took > lagLimit {
		return fmt.Sprintf("waits for the changefeed, which is %s behind", took.Round(100*time.Millisecond)), nil
	}
	// A prepared transaction of a lost session keeps its rows locked, but not
	// the table; short ones come and go.
	for end := time.Now().Add(3 * time.Second); ; {
		n, err := s.prepared(ctx)
		if err != nil {
			return "", err
		}
		if n == 0 {
			return "", nil
		}
		if time.Now().After(end) {
			// The rename will tell whether it is one of this table's.
			s.waiting("cut-over may wait for a prepared XA transaction (XA RECOVER)")
			return "", nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// unchanged refuses a table that got, since it was planned, what would stay
// with the old one: triggers, and children that refer to it.
func (s *swap) unchanged(ctx context.Context) error {
	info, err := table.Load(ctx, s.a, s.meta.Schema, s.meta.Table)
	if err != nil {
		return err
	}
	if len(info.Triggers) > 0 || len(info.Children) > 0 {
		return dxf.SchemaChanged("")
	}
	return nil
}

// sameDefinition is asked while the table is locked.
func (s *swap) sameDefinition(ctx context.Context) error {
	text, err := table.ShowCreate(ctx, s.a, s.meta.Schema, s.meta.Table)
	if err == nil && s.meta.Fingerprint != "" && table.Fingerprint(text) != s.meta.Fingerprint {
		return dxf.SchemaChanged("")
	}
	return err
}

func (s *swap) prepared(ctx context.Context) (n int, err error) {
	rows, err := s.a.QueryContext(ctx, "XA RECOVER")
	if err != nil {
		return 0, fmt.Errorf("look for prepared transactions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

// exchange locks, seals and renames.
func (s *swap) exchange(ctx context.Context) (done bool, why string, err error) {
	if err := s.autoIncrement(ctx); err != nil {
		return false, "", err
	}
	sentry := fmt.Sprintf("CREATE TABLE %s (id INT PRIMARY KEY) COMMENT = '%s'", s.old, table.SentryComment(s.meta.JobID, s.attempt))
	if _, err := s.a.ExecContext(ctx, sentry); err != nil {
		return false, "", fmt.Errorf("create the sentry: %w", err)
	}
	if err := s.store.CheckLease(ctx, s.sub.Lease()); err != nil {
		return false, "", errors.Join(err, s.undo(ctx, false))
	}

	blocked := time.Now()
	defer s.release()
	if err := s.lock(ctx); err != nil {
		if table.IsErr(err, errLockWait) {
			why = "waits for a lock on the table"
			if b := s.blocker(ctx, s.a.ID, s.c.ID); b != "" {
				why += ", " + b
			}
			err = nil
		}
		return false, why, errors.Join(err, s.undo(ctx, false))
	}
	locked := time.Now()
	if err := s.sameDefinition(ctx); err != nil {
		return false, "", errors.Join(err, s.undo(ctx, false))
	}
	if why, err = s.seal(ctx); err != nil || why != "" {
		return false, why, errors.Join(err, s.undo(ctx, true))
	}
	sealed := time.Now()
	renamed, err := s.rename(ctx)
	if !renamed {
		if lostConnection(err) {
			// C may still be in the queue. Its end is waited for by the next
			// attempt, which sends the feed on.
			return false, "", errors.Join(err, s.undo(ctx, false))
		}
		return false, "could not rename the table; tries again", errors.Join(err, s.undo(ctx, true))
	}
	end := time.Now()

	s.log.Info("cut over", zap.Int("attempt", s.attempt), zap.Duration("writers_blocked", end.Sub(blocked)),
		zap.Duration("lock", locked.Sub(blocked)), zap.Duration("seal", sealed.Sub(locked)), zap.Duration("rename", end.Sub(sealed)))
	return true, "", nil
}

// seal stops the changefeed after the last change. Only the acknowledgement of
// this very marker counts: an earlier attempt's may have stopped the feed
// before the table was locked.
func (s *swap) seal(ctx context.Context) (why string, err error) {
	id, err := s.store.Mark(ctx, s.meta.JobID, dxf.MarkSeal)
	if err != nil {
		return "", fmt.Errorf("mark the changefeed: %w", err)
	}
	for start := time.Now(); ; {
		ok, err := s.store.Marked(ctx, s.meta.JobID, id)
		if err != nil {
			return "", err
		}
		if ok {
			break
		}
		if time.Since(start) > sealLimit {
			return "gave up because the changefeed was behind; tries again", nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", s.autoIncrement(ctx)
}

const selectAutoIncrement = `SELECT TABLE_NAME, COALESCE(AUTO_INCREMENT, 0) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (?, ?)`

// autoIncrement lets the shadow count on where the table is.
func (s *swap) autoIncrement(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, selectAutoIncrement, s.meta.Schema, s.meta.Table, s.meta.Shadow)
	if err != nil {
		return fmt.Errorf("read AUTO_INCREMENT: %w", err)
	}
	defer rows.Close()
	var source, shadow uint64
	for rows.Next() {
		var name string
		var n uint64
		if err := rows.Scan(&name, &n); err != nil {
			return err
		}
		if strings.EqualFold(name, s.meta.Shadow) {
			shadow = n
		} else {
			source = n
		}
	}
	if err := rows.Err(); err != nil || source <= shadow {
		return err
	}
	if _, err := s.c.ExecContext(ctx, fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", s.shadow, source)); err != nil {
		return fmt.Errorf("set AUTO_INCREMENT of the shadow: %w", err)
	}
	return nil
}

// rename exchanges the names. The table is locked by A, and the shadow equal.
func (s *swap) rename(ctx context.Context) (renamed bool, err error) {
	answer := make(chan error, 1)
	go func() {
		_, err := s.c.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s", s.t, s.old, s.shadow, s.t))
		answer <- err
	}()
	// Past this point the names decide: every return has the answer, or has
	// given C up for dead.
	if err = s.queued(ctx, answer); err == nil {
		if err = s.store.CheckLease(ctx, s.sub.Lease()); err == nil {
			_, err = s.a.ExecContext(ctx, "DROP TABLE "+s.old)
		}
	}
	// Whether or not the sentry is gone: letting go makes C answer.
	if _, unlockErr := s.a.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES"); unlockErr != nil {
		s.a.Close()
	}
	if renameErr := <-answer; renameErr == nil {
		return true, nil // whatever A met
	} else if err == nil {
		err = fmt.Errorf("rename: %w", renameErr)
	}
	return false, err
}

// queued waits until C's rename stands in the queue for the table.
func (s *swap) queued(ctx context.Context, answer chan error) error {
	for start := time.Now(); ; {
		select {
		case err := <-answer:
			answer <- err
			return fmt.Errorf("rename did not wait: %w", err)
		default:
		}
		p, ok, err := s.watch(ctx, s.c)
		if err != nil {
			return fmt.Errorf("look for the rename: %w", err)
		}
		if ok && p.State == metadataLock {
			return nil
		}
		if time.Since(start) > renameWait*time.Second {
			return fmt.Errorf("the rename is not seen waiting for the table (state %q)", p.State)
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// undo ends an attempt that changed nothing: clients first, then the feed, then
// the sentry. What it cannot do the next attempt does.
func (s *swap) undo(ctx context.Context, sealed bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := s.a.ExecContext(ctx, "UNLOCK TABLES"); err != nil {
		s.log.Debug("unlock", zap.Error(err)) // the session is gone, and with it its locks
		return nil
	}
	if sealed {
		if err := s.sendOn(ctx); err != nil {
			s.log.Debug("send the changefeed on", zap.Error(err))
		}
	}
	done, err := s.committed(ctx) // drops the sentry
	if done || err != nil {
		s.log.Debug("clean up after an attempt", zap.Bool("renamed", done), zap.Error(err))
	}
	return nil
}
