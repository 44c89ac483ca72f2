package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

const (
	verifyTarget = time.Second
	verifyStart  = 50_000
	verifyCap    = 200_000
	// verifyLocked is up to how many rows are compared with their locks held.
	verifyLocked = 500
	// lockedLimit is how long clients may be kept waiting for those.
	lockedLimit = 1500 * time.Millisecond
	// repairLimit is where differences stop being accidents.
	repairLimit = 1000
	// saveEvery is how much verification may be repeated after a crash.
	saveEvery = time.Second
)

// verifier compares one range of a table and its shadow.
type verifier struct {
	*run
	left, right    *server.Session // for the source and for the shadow
	source, shadow *table.Info
	hash           string
	insert         string
	at             point
	size           executor.ChunkSizer
	ahead          bool // see compare.go
	turns          executor.Turns
	saved          time.Time
	trip           time.Duration // to the store and back
}

// verify compares the subtask's range, and repairs the shadow where it differs.
//
// Both sides are summed without locks, at once. A range under change differs
// now and then because the shadow is behind. It is narrowed down, compared again
// after the changefeed has caught up, and what still differs is compared while
// its rows are locked, which leaves no excuse.
func (r *run) verify(ctx context.Context) error {
	return r.verifyRange(ctx, false, executor.ChunkSizer{Target: verifyTarget, Cap: verifyCap, Rows: verifyStart})
}

// verifyRange goes through the subtask's range in chunks of the size given.
func (r *run) verifyRange(ctx context.Context, ahead bool, size executor.ChunkSizer) error {
	span, at, err := r.remaining()
	if err != nil || at.All {
		return err
	}
	v := &verifier{run: r, at: at, ahead: ahead, size: size, saved: time.Now()}
	for _, s := range []**server.Session{&v.left, &v.right} {
		if *s, err = server.OpenSession(ctx, r.DB, copySettings...); err != nil {
			return err
		}
		defer (*s).End(ctx)
	}
	begun := time.Now()
	if err := v.left.PingContext(ctx); err != nil {
		return fmt.Errorf("measure the way to the store: %w", err)
	}
	v.trip = time.Since(begun)
	if v.source, v.shadow, err = r.tables(ctx, v.left); err != nil {
		return err
	}
	if key := v.shadow.SameKey(v.source.CopyKey); key != nil {
		v.shadow.CopyKey = key
	} else {
		return dxf.Errorf("the shadow of table %s has lost its key", r.meta.Table)
	}
	if ahead {
		v.turns = r.Worker.Turns(executor.TurnNames(max(r.meta.Processors-1, min(r.meta.Processors, 1)), 0)) // one is the build's
	}
	v.hash = hashExpr(table.Common(v.source, v.shadow))
	v.insert, _ = copyStatement(v.source, v.shadow)
	if span.Upper == nil {
		last, err := v.end(ctx, span)
		if err != nil {
			return err
		}
		if last == nil {
			v.at.All = true
			return v.save(ctx, nil)
		}
		span = span.To(last)
	}
	return v.walk(ctx, span)
}

// end is where a range without upper bound ends now, nil when it is empty. Rows
// appended from now on arrive in strict mode, which checks itself; what only
// the shadow has up there must not go unseen.
func (v *verifier) end(ctx context.Context, span table.Range) ([]table.Datum, error) {
	last, err := v.source.Last(ctx, v.left, span)
	if err != nil {
		return nil, err
	}
	rest := span
	if last != nil {
		rest = span.From(last)
	}
	stray, err := v.shadow.Last(ctx, v.right, rest)
	if err != nil {
		return nil, err
	}
	if stray != nil {
		last = stray
	}
	return last, nil
}

// walk goes through the range chunk by chunk.
func (v *verifier) walk(ctx context.Context, span table.Range) error {
	for !v.at.All {
		head, all, err := v.source.NextChunk(ctx, v.left, span, v.size.Rows)
		if err != nil {
			return err
		}
		if err := v.turns.Take(ctx, v.left); err != nil {
			return err
		}
		start := time.Now()
		same, rows, err := v.compare(ctx, head)
		v.turns.Give(ctx, v.left)
		if err != nil {
			return err
		}
		if same && !all {
			v.size.Took(time.Since(start) - time.Duration(v.questions())*v.trip)
		}
		switch {
		case v.ahead:
			rows = 0 // the build's are the step's
			if !same {
				err = v.leave(head)
			}
		case !same:
			rows, err = v.settle(ctx, head, v.size.Rows)
		}
		if err != nil {
			return err
		}
		v.at.Rows += rows
		v.at.Done, v.at.All = head.Upper, all
		span = span.From(head.Upper)
		v.Summary.RowCount = v.at.Rows
		v.Progress()
		if v.at.All || time.Since(v.saved) > saveEvery {
			if err := v.save(ctx, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// save writes the checkpoint, in tx or in a transaction of its own.
func (v *verifier) save(ctx context.Context, tx *sql.Tx) error {
	own := tx == nil
	if own {
		var err error
		if tx, err = v.left.BeginTx(ctx, nil); err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	}
	if err := v.run.save(ctx, tx, v.at); err != nil {
		return fmt.Errorf("save a checkpoint: %w", err)
	}
	v.saved = time.Now()
	if own {
		return tx.Commit()
	}
	return nil
}

// questions is how many the comparison of a chunk asks one after the other.
func (v *verifier) questions() int {
	if v.ahead {
		return 2
	}
	return 1
}

// compare sums both sides without locks, at once: beside a build, which has
// most of the server, one after the other.
func (v *verifier) compare(ctx context.Context, r table.Range) (same bool, rows int64, err error) {
	var a, b digest
	g, both := errgroup.WithContext(ctx)
	if v.ahead {
		g.SetLimit(1)
	}
	g.Go(func() (err error) { a, err = v.digest(both, v.left, v.source, r, ""); return err })
	g.Go(func() (err error) { b, err = v.digest(both, v.right, v.shadow, r, ""); return err })
	err = g.Wait()
	return a == b, a.rows, err
}

// settle decides a range that differed. First the blocks that differ are found,
// without waiting for anything; then the changefeed catches up, once for all of
// them; what differs still is compared under lock.
func (v *verifier) settle(ctx context.Context, r table.Range, rows int64) (total int64, err error) {
	blocks, total, err := v.narrow(ctx, r, rows)
	if err != nil || len(blocks) == 0 {
		return total, err
	}
	if _, err := v.sync(ctx, 0); err != nil {
		return 0, err
	}
	for _, block := range blocks {
		same, n, err := v.compare(ctx, block)
		if err == nil && !same {
			n, err = v.underLock(ctx, block)
		}
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// narrow halves a range that differs down to blocks small enough to be locked.
// It returns those that differ, and the number of rows in the others.
func (v *verifier) narrow(ctx context.Context, r table.Range, rows int64) (blocks []table.Range, equal int64, err error) {
	if rows <= verifyLocked {
		return []table.Range{r}, 0, nil
	}
	rows = max(rows/2, verifyLocked)
	for all := false; !all; {
		var head table.Range
		if head, all, err = v.source.NextChunk(ctx, v.left, r, rows); err != nil {
			return nil, 0, err
		}
		same, n, err := v.compare(ctx, head)
		if err != nil {
			return nil, 0, err
		}
		if same {
			equal += n
		} else {
			more, n, err := v.narrow(ctx, head, rows)
			if err != nil {
				return nil, 0, err
			}
			blocks, equal = append(blocks, more...), equal+n
		}
		r = r.From(head.Upper)
	}
	return blocks, equal, nil
}

var errBehind = errors.New("the changefeed is behind")

// underLock compares a small range while nobody can change its rows, and
// repairs it.
func (v *verifier) underLock(ctx context.Context, r table.Range) (int64, error) {
	for failures := 0; ; failures++ {
		rows, err := v.tryLocked(ctx, r)
		switch {
		case err == nil:
			v.Waiting("")
			return rows, nil
		case errors.Is(err, errBehind):
			v.Waiting("verification waits for the changefeed to catch up")
			if _, err := v.sync(ctx, 0); err != nil {
				return 0, err
			}
		case server.Collided(err):
			if failures > executor.LockTries {
				v.Waiting("verification waits for a row lock that a client holds")
			}
		default:
			return 0, err
		}
		pause := min(2*time.Millisecond<<min(failures, 7), 200*time.Millisecond)
		if err := dxf.Sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return 0, err
		}
		// It may have become equal, and then no lock is needed.
		if same, n, err := v.compare(ctx, r); err != nil || same {
			return n, err
		}
	}
}

// tryLocked locks the source rows and the gaps between them, waits until the
// shadow has everything that was committed before, and compares. A difference
// now is one. The repair is committed with the checkpoint, as every write is.
func (v *verifier) tryLocked(ctx context.Context, r table.Range) (int64, error) {
	tx, err := v.left.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	a, err := v.digest(ctx, tx, v.source, r, v.left.Family.ShareNoWait())
	if err != nil {
		return 0, err
	}
	ok, err := v.sync(ctx, lockedLimit)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, errBehind
	}
	b, err := v.digest(ctx, v.right, v.shadow, r, "")
	if err != nil || a == b {
		return a.rows, err
	}
	return a.rows, v.repair(ctx, tx, r)
}

// repair copies a range again, whose source rows tx holds.
func (v *verifier) repair(ctx context.Context, tx *sql.Tx, r table.Range) error {
	want, err := v.hashes(ctx, tx, v.source, r)
	if err != nil {
		return err
	}
	have, err := v.hashes(ctx, v.right, v.shadow, r)
	if err != nil {
		return err
	}
	n := unlike(want, have)
	if v.at.Repaired+n > repairLimit {
		return dxf.Errorf("the copy of table %s differs from it in more than %d rows; nothing was changed", v.meta.Table, repairLimit)
	}
	if err := table.Hold(ctx, tx, v.shadow.Quoted()); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM "+v.shadow.Quoted()+" WHERE "+r.Where("")); err != nil {
		return fmt.Errorf("repair: delete: %w", err)
	}
	if _, err := tx.ExecContext(ctx, v.insert+r.Where("s")+" LOCK IN SHARE MODE"); err != nil {
		return fmt.Errorf("repair: copy: %w", server.ClientError(err, v.meta.Table))
	}
	v.at.Repaired += n
	if err := v.save(ctx, tx); err != nil {
		v.at.Repaired -= n
		return err
	}
	if err := tx.Commit(); err != nil {
		v.at.Repaired -= n
		return fmt.Errorf("repair: commit: %w", err)
	}
	v.Log.Warn("rows of the shadow differed and were copied again",
		zap.Int64("rows", n), zap.Stringer("range", r), zap.Int("source", len(want)), zap.Int("shadow", len(have)))
	return nil
}
