package executor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Constraints were checked when the rows were first written. A frozen node's
// locks are freed by the server.
var copySettings = []string{
	"SET SESSION foreign_key_checks = 0",
	"SET SESSION check_constraint_checks = 0",
	"SET SESSION idle_transaction_timeout = 10",
}

// feedLook is how long a copy may go on after the changefeed has failed.
const feedLook = 2 * time.Second

// copier copies one range, chunk by chunk, in key order.
type copier struct {
	*run
	conn   *server.Session
	source *table.Info
	shadow string // quoted
	insert string // everything before the predicate
	update string // everything after the locking clause
	turns  turns
	pace   *pace
	size   servo
	ahead  *cut          // of the next chunk, if it was looked up
	trip   time.Duration // to the store and back
	looked time.Time     // at the changefeed
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
	conn, err := server.OpenSession(ctx, r.store.Batches(), copySettings...)
	if err != nil {
		return err
	}
	defer conn.End(ctx)
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
		if err := c.look(ctx); err != nil {
			return err
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
		to, from = append(to, server.Quote(c.Name)), append(from, server.Quote("s", c.Name))
	}
	insert = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS s FORCE INDEX (%s) WHERE ",
		shadow.Quoted(), strings.Join(to, ", "), strings.Join(from, ", "), source.Quoted(), server.Quote(source.CopyKey.Name))
	key := source.CopyKey.Columns[0].Name
	update = fmt.Sprintf(" ON DUPLICATE KEY UPDATE %s = %s", server.Quote(key), server.Quote(shadow.Schema, shadow.Name, key))
	return insert, update
}

// chunk copies the first rows of span and returns the checkpoint after them.
func (c *copier) chunk(ctx context.Context, span table.Range, at point) (point, error) {
	for failures := 0; ; failures++ {
		p, err := c.cut(ctx, span, at)
		if err != nil {
			return at, err
		}
		statement := ""
		where, lock := p.head.Where("s"), c.conn.Family.ShareNoWait()
		if p.full && p.rows == 1 {
			// One row and no neighbour: with nothing else locked, waiting
			// cannot be part of a deadlock with a client.
			where = p.head.At("s", p.head.Upper)
			if failures > lockTries {
				lock = c.conn.Family.ShareWait()
			}
		}
		if p.head.Upper != nil {
			statement = c.insert + where + lock + c.update
		}
		ahead := ""
		if p.full && c.trip > farAway {
			ahead = c.source.CutSQL(span.From(p.next.Done), c.size.rows)
		}
		asked := c.size.rows
		key, held, err := c.write(ctx, statement, p.next, ahead)
		if err == nil {
			if ahead != "" {
				c.ahead = &cut{rows: asked, key: key}
			}
			if c.sum.Waiting != "" {
				c.waiting("")
			}
			if p.full {
				c.size.tookFor(p.rows, held)
				c.pace.rows.Store(c.size.rows)
			}
			return p.next, c.throttle(ctx, p.next.Rows-at.Rows, held)
		}
		if !server.Collided(err) {
			return at, err
		}
		c.size.collided()
		if failures > lockTries {
			c.waiting("copy waits for a row lock that a client holds")
		}
		if err := c.look(ctx); err != nil {
			return at, err
		}
		pause := min(2*time.Millisecond<<min(failures, 6), 100*time.Millisecond)
		if err := dxf.Sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return at, err
		}
	}
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
	return dxf.Sleep(ctx, wait)
}
