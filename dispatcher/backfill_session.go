package dispatcher

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/table"
)

// A session of ours ends when its node has been frozen for this many seconds.
const sessionEnd = "SET SESSION wait_timeout = 20"

// orphanLimit is how long clean-up waits for the session of a predecessor to end
// by itself. The server notices at once that a node is gone, but only when the
// statement that its session was in has ended: an index build of an hour.
const orphanLimit = 3 * time.Second

// session opens a session that holds the job's locks, for planning or clean-up
// (who). Who holds them is at work
// under a right that is over, or was, when its node died: at clean-up nobody may
// do anything for the job any more, and what is left after orphans (0: never) is
// ended.
func (b *Backfill) session(ctx context.Context, job int64, who string, orphans time.Duration) (*table.Session, error) {
	s, err := table.OpenSession(ctx, b.db, sessionEnd, "SET SESSION foreign_key_checks = 0")
	if err != nil {
		return nil, err
	}
	start, waited := time.Now(), false
	for _, name := range []string{table.LockName(job), table.SwapLockName(job)} {
		_, err := s.Lock(ctx, name, 0, func(holder int64) {
			waited = true
			text := fmt.Sprintf("%s waits for the session of its predecessor (connection %d) to end", who, holder)
			kill := orphans > 0 && holder != 0 && time.Since(start) > orphans
			if kill {
				text = fmt.Sprintf("%s ends the session of its predecessor (connection %d)", who, holder)
			}
			if err := Waiting(ctx, text); err != nil {
				b.log.Warn("note what the job waits for", zap.Int64("job", job), zap.Error(err))
				return // the term may be over, and the holder our successor
			}
			if kill {
				b.kill(ctx, s, job, holder)
			}
		})
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	if waited {
		if err := Waiting(ctx, ""); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// The second is MySQL's: see the executor about its process list.
const (
	selectOwn      = `SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ? AND USER = SUBSTRING_INDEX(USER(), '@', 1)`
	selectOwnMySQL = `SELECT COUNT(*) FROM performance_schema.threads WHERE PROCESSLIST_ID = ? AND PROCESSLIST_USER = SUBSTRING_INDEX(USER(), '@', 1)`
)

// kill ends a connection if it is of our own account: anybody may take a lock of
// any name.
func (b *Backfill) kill(ctx context.Context, s *table.Session, job, connection int64) {
	var n int
	query := selectOwn
	if s.Family == table.MySQL {
		query = selectOwnMySQL
	}
	err := s.QueryRowContext(ctx, query, connection).Scan(&n)
	if err == nil && n == 0 {
		return
	}
	if err == nil {
		_, err = s.ExecContext(ctx, fmt.Sprintf("KILL %d", connection))
	}
	if err != nil && !table.IsErr(err, 1094) { // it has ended
		b.log.Warn("end an orphaned session", zap.Int64("job", job), zap.Int64("connection", connection), zap.Error(err))
		return
	}
	b.log.Info("orphaned session ended", zap.Int64("job", job), zap.Int64("connection", connection))
}
