package backfill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A chunk is what the next transaction copies.
type chunk struct {
	head table.Range // without upper bound it has no rows
	next point       // the checkpoint after it
	rows int64
	full bool // it has as many as were asked for
}

// A chunkEnd is the end of a chunk, looked up in the batch of the chunk before it.
type chunkEnd struct {
	rows int64         // that were asked for
	key  []table.Datum // nil: there are not so many
}

// farAway is from when on a question to the store is worth sparing: a tenth of what a
// chunk may take.
const farAway = executor.ChunkTarget / 10

// write sends one chunk's transaction to the store, all of it at once: it takes
// one round trip, however far away the store is, and no row is locked while bytes travel.
// ahead is a query of table.Info.NextChunkSQL to go with it, or "". held is how long the rows were locked.
func (c *copier) write(ctx context.Context, statement string, next point, ahead string) (key []table.Datum, held time.Duration, err error) {
	sum := c.Summary
	sum.RowCount, sum.Repaired, sum.Bytes = next.Rows, next.Repaired, next.Rows*c.source.RowLength
	text, err := next.text()
	if err != nil {
		return nil, 0, err
	}
	save, fence := c.store.SaveSQL(c.Subtask.Lease(), text, sum, "COALESCE(TIMESTAMPDIFF(MICROSECOND, @dxf_came, @dxf_began), 0)")
	patience := c.turns.Patience()
	batch := []string{"START TRANSACTION"}
	if statement != "" {
		// While one waits for the disk at its commit, another can work.
		batch = append(batch, "SET @dxf_came = SYSDATE(6)", c.turns.TakeSQL(patience), "SET @dxf_began = SYSDATE(6)",
			table.HoldSQL(c.shadow), statement, c.turns.GiveSQL())
	}
	batch = append(batch, save, fence, "COMMIT")
	if ahead != "" {
		batch = append(batch, ahead)
	}
	start := time.Now()
	key, waited, err := c.send(ctx, strings.Join(batch, ";\n"), ahead != "")
	took := time.Since(start)
	if err != nil {
		return nil, 0, c.undo(ctx, err)
	}
	c.Summary = sum
	if statement != "" {
		c.turns.Waited(waited, patience)
	}
	held = max(took-min(max(waited, 0), took)-c.trip, 0)
	c.Log.Debug("copied", zap.Int64("rows", next.Rows), zap.Duration("held", held), zap.Duration("took", took))
	return key, held, nil
}

// send sends a batch and reads what comes back: from the fence how long the turn was waited
// for, and what was asked ahead.
func (c *copier) send(ctx context.Context, batch string, ahead bool) (key []table.Datum, waited time.Duration, err error) {
	rows, err := c.conn.QueryContext(ctx, batch)
	if err != nil {
		return nil, 0, fmt.Errorf("copy a chunk: %w", err)
	}
	defer rows.Close()
	var held, micros uint64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&held, &n); err != nil {
			return nil, 0, fmt.Errorf("save a checkpoint: %w", err)
		}
		micros = uint64(max(n, 0))
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("save a checkpoint: %w", err)
	}
	// The commit is done when what stands behind it has come, or nothing did.
	for rows.NextResultSet() {
		for ahead && rows.Next() {
			if key, err = c.source.ScanKey(rows.Scan); err != nil {
				return nil, 0, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("commit a chunk: %w", err)
	}
	return key, time.Duration(micros) * time.Microsecond, nil
}

// undo ends what an error has left of a batch, and tells a lease that is over.
func (c *copier) undo(ctx context.Context, why error) error {
	if server.Lost(why) || ctx.Err() != nil {
		return why // and the session's end ends it
	}
	if _, err := c.conn.ExecContext(ctx, "ROLLBACK;\n"+c.turns.GiveSQL()); err != nil {
		return fmt.Errorf("undo a chunk: %w", err)
	}
	why = table.HoldErr(c.shadow, why)
	if server.IsErr(why, server.ErrDataOutOfRange) { // so ends a batch whose lease is over, see Store.SaveSQL
		if err := c.store.CheckLease(ctx, c.Subtask.Lease()); err != nil {
			return fmt.Errorf("save a checkpoint: %w", err)
		}
	}
	return why
}

// nextChunk finds the next chunk and the checkpoint that it leads to.
//
// The end of the range is the last row visible now, not the bound. Rows that
// come to be seen later were committed after the changefeed's start and arrive
// by it; waiting for them would be waiting for whoever appends to the table.
func (c *copier) nextChunk(ctx context.Context, span table.Range, at point) (chunk, error) {
	p := chunk{next: at, rows: c.size.Rows}
	var all bool
	var err error
	if a := c.ahead; a != nil && a.rows <= c.size.Rows {
		p.rows, p.head, all = a.rows, span.To(a.key), a.key == nil
	} else if p.head, all, err = c.source.NextChunk(ctx, c.conn, span, p.rows); err != nil {
		return p, err
	}
	c.ahead = nil
	if !all {
		p.next.Done, p.full = p.head.Upper, true
		p.next.Rows += p.rows
		return p, nil
	}
	p.next.All = true
	last, err := c.source.Last(ctx, c.conn, span)
	if err != nil {
		return p, err
	}
	p.head, p.rows = span.To(last), 0
	if last != nil {
		count := fmt.Sprintf("SELECT COUNT(*) FROM %s AS s FORCE INDEX (%s) WHERE %s",
			c.source.Quoted(), server.Quote(c.source.CopyKey.Name), p.head.Where("s"))
		if err := c.conn.QueryRowContext(ctx, count).Scan(&p.rows); err != nil {
			return p, fmt.Errorf("count the last rows: %w", err)
		}
	}
	p.next.Rows += p.rows
	return p, nil
}

// look measures the way to the store and sees whether the changefeed is well, now and then.
// Without it a copy is worth nothing.
func (c *copier) look(ctx context.Context) error {
	if time.Since(c.looked) < feedLook {
		return nil
	}
	c.looked = time.Now()
	if err := c.conn.PingContext(ctx); err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	trip := time.Since(c.looked)
	if c.trip == 0 {
		c.trip = trip
	}
	c.trip = min(trip, 2*c.trip) // one that was late does not make chunks long
	_, err := c.feed(ctx)
	return err
}
