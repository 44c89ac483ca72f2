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

// prepare does what can be done before the table is locked: the sentry, the counter of
// AUTO_INCREMENT, and a connection for whoever watches the RENAME. The end of ctx does not
// break it off: the session would be lost with its statement, and the sentry would stay.
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

// autoIncrement lets the new table count on from where the table has come to.
func (s *Attempt) autoIncrement(ctx context.Context) error {
	if s.SetsCounter {
		return nil
	}
	rows, err := s.Renamer.QueryContext(ctx, selectAutoIncrement, s.schema, s.table, s.New)
	if err != nil {
		return fmt.Errorf("read AUTO_INCREMENT: %w", err)
	}
	defer rows.Close()
	var current, next uint64 // of the table, and of the new one
	for rows.Next() {
		var name string
		var n uint64
		if err := rows.Scan(&name, &n); err != nil {
			return err
		}
		if strings.EqualFold(name, s.New) {
			next = n
		} else {
			current = n
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || current <= next {
		return err
	}
	if _, err := s.Renamer.ExecContext(ctx, table.CountFrom(s.schema, s.New, current)); err != nil {
		return fmt.Errorf("set AUTO_INCREMENT of %s: %w", s.New, err)
	}
	return nil
}

// ready checks, while the locker has locked the table, all that must be true before its name is
// given away, seals the new table, and lets the renamer queue. Clients wait meanwhile, and
// every answer takes a way to the store and back: so everything is asked at once.
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
	// Nobody else can be at work while the locker lives: a successor has to have its lock.
	also(func() error { return s.Leases.CheckLease(ctx, s.Subtask.Lease()) })
	err = all.Wait()
	return why, err
}

// call lets the renamer ask for the RENAME, and waits until that stands in the queue.
func (s *Attempt) call(ctx context.Context) error {
	s.answer = make(chan error, 1)
	go func() {
		_, err := s.Renamer.ExecContext(context.WithoutCancel(ctx),
			fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s", s.tableSQL, s.oldSQL, s.newSQL, s.tableSQL))
		s.answer <- err
	}()
	return s.queued(ctx, s.answer)
}

// endCall unlocks the table, so that a RENAME that has been asked for meets the sentry and fails.
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

// rename lets the RENAME happen. The locker has locked the table, the new table is sealed, and
// the RENAME is in the queue. From here on the names decide: when this returns, the
// renamer has answered, or its session is lost.
func (s *Attempt) rename(ctx context.Context) (renamed bool, err error) {
	err = s.swiftly(ctx, answerLimit, func(ctx context.Context) error {
		drop := "DROP TABLE " + s.oldSQL
		if s.Batches != nil {
			drop += "; UNLOCK TABLES"
		}
		_, err := s.Locker.ExecContext(ctx, drop)
		return err
	})
	// Whether or not the sentry is gone: to unlock the table makes the renamer answer.
	if err != nil || s.Batches == nil {
		if unlockErr := s.unlock(ctx); unlockErr != nil {
			s.Locker.Close()
		}
	}
	if renameErr := <-s.answer; renameErr == nil {
		return true, nil // whatever happened to the locker
	} else if err == nil {
		err = fmt.Errorf("rename: %w", renameErr)
	}
	return false, err
}

// queued waits until the RENAME stands in the queue for the table.
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
