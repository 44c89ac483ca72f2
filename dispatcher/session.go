package dispatcher

import (
	"context"
	"database/sql"
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

// A planner is what the extensions of all task types have in common.
type planner struct {
	db  *sql.DB
	log *zap.Logger
}

func newPlanner(db *sql.DB, log *zap.Logger) planner {
	if log == nil {
		log = zap.NewNop()
	}
	return planner{db, log}
}

// session opens a session that holds the job's locks, for planning or clean-up
// (who). Who holds them is at work
// under a right that is over, or was, when its node died: at clean-up nobody may
// do anything for the job any more, and what is left after orphans (0: never) is
// ended.
func (p planner) session(ctx context.Context, lock table.Lock, who string, orphans time.Duration) (*table.Session, error) {
	s, err := table.OpenSession(ctx, p.db, sessionEnd, "SET SESSION foreign_key_checks = 0")
	if err != nil {
		return nil, err
	}
	start, waited := time.Now(), false
	for _, name := range []string{lock.Name(), lock.Swap()} {
		_, err := s.Lock(ctx, name, 0, func(holder int64) {
			waited = true
			text := fmt.Sprintf("%s waits for the session of its predecessor (connection %d) to end", who, holder)
			kill := orphans > 0 && holder != 0 && time.Since(start) > orphans
			if kill {
				text = fmt.Sprintf("%s ends the session of its predecessor (connection %d)", who, holder)
			}
			if err := Waiting(ctx, text); err != nil {
				p.log.Warn("note what the job waits for", zap.String("lock", lock.Name()), zap.Error(err))
				return // the term may be over, and the holder our successor
			}
			if kill {
				p.kill(ctx, s, lock, holder)
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
func (p planner) kill(ctx context.Context, s *table.Session, lock table.Lock, connection int64) {
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
		p.log.Warn("end an orphaned session", zap.String("lock", lock.Name()), zap.Int64("connection", connection), zap.Error(err))
		return
	}
	p.log.Info("orphaned session ended", zap.String("lock", lock.Name()), zap.Int64("connection", connection))
}
