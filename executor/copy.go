package executor

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/table"
)

// Constraints were checked when the rows were first written. A frozen node's
// locks are freed by the server.
var copySettings = []string{
	"SET SESSION foreign_key_checks = 0",
	"SET SESSION check_constraint_checks = 0",
	"SET SESSION idle_transaction_timeout = 10",
}

// patience is how often a single locked row is asked for without waiting
// before it is waited for.
const patience = 20

// feedLook is how long a copy may go on after the changefeed has failed.
const feedLook = 2 * time.Second

// copier copies one range, chunk by chunk, in key order.
type copier struct {
	*run
	conn   *table.Session
	source *table.Info
	shadow string // quoted
	insert string // everything before the predicate
	update string // everything after the locking clause
	turns  turns
	pace   *pace
	size   servo
	looked time.Time // at the changefeed
}

// copy copies the subtask's range into the shadow.
//
// Each chunk is one transaction at READ COMMITTED: rows are read with shared
// locks, so a change to one of them was committed before and is seen, or waits
// and reaches the shadow after us through the changefeed. A row that is in the
// shadow already was put there by the changefeed and is newer: it stays.
func (r *run) copy(ctx context.Context) error {
	span, at, err := r.remaining()
	if err != nil || at.All {
		return err
	}
	conn, err := table.OpenSession(ctx, r.db, copySettings...)
	if err != nil {
		return err
	}
	defer conn.Close()
	source, shadow, err := r.tables(ctx, conn)
	if err != nil {
		return err
	}
	c := &copier{run: r, conn: conn, source: source, shadow: shadow.Quoted(), pace: r.pace(r.task.ID)}
	c.turns = r.worker.turns(copyTurns(r.meta.JobID, r.sub.Ordinal, r.meta.Processors, shadow))
	c.size = servo{target: chunkTarget, cap: chunkCap, rows: max(c.pace.rows.Load(), chunkStart)}
	if r.meta.Way == dxf.WayTxn && r.meta.BatchSize > 0 {
		c.size.rows, c.size.cap = int64(r.meta.BatchSize), int64(r.meta.BatchSize)
	}
	if speed := r.meta.MaxWriteSpeed; speed > 0 {
		// At most a quarter of a second's worth, so that the speed is even.
		c.size.cap = min(c.size.cap, max(speed/4/max(source.RowLength, 1), 1))
		c.size.rows = min(c.size.rows, c.size.cap)
	}
	c.insert, c.update = copyStatement(source, shadow)
	for !at.All {
		// Without the changefeed a copy is worth nothing.
		if time.Since(c.looked) > feedLook {
			if _, err := r.feed(ctx); err != nil {
				return err
			}
			c.looked = time.Now()
		}
		if at, err = c.chunk(ctx, span, at); err != nil {
			return err
		}
		if !at.All {
			span = span.From(at.Done)
		}
		r.progress()
	}
	return nil
}

// copyStatement is INSERT … SELECT … WHERE, and what follows the locking clause.
func copyStatement(source, shadow *table.Info) (insert, update string) {
	var to, from []string
	for _, c := range table.Common(source, shadow) {
		to, from = append(to, table.Quote(c.Name)), append(from, table.Quote("s", c.Name))
	}
	insert = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS s FORCE INDEX (%s) WHERE ",
		shadow.Quoted(), strings.Join(to, ", "), strings.Join(from, ", "), source.Quoted(), table.Quote(source.CopyKey.Name))
	key := source.CopyKey.Columns[0].Name
	update = fmt.Sprintf(" ON DUPLICATE KEY UPDATE %s = %s", table.Quote(key), table.Quote(shadow.Schema, shadow.Name, key))
	return insert, update
}

// chunk copies the first rows of span and returns the checkpoint after them.
func (c *copier) chunk(ctx context.Context, span table.Range, at point) (point, error) {
	for failures := 0; ; failures++ {
		head, next, full, err := c.cut(ctx, span, at)
		if err != nil {
			return at, err
		}
		statement := ""
		where, lock := head.Where("s"), c.conn.Family.ShareNoWait()
		if full && c.size.rows == 1 {
			// One row and no neighbour: with nothing else locked, waiting
			// cannot be part of a deadlock with a client.
			where = head.At("s", head.Upper)
			if failures > patience {
				lock = c.conn.Family.ShareWait()
			}
		}
		if head.Upper != nil {
			statement = c.insert + where + lock + c.update
		}
		rows, took, err := c.write(ctx, statement, next, full)
		if err == nil {
			next.Rows += rows
			if c.sum.Waiting != "" {
				c.waiting("")
			}
			if full {
				c.size.took(took)
				c.pace.rows.Store(c.size.rows)
			}
			return next, c.throttle(ctx, rows, took)
		}
		if !table.IsErr(err, errLockWait, table.ErrNoWait, errDeadlock) {
			return at, err
		}
		c.size.collided()
		if failures > patience {
			c.waiting("copy waits for a row lock that a client holds")
		}
		pause := min(2*time.Millisecond<<min(failures, 6), 100*time.Millisecond)
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return at, err
		}
	}
}

// cut finds the next chunk and the checkpoint that it leads to. full says that
// it has the rows that were asked for; a head without upper bound has none.
//
// The end of the range is the last row visible now, not the bound. Rows that
// come to be seen later were committed after the changefeed's start and arrive
// by it; waiting for them would be waiting for whoever appends to the table.
func (c *copier) cut(ctx context.Context, span table.Range, at point) (head table.Range, next point, full bool, err error) {
	head, all, err := c.source.Cut(ctx, c.conn, span, c.size.rows)
	if err != nil {
		return head, at, false, err
	}
	next = at
	if !all {
		next.Done = head.Upper
		return head, next, true, nil
	}
	next.All = true
	last, err := c.source.Last(ctx, c.conn, span)
	return span.To(last), next, false, err
}

// write runs one chunk's transaction, and tells how long it had rows locked. The
// count is of rows read: those that were there already count too, as far as it is
// known.
func (c *copier) write(ctx context.Context, statement string, next point, full bool) (rows int64, took time.Duration, err error) {
	tx, err := c.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, 0, fmt.Errorf("begin a chunk: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	start := time.Now()
	if statement != "" {
		// While one waits for the disk at its commit, another can work.
		if err := c.turns.take(ctx, tx); err != nil {
			return 0, 0, err
		}
		start = time.Now()
		var res sql.Result
		if err = table.Hold(ctx, tx, c.shadow); err == nil {
			res, err = tx.ExecContext(ctx, statement)
		}
		c.turns.give(ctx, tx)
		if err != nil {
			return 0, 0, fmt.Errorf("copy a chunk: %w", err)
		}
		if rows, err = res.RowsAffected(); err != nil {
			return 0, 0, err
		}
	}
	if full {
		rows = max(rows, c.size.rows)
	}
	next.Rows += rows
	c.sum.Bytes = next.Rows * c.source.RowLength
	if err := c.save(ctx, tx, next); err != nil {
		return 0, 0, fmt.Errorf("save a checkpoint: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return 0, 0, fmt.Errorf("commit a chunk: %w", err)
	}
	c.log.Debug("copied", zap.Int64("rows", rows), zap.Int64("next", c.size.rows))
	return rows, time.Since(start), nil
}

// throttle does nothing for as long as the settings want it.
func (c *copier) throttle(ctx context.Context, rows int64, took time.Duration) error {
	wait := c.pace.take(rows*max(c.source.RowLength, 1), c.meta.MaxWriteSpeed, time.Now())
	if wait > time.Second {
		c.waiting("copy is slowed down by tidb_ddl_reorg_max_write_speed")
	}
	if c.meta.Way == dxf.WayTxn {
		wait = max(wait, rest(took, c.meta.Priority))
	}
	if wait <= 0 {
		return ctx.Err()
	}
	return sleep(ctx, wait)
}
