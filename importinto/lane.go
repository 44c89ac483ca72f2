package importinto

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
)

// yieldAfter is how long a chunk keeps its rows locked while the one before it is
// not committed. That one may be waiting for just these rows, which the server
// cannot see: longer than a commit takes, shorter than a lock is waited for.
const yieldAfter = 2 * time.Second

// A lane is a session that loads chunks beside others. A chunk may be loaded before
// the one in front of it is committed, and is committed after.
type lane struct {
	*loader
	conn  *server.Session
	turns executor.Turns
}

// run writes chunks until the producer has no more.
func (l *lane) run(ctx context.Context, p *producer) error {
	for {
		var c *chunk
		var ok bool
		if err := l.await(ctx, func(tick <-chan time.Time) (done bool) {
			select {
			case c, ok = <-p.full:
				return true
			case <-tick:
			case <-ctx.Done():
			}
			return false
		}); err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if err := l.throttle(ctx, int64(len(c.data))); err != nil {
			return err
		}
		if err := l.chunk(ctx, c); err != nil {
			return err
		}
		if int64(cap(c.data)) > 2*l.size.Load()+longRow {
			c.data = nil // a row was very long
		}
		close(c.done)
		p.free <- c
	}
}

// await calls wait until it is done, and keeps the session in use meanwhile.
func (l *lane) await(ctx context.Context, wait func(tick <-chan time.Time) (done bool)) error {
	alive := time.NewTicker(executor.KeepAlive)
	defer alive.Stop()
	for !wait(alive.C) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := l.conn.PingContext(ctx); err != nil {
			return fmt.Errorf("keep the session: %w", err)
		}
	}
	return nil
}

// before waits until the chunk in front has got so far.
func (l *lane) before(ctx context.Context, far <-chan struct{}) error {
	return l.await(ctx, func(tick <-chan time.Time) bool {
		select {
		case <-far:
			return true
		case <-tick:
		case <-ctx.Done():
		}
		return false
	})
}

// throttle does nothing for as long as max_write_speed wants it.
func (l *lane) throttle(ctx context.Context, bytes int64) error {
	wait := l.pace.Take(bytes, l.meta.MaxWriteSpeed, time.Now())
	if wait <= 0 {
		return ctx.Err()
	}
	if wait > time.Second {
		l.tell("import is slowed down by max_write_speed")
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	defer l.tell("")
	return l.await(ctx, func(tick <-chan time.Time) bool {
		select {
		case <-over.C:
			return true
		case <-tick:
		case <-ctx.Done():
		}
		return false
	})
}

// tell says what the subtask waits for; "" when it waits no longer.
func (l *loader) tell(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Waiting("%s", text)
}

var errYield = errors.New("the chunk before is not committed")

// chunk writes one chunk, again if somebody was in its way.
func (l *lane) chunk(ctx context.Context, c *chunk) error {
	// The chunk in front gets its turn first. Otherwise the chunks behind it, which wait
	// until it has committed, could hold all the turns, and it would never get one.
	if err := l.before(ctx, c.afterBegun); err != nil {
		return err
	}
	if c.needs && !l.counted.Load() {
		if err := l.count(ctx); err != nil {
			return err
		}
	}
	for failures := 0; ; {
		err := l.write(ctx, c)
		var bad *refused
		switch {
		case errors.Is(err, errYield):
			if err := l.before(ctx, c.after); err != nil {
				return err
			}
			l.Log.Debug("chunk loaded again")
			continue
		case errors.As(err, &bad):
			// What is in front counts first, and its rows are no longer locked then.
			if err := l.before(ctx, c.after); err != nil {
				return err
			}
			return l.blame(ctx, c, bad)
		case err == nil || failures == executor.LockTries || !server.Collided(err):
			return err
		}
		pause := min(2*time.Millisecond<<min(failures, 6), 100*time.Millisecond)
		failures++
		if err := dxf.Sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
	}
}

// begins lets the chunk behind begin, too.
func (l *lane) begins(c *chunk) {
	select {
	case <-c.begun:
	default:
		close(c.begun)
	}
}

// write runs a chunk's transaction.
func (l *lane) write(ctx context.Context, c *chunk) error {
	tx, err := l.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("begin a chunk: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	var took time.Duration
	if len(c.rows) > 0 {
		// While one waits for the disk at its commit, another can work.
		if err := l.turns.Take(ctx, tx); err != nil {
			return err
		}
		l.begins(c)
		start := time.Now()
		err := l.rowsOf(ctx, tx, c)
		l.turns.Give(ctx, tx)
		if err != nil {
			return fmt.Errorf("load a chunk: %w", err)
		}
		took = time.Since(start)
	}
	l.begins(c)
	select {
	case <-c.after:
	case <-time.After(yieldAfter):
		return errYield
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	start := time.Now()
	text, err := json.Marshal(c.next)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Summary.RowCount, l.Summary.Bytes = c.next.Rows, max(c.bytes, l.Summary.Bytes)
	if err := l.Leases.SaveCheckpoint(ctx, tx, l.Subtask.Lease(), text, l.Summary); err != nil {
		return fmt.Errorf("save a checkpoint: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit a chunk: %w", err)
	}
	took += time.Since(start)
	l.Log.Debug("loaded", zap.Int("rows", len(c.rows)), zap.Int("bytes", len(c.data)), zap.Duration("took", took))
	if int64(len(c.data)) >= l.size.Load() {
		l.sizer.Took(took)
		l.pace.Rows.Store(l.sizer.Rows)
	}
	l.resize(l.worker.loading.Load())
	l.Progress()
	return nil
}
