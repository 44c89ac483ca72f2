package server

import (
	"context"
	"time"
)

const (
	selectIdle      = `SELECT COUNT(*) > 0 FROM information_schema.PROCESSLIST WHERE ID = ? AND COMMAND = 'Sleep'`
	selectIdleMySQL = `SELECT COUNT(*) > 0 FROM performance_schema.threads WHERE PROCESSLIST_ID = ? AND PROCESSLIST_COMMAND = 'Sleep'`
)

// leftAfter is how long a session may hold a lock that somebody with the right to it
// waits for, and do nothing.
const leftAfter = 3 * time.Second

// A Vigil is kept by a session that waits for a lock which only those may hold who
// have lost the right to it: a node that was frozen or cut off. The server does not learn
// of its end for hours, when nothing comes from it, not even a word that the connection is closed.
type Vigil struct {
	holder int64
	idle   time.Time // since when it has been seen to do nothing
}

// Left says whether the holder, another session of the same account, is left by whoever
// opened it. One that is at a statement is not: an index build of an hour
// need not be done again.
func (v *Vigil) Left(ctx context.Context, s *Session, holder int64) bool {
	query := selectIdle
	if s.Family == MySQL {
		query = selectIdleMySQL
	}
	var idle bool
	if err := s.QueryRowContext(ctx, query, holder).Scan(&idle); err != nil || !idle || holder != v.holder {
		v.holder, v.idle = holder, time.Now()
		return false
	}
	return time.Since(v.idle) > leftAfter
}
