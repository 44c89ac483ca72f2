package executor

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"dxfproxy/table"
)

// turnPatience is how long a chunk waits for its turn before it goes ahead
// without: a node that froze in its turn must not hold up the others.
const turnPatience = 5 * time.Second

const turnWait = 10 * time.Millisecond

// turns lets as many chunks be under way in the store as it has processors,
// whichever nodes and jobs they are of. More get into each other's way there:
// three on two processors cost an eighth more of their time than two. A turn is
// an advisory lock of the chunk's session, so it ends with the session at worst.
type turns struct {
	conn *table.Session
	of   int // 0: no bound is known
	next int // where to look first
	held string
}

// take waits for a turn.
func (t *turns) take(ctx context.Context) error {
	for start := time.Now(); t.of > 0 && t.held == "" && time.Since(start) < turnPatience; {
		for i := range t.of {
			name := table.TurnName((t.next + i) % t.of)
			ok, err := t.try(ctx, name, 0)
			if err != nil || ok {
				return err
			}
		}
		// Whichever is free first: not to wait for one for long while another is.
		if ok, err := t.try(ctx, table.TurnName(t.next), turnWait); err != nil || ok {
			return err
		}
		t.next = (t.next + 1) % t.of
	}
	return nil
}

// try takes one lock, if it is free within wait.
func (t *turns) try(ctx context.Context, name string, wait time.Duration) (bool, error) {
	var got sql.NullInt64
	if err := t.conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, wait.Seconds()).Scan(&got); err != nil {
		return false, fmt.Errorf("wait for a turn: %w", err)
	}
	if got.Int64 != 1 {
		return false, nil
	}
	t.held = name
	return true, nil
}

// give ends the turn. When it cannot, the session is gone, and the turn with it.
func (t *turns) give(ctx context.Context) {
	if t.held == "" {
		return
	}
	_, _ = t.conn.ExecContext(ctx, "DO RELEASE_LOCK(?)", t.held)
	t.held = ""
}
