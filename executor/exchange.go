package executor

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Limits of an exchange. As a rule clients who come to the table wait for a few milliseconds; at
// worst for the sum of these, and of what Seal may take.
const (
	tableLockWait = 1 // seconds that LOCK TABLES may queue where somebody came in between
	renameWait    = 3 // seconds that the RENAME may queue

	// Pauses between attempts.
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 5 * time.Second
	// lockedIdle is after how many seconds of silence the server ends the session that has
	// locked the table: its node stands still, or is cut off.
	lockedIdle = 3
	// answerLimit is how long that session may wait for an answer, locking how long for that
	// to LOCK TABLES; exchangeLimit is how long the table may be locked in all.
	answerLimit   = 2 * time.Second
	locking       = tableLockWait*time.Second + answerLimit
	exchangeLimit = 5 * time.Second
	// prepareLimit is for what is done before the table is locked.
	prepareLimit = 10 * time.Second
)

// An Exchange is an exchange of names: the new table, a job's shadow or staging table, takes
// the name of the job's table, and that takes the old name. What must be true before that,
// and at the moment of it, is for the task type to say: by Gates, Recheck and Seal, of which
// the last two run while clients wait.
type Exchange struct {
	Name        string     // what the exchange is called in what the job waits for: "cut-over"
	New, Old    string     // names in the table's schema
	Fingerprint string     // of the table's definition (table.Fingerprint)
	TableID     string     // the table's identity (table.Identity); "" is not looked at
	Lock        table.Lock // the job's
	Mark        table.Mark // the job's, for the sentry
	// SetsCounter: the job has set AUTO_INCREMENT, so the new table counts on from there.
	// Else it counts on from where the table has come to.
	SetsCounter bool

	// Batches is a pool whose sessions take several statements at once, for the session
	// that locks the table; nil: there is none.
	Batches *sql.DB

	// Gates says whether an attempt is worth the clients' while; why is what it waits
	// for, "" when it may begin. An error ends the exchange, or the attempt where it passes.
	Gates func(ctx context.Context, s *Attempt) (why string, err error)
	// Recheck looks at the table once more on s.Locker, which has locked it. nil: there is
	// nothing to look at.
	Recheck func(ctx context.Context, s *Attempt) error
	// Seal makes sure that the new table has all that the table has, now that s.Locker has
	// locked that; why says that it has not, and that another attempt may succeed. nil:
	// there is nothing to make sure.
	Seal func(ctx context.Context, s *Attempt) (why string, err error)
	// Unseal undoes Seal after an attempt that did not succeed. nil: there is nothing to undo.
	Unseal func(ctx context.Context) error
}

// ExchangeNames makes attempts until the names are exchanged.
//
// Two sessions do it. The locker locks the table, and a sentry under the old name. The renamer
// asks for the RENAME, which queues for the table ahead of every statement that has come since.
// Meanwhile the new table is sealed. Then the locker drops the sentry and unlocks. Whoever
// dies or gives up before that, the RENAME meets the sentry and fails, and nothing has happened;
// once the sentry is gone, nothing is missing in the new table. In doubt the names tell.
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
