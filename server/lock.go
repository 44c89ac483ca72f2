package server

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// LockFree takes two advisory locks in one round trip, the second after the first, if
// nobody holds them. The session may have the first alone when it returns false.
func (s *Session) LockFree(ctx context.Context, first, second string) (bool, error) {
	var got sql.NullInt64
	if err := s.QueryRowContext(ctx, "SELECT IF(GET_LOCK(?, 0) = 1, GET_LOCK(?, 0), 0)", first, second).Scan(&got); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // the driver has closed the connection for it
		}
		return false, fmt.Errorf("take the locks %s and %s: %w", first, second, err)
	}
	return got.Int64 == 1, nil
}

// Lock takes an advisory lock on the session. It waits in short turns, so that
// ctx counts, and tells waiting (if any) who holds it, whose error ends it. ok is false
// when limit (0: none) passed.
func (s *Session) Lock(ctx context.Context, name string, limit time.Duration, waiting func(holder int64) error) (ok bool, err error) {
	for start := time.Now(); ; {
		var got, holder sql.NullInt64
		if err := s.QueryRowContext(ctx, "SELECT GET_LOCK(?, 1), IS_USED_LOCK(?)", name, name).Scan(&got, &holder); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause // the driver has closed the connection for it
			}
			return false, fmt.Errorf("take the lock %s: %w", name, err)
		}
		if got.Int64 == 1 {
			return true, nil
		}
		if waiting != nil {
			if err := waiting(holder.Int64); err != nil {
				return false, err
			}
		}
		if limit > 0 && time.Since(start) > limit {
			return false, nil
		}
	}
}
