package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// prepare does what can be done before the table is locked, so that little is left: the
// sentry, the counter, and a connection for who watches the rename. No end of ctx breaks
// it off: the session would be lost with its statement, and nobody would drop the sentry.
func (s *Attempt) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareLimit)
	defer cancel()
	var all errgroup.Group
	all.Go(func() error {
		sentry := fmt.Sprintf("CREATE TABLE %s (id INT PRIMARY KEY) COMMENT = '%s'", s.oldSQL, s.Mark.Comment(s.attempt))
		if _, err := s.Locker.ExecContext(ctx, sentry); err != nil {
			return fmt.Errorf("create the sentry: %w", err)
		}
		if _, err := s.Locker.ExecContext(ctx, fmt.Sprintf("SET SESSION wait_timeout = %d", lockedIdle)); err != nil {
			return fmt.Errorf("limit the lock: %w", err)
		}
		return nil
	})
	all.Go(func() error { return s.autoIncrement(ctx) })
	all.Go(func() error {
		_, _, err := s.Renamer.Process(ctx, s.DB)
		return err
	})
	all.Go(func() error { return s.Leases.CheckLease(ctx, s.Subtask.Lease()) })
	return all.Wait()
}

const selectAutoIncrement = `SELECT TABLE_NAME, COALESCE(AUTO_INCREMENT, 0) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN (?, ?)`

// autoIncrement lets the fresh table count on where the table is.
func (s *Attempt) autoIncrement(ctx context.Context) error {
	if s.SetsCounter {
		return nil
	}
	rows, err := s.Renamer.QueryContext(ctx, selectAutoIncrement, s.schema, s.table, s.New)
	if err != nil {
		return fmt.Errorf("read AUTO_INCREMENT: %w", err)
	}
	defer rows.Close()
	var source, fresh uint64
	for rows.Next() {
		var name string
		var n uint64
		if err := rows.Scan(&name, &n); err != nil {
			return err
		}
		if strings.EqualFold(name, s.New) {
			fresh = n
		} else {
			source = n
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || source <= fresh {
		return err
	}
	if _, err := s.Renamer.ExecContext(ctx, table.CountFrom(s.schema, s.New, source)); err != nil {
		return fmt.Errorf("set AUTO_INCREMENT of %s: %w", s.New, err)
	}
	return nil
}

// ready asks, while the table is locked by A, all that must be true before its name is
// given away, and has C queue for it. Clients wait meanwhile, and every answer is a way
// to the store and back: so all of it is asked at once.
func (s *Attempt) ready(ctx context.Context) (why string, err error) {
	var all errgroup.Group
	sealing, stop := context.WithCancel(ctx) // which may take long, and is in vain when another one fails
	defer stop()
	also := func(ask func() error) {
		all.Go(func() error {
			err := ask()
			if err != nil {
				stop()
			}
			return err
		})
	}
	also(func() error {
		return s.swiftly(ctx, answerLimit, func(ctx context.Context) error {
			if err := s.SameDefinition(ctx); err != nil || s.Recheck == nil {
				return err
			}
			return s.Recheck(ctx, s)
		})
	})
	if s.Seal != nil {
		also(func() (err error) {
			why, err = s.Seal(sealing, s)
			return err
		})
	}
	also(func() error {
		if err := s.autoIncrement(ctx); err != nil {
			return err
		}
		return s.call(ctx)
	})
	// Nobody else can be at work while A lives, whose lock a successor has to have.
	also(func() error { return s.Leases.CheckLease(ctx, s.Subtask.Lease()) })
	err = all.Wait()
	return why, err
}

// call has C ask for the rename, and waits until it stands in the queue.
func (s *Attempt) call(ctx context.Context) error {
	s.answer = make(chan error, 1)
	go func() {
		_, err := s.Renamer.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s", s.tableSQL, s.oldSQL, s.newSQL, s.tableSQL))
		s.answer <- err
	}()
	return s.queued(ctx, s.answer)
}

// endCall lets C find the sentry, where it has asked for the rename already.
func (s *Attempt) endCall(ctx context.Context) {
	if s.answer == nil {
		return
	}
	if err := s.unlock(ctx); err != nil {
		s.Locker.Close()
	}
	err := <-s.answer
	s.adrift = server.Lost(err)
	s.Log.Debug("rename after an attempt that was given up", zap.Error(err))
}

// rename exchanges the names. The table is locked by A, the fresh one sealed, and C in
// the queue. From here on the names decide: every return has C's answer, or has given C
// up for dead.
func (s *Attempt) rename(ctx context.Context) (renamed bool, err error) {
	err = s.swiftly(ctx, answerLimit, func(ctx context.Context) error {
		drop := "DROP TABLE " + s.oldSQL
		if s.Batches != nil {
			drop += "; UNLOCK TABLES"
		}
		_, err := s.Locker.ExecContext(ctx, drop)
		return err
	})
	// Whether or not the sentry is gone: letting go makes C answer.
	if err != nil || s.Batches == nil {
		if unlockErr := s.unlock(ctx); unlockErr != nil {
			s.Locker.Close()
		}
	}
	if renameErr := <-s.answer; renameErr == nil {
		return true, nil // whatever A met
	} else if err == nil {
		err = fmt.Errorf("rename: %w", renameErr)
	}
	return false, err
}

// queued waits until C's rename stands in the queue for the table.
func (s *Attempt) queued(ctx context.Context, answer chan error) error {
	for start := time.Now(); ; {
		if err := dxf.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		select {
		case err := <-answer:
			answer <- err
			return fmt.Errorf("rename did not wait: %w", err)
		default:
		}
		p, ok, err := s.Renamer.Process(ctx, s.DB)
		if err != nil {
			return fmt.Errorf("look for the rename: %w", err)
		}
		if ok && p.State == server.MetadataLock {
			return nil
		}
		if err := s.Alive(ctx); err != nil {
			return fmt.Errorf("keep the lock: %w", err)
		}
		if time.Since(start) > renameWait*time.Second {
			return fmt.Errorf("the rename is not seen waiting for the table (state %q)", p.State)
		}
	}
}
