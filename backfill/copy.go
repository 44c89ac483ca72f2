package backfill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/executor"
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
	turns  executor.Turns
	pace   *executor.Pace
	size   executor.ChunkSizer
	ahead  *chunkEnd     // of the next chunk, if it was looked up
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
	c := &copier{run: r, conn: conn, source: source, shadow: shadow.Quoted(), pace: r.Pace(r.Task.ID)}
	c.turns = r.Worker.Turns(executor.ChunkTurns(r.meta.JobID, r.Subtask.Ordinal, r.meta.Processors, shadow))
	c.size = executor.ChunkSizer{Target: executor.ChunkTarget, Cap: executor.ChunkCap, Rows: max(c.pace.Rows.Load(), executor.ChunkStart)}
	if r.meta.Way == WayTxn && r.meta.BatchSize > 0 {
		c.size.Rows, c.size.Cap = int64(r.meta.BatchSize), int64(r.meta.BatchSize)
	}
	if speed := r.meta.MaxWriteSpeed; speed > 0 {
		// At most a quarter of a second's worth, so that the speed is even.
		c.size.Cap = min(c.size.Cap, max(speed/4/max(source.RowLength, 1), 1))
		c.size.Rows = min(c.size.Rows, c.size.Cap)
	}
	c.insert, c.update = copyStatement(source, shadow)
	for !at.All {
		if err := c.look(ctx); err != nil {
			return err
		}
		if at, err = c.copyChunk(ctx, span, at); err != nil {
			return err
		}
		if !at.All {
			span = span.From(at.Done)
		}
		r.Progress()
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

// copyChunk copies the first rows of span and returns the checkpoint after them.
func (c *copier) copyChunk(ctx context.Context, span table.Range, at point) (point, error) {
	for failures := 0; ; failures++ {
		p, err := c.nextChunk(ctx, span, at)
		if err != nil {
			return at, err
		}
		statement := ""
		where, lock := p.head.Where("s"), c.conn.Family.ShareNoWait()
		if p.full && p.rows == 1 {
			// One row and no neighbour: with nothing else locked, waiting
			// cannot be part of a deadlock with a client.
			where = p.head.At("s", p.head.Upper)
			if failures > executor.LockTries {
				lock = c.conn.Family.ShareWait()
			}
		}
		if p.head.Upper != nil {
			statement = c.insert + where + lock + c.update
		}
		ahead := ""
		if p.full && c.trip > farAway {
			ahead = c.source.NextChunkSQL(span.From(p.next.Done), c.size.Rows)
		}
		asked := c.size.Rows
		key, held, err := c.write(ctx, statement, p.next, ahead)
		if err == nil {
			if ahead != "" {
				c.ahead = &chunkEnd{rows: asked, key: key}
			}
			if c.Summary.Waiting != "" {
				c.Waiting("")
			}
			if p.full {
				c.size.TookFor(p.rows, held)
				c.pace.Rows.Store(c.size.Rows)
			}
			return p.next, c.throttle(ctx, p.next.Rows-at.Rows, held)
		}
		if !server.Collided(err) {
			return at, err
		}
		c.size.Collided()
		if failures > executor.LockTries {
			c.Waiting("copy waits for a row lock that a client holds")
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
	wait := c.pace.Take(rows*max(c.source.RowLength, 1), c.meta.MaxWriteSpeed, time.Now())
	if wait > time.Second {
		c.Waiting("copy is slowed down by tidb_ddl_reorg_max_write_speed")
	}
	if c.meta.Way == WayTxn {
		wait = max(wait, executor.Rest(took, c.meta.Priority))
	}
	if wait <= 0 {
		return ctx.Err()
	}
	return dxf.Sleep(ctx, wait)
}
