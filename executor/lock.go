package executor

import (
	"context"
	"fmt"
	"time"

	"dxfproxy/table"
)

// A lock that waits hurts transactions that are open: one that has read the
// table and is about to write it waits for us, and we for it, and it is the one
// that gets error 1213. (That goes for every ALTER of the server, too.) So for
// the first attempts nobody waits. Clients are asked to begin nothing for a
// moment, what is open ends, and the lock is there for the taking.
const (
	politeAttempts = 3
	firstHold      = 150 * time.Millisecond // doubled with each attempt
	lockPause      = time.Millisecond
)

// errSyntax: the server has no NOWAIT.
const errSyntax = 1064

// lock locks the table and the sentry, or ends with error 1205.
func (s *swap) lock(ctx context.Context) error {
	statement := fmt.Sprintf("LOCK TABLES %s WRITE, %s WRITE", s.t, s.o)
	if s.attempt <= politeAttempts {
		_, err := s.a.ExecContext(ctx, statement+" NOWAIT")
		if table.IsErr(err, errLockWait) {
			err = s.lockHolding(ctx, statement+" NOWAIT", firstHold<<(s.attempt-1))
		}
		if !table.IsErr(err, errSyntax) {
			return err
		}
	}
	_, err := s.a.ExecContext(ctx, statement)
	return err
}

// lockHolding tries a lock again and again while clients are held back for d.
// They are let go by release, or when d is over.
func (s *swap) lockHolding(ctx context.Context, statement string, d time.Duration) error {
	if s.Hold != nil {
		s.Hold(d)
		s.held = true
	}
	for end := time.Now().Add(d); ; {
		_, err := s.a.ExecContext(ctx, statement)
		if !table.IsErr(err, errLockWait) || time.Now().After(end) {
			return err
		}
		if err := sleep(ctx, lockPause); err != nil {
			return err
		}
	}
}

// release lets held clients go.
func (s *swap) release() {
	if s.held {
		s.Hold(0)
		s.held = false
	}
}
