package executor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// lockSettings end a session whose node is frozen, and with it its locks.
var lockSettings = []string{"SET SESSION wait_timeout = 15", "SET SESSION idle_transaction_timeout = 0"}

// keepAlive is how often an idle session with such settings is used.
const keepAlive = 3 * time.Second

// unreachable is how long a statement that is to end is tried to be killed.
const unreachable = 20 * time.Second

// lockedSession opens a session that holds the advisory lock. Who holds it else is at
// work under a right that is over, or was: what is left of him is ended.
func (w *work) lockedSession(ctx context.Context, lock string, settings ...string) (*server.Session, error) {
	return w.lockedOn(ctx, w.db, lock, settings...)
}

// lockedOn is lockedSession with a connection of a pool.
func (w *work) lockedOn(ctx context.Context, pool *sql.DB, lock string, settings ...string) (*server.Session, error) {
	s, err := server.OpenSession(ctx, pool, append(append([]string{}, lockSettings...), settings...)...)
	if err != nil {
		return nil, err
	}
	var vigil server.Vigil
	_, err = s.Lock(ctx, w.Secret.Lock(lock), 0, func(holder int64) error {
		if ours, err := s.Owns(ctx, holder); err == nil && !ours && holder != 0 {
			w.waiting("%s waits for connection %d of another account, which holds the job's lock", w.step, holder)
			err = s.Kill(ctx, holder)
			w.log.Warn("a stranger holds a job's lock", zap.String("lock", lock), zap.Int64("connection", holder), zap.Error(err))
			return nil
		}
		w.waiting("%s waits for the session of its predecessor (connection %d) to end", w.step, holder)
		if holder != 0 && vigil.Left(ctx, s, holder) {
			err := s.Kill(ctx, holder)
			w.log.Warn("a session that was left held the job's lock", zap.Int64("connection", holder), zap.Error(err))
		}
		return nil
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	w.waiting("")
	return s, nil
}

// selectProcess: a statement that copies rows reports in the process list, one
// that builds indexes in place in a status variable of the whole server, in
// hundredths of a per cent (MariaDB manual, "InnoDB Status Variables").
const selectProcess = `SELECT STATE, STAGE, MAX_STAGE, PROGRESS, COALESCE((SELECT VARIABLE_VALUE + 0
	FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'INNODB_ONLINEDDL_PCT_PROGRESS'), 0) / 100
FROM information_schema.PROCESSLIST WHERE ID = ?`

// MySQL tells no progress there, and its process list cannot be read (error 3854)
// while any statement in it has a character beyond the first plane of Unicode.
const selectProcessMySQL = `SELECT PROCESSLIST_STATE, 0, 0, 0, 0 FROM performance_schema.threads WHERE PROCESSLIST_ID = ?`

// process is what a connection is doing.
type process struct {
	State           string
	Stage, MaxStage int
	Percent         float64
}

// watch reads what another connection is doing; ok is false when it is gone.
func (w *work) watch(ctx context.Context, s *server.Session) (p process, ok bool, err error) {
	query := selectProcess
	if s.Family == server.MySQL {
		query = selectProcessMySQL
	}
	var state sql.NullString
	var inPlace float64
	err = w.db.QueryRowContext(ctx, query, s.ID).Scan(&state, &p.Stage, &p.MaxStage, &p.Percent, &inPlace)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	p.State = state.String
	if p.MaxStage == 0 {
		p.Stage, p.MaxStage, p.Percent = 1, 1, inPlace
	}
	return p, err == nil, err
}

// ddl runs one statement that may take long on a session, and tells what it is
// doing meanwhile. When ctx ends the statement is killed and waited for: a
// definition must not change after we have reported that it was not.
func (w *work) ddl(ctx context.Context, s *server.Session, statement string, tell func(process)) error {
	_, err := w.long(ctx, s, s, statement, tell)
	return err
}

// long is the same for any statement: one of the transaction that is open on s, if
// there is one (see holder). It returns how many rows the statement says it has changed.
func (w *work) long(ctx context.Context, s *server.Session, on holder, statement string, tell func(process)) (affected int64, err error) {
	done := make(chan error, 1)
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go func() {
		res, err := on.ExecContext(running, statement)
		if err == nil {
			affected, _ = res.RowsAffected() // some statements say nothing
		}
		done <- err
	}()
	var given time.Time // when our right to it was over
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil && ctx.Err() != nil && server.IsErr(err, errInterrupted, errKilled) {
				return 0, context.Cause(ctx)
			}
			return affected, err
		case <-tick.C:
			// The looks are best effort; the statement's own answer counts.
			if p, ok, err := w.watch(ctx, s); err == nil && ok {
				tell(p)
			}
		case <-ctx.Done():
			// It may not have begun, so it is killed until it has ended. Where nobody
			// reaches the server, the next one to hold the job's lock waits for its end.
			if given.IsZero() {
				given = time.Now()
			} else if time.Since(given) > unreachable {
				end()
				<-done
				return 0, context.Cause(ctx)
			}
			kill, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			_, _ = w.db.ExecContext(kill, fmt.Sprintf("KILL QUERY %d", s.ID))
			stop()
			select {
			case err := <-done:
				if err == nil {
					return affected, nil // it was faster
				}
				if lostConnection(err) || server.IsErr(err, errInterrupted) {
					return 0, context.Cause(ctx)
				}
				return affected, err
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}

// killTry is how long one try of a KILL may take. It is more than lets the pool doubt its
// other connections, so that the next one is made over a new one.
const (
	killTry   = 1200 * time.Millisecond
	killTries = 3
)

// kill ends a session of ours that does not answer, and what it holds is free.
func (w *work) kill(ctx context.Context, s *server.Session) {
	for range killTries {
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTry)
		_, err := w.db.ExecContext(try, fmt.Sprintf("KILL %d", s.ID))
		cancel()
		if err == nil || server.IsErr(err, errNoSuchThread) {
			w.log.Warn("a session that did not answer was ended", zap.Int64("connection", s.ID))
			return
		}
		w.log.Warn("end a session that does not answer", zap.Int64("connection", s.ID), zap.Error(err))
	}
}

// fraction is how far a statement is, from 0 to 1.
func (p process) fraction() float64 {
	if p.MaxStage <= 0 {
		return 0
	}
	return min(max((float64(p.Stage-1)+p.Percent/100)/float64(p.MaxStage), 0), 1)
}

// blocker names a connection that may hold the table's metadata lock, in words;
// "" when none is seen. MariaDB's plugin metadata_lock_info knows; without it
// the oldest transaction is the best guess.
func (w *work) blocker(ctx context.Context, except ...int64) string {
	const byLock = `SELECT THREAD_ID FROM information_schema.METADATA_LOCK_INFO WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`
	const byAge = `SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.INNODB_TRX
		WHERE trx_mysql_thread_id > 0 ORDER BY trx_started LIMIT 10`
	known := map[int64]bool{}
	for _, id := range except {
		known[id] = true
	}
	if rows, err := w.db.QueryContext(ctx, byLock, w.schema, w.table); err == nil {
		defer rows.Close()
		for rows.Next() {
			var id int64
			if rows.Scan(&id) == nil && !known[id] {
				return fmt.Sprintf("held by connection %d", id)
			}
		}
		_ = rows.Err() // best effort
		return ""
	}
	rows, err := w.db.QueryContext(ctx, byAge)
	if err != nil {
		return ""
	}
	defer rows.Close()
	for rows.Next() {
		var id, age int64
		if rows.Scan(&id, &age) == nil && !known[id] && age >= 1 {
			return fmt.Sprintf("perhaps held by connection %d, in a transaction for %d s", id, age)
		}
	}
	_ = rows.Err() // best effort
	return ""
}

// ended says whether err tells that our right to work is over.
func ended(err error) bool { return errors.Is(err, dxf.ErrLeaseLost) }
