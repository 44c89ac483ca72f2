package backfill

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Waits of native DDL for the table's metadata lock. While it waits, everybody
// who comes to the table waits behind it, so it does not begin while an old
// transaction uses the table, and gives up early; but a long
// build needs the lock once more at its end, and may then wait as long as a
// small part of what it would lose.
const (
	nativeWait    = time.Second
	nativeMaxWait = 5 * time.Minute
	maxBackoff    = 30 * time.Second
)

// native makes the job's changes by the store's own DDL.
func (r *run) native(ctx context.Context) error {
	s, err := r.LockedSession(ctx, table.JobLock(r.meta.JobID).Name())
	if err != nil {
		return err
	}
	defer s.Close()
	info, err := table.Glance(ctx, s, r.meta.Schema, r.meta.Table)
	if err != nil {
		return err
	}
	r.Summary.RowCount = 0
	done, err := r.nothingToDo(info)
	if err != nil {
		return err
	}
	if done {
		r.Summary.RowCount, err = r.rows(ctx, s, info)
		return err // a predecessor did it
	}
	if r.meta.Fingerprint != "" && info.Fingerprint != r.meta.Fingerprint {
		return dxf.SchemaChanged("")
	}
	if err := r.sameTable(ctx, s); err != nil {
		return err
	}
	if err := r.inLanguage(ctx, s); err != nil {
		return err
	}
	alter := table.Alter{Changes: r.meta.Changes, Ignore: r.meta.Ignore, Algorithm: r.meta.Algorithm, Lock: r.meta.Lock}
	// 50 MB/s is what a build reads at least; a tenth of its time may be waited.
	wait := nativeWait + time.Duration(info.DataLength/50e6)*time.Second/10
	for backoff := 200 * time.Millisecond; ; backoff = min(2*backoff, maxBackoff) {
		wait = min(wait, nativeMaxWait)
		if err := r.free(ctx, s, r.clientMode(""), fmt.Sprintf("SESSION lock_wait_timeout = %d", int(wait.Seconds()))); err != nil {
			return err
		}
		if err := r.store.CheckLease(ctx, r.Subtask.Lease()); err != nil {
			return err
		}
		start := time.Now()
		affected, err := r.RunLong(ctx, s, s, alter.Of(r.meta.Schema, r.meta.Table), func(p server.Process) {
			if p.State == server.MetadataLock {
				r.Waiting("waits for a lock on the table, %s", r.Blocker(ctx, s.ID))
				return
			}
			r.Summary.Waiting = ""
			r.Summary.RowCount = int64(p.Fraction() * float64(info.Rows))
			r.Progress()
		})
		took := time.Since(start)
		switch {
		case err == nil:
			r.Log.Info("native statement ran", zap.Duration("took", took))
			r.Waiting("")
			r.Summary.Affected = affected
			if r.Summary.RowCount, err = r.rows(ctx, s, info); err != nil {
				r.Summary.RowCount = info.Rows // the change is made; the count is for show
			}
			return nil
		case server.IsErr(err, server.ErrLockWaitTimeout):
			wait = max(wait, took)
			blocker := r.Blocker(ctx, s.ID)
			r.Waiting("the table is in use, a lock is %s; tries again in %s", blocker, backoff)
			if blocker == "" {
				r.Waiting("the table is in use; tries again in %s", backoff)
			}
			if err := r.rest(ctx, s, backoff); err != nil {
				return err
			}
		default:
			return server.StatementError(err, r.meta.Table)
		}
	}
}

const (
	firstLook = 20 * time.Millisecond // doubled with each look
	lastLook  = 500 * time.Millisecond
)

// free waits until no transaction but short ones uses the table: for an old one the
// statement would wait, and everybody else with it. s is kept in use, and is given the
// settings for the statement (SESSION name = value).
func (r *run) free(ctx context.Context, s *server.Session, settings ...string) error {
	p, err := table.ProbeOn(ctx, s)
	if err != nil {
		return err
	}
	if err := r.untilFree(ctx, p); err != nil {
		return err
	}
	return p.Regain(ctx, settings...)
}

func (r *run) untilFree(ctx context.Context, p table.Probe) error {
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		if free, told, err := p.Free(ctx, r.meta.Schema, r.meta.Table); err != nil || free || !told {
			return err
		}
		blocker := r.Blocker(ctx, p.ID)
		if blocker == "" {
			undecided, err := server.Prepared(ctx, p.Session)
			if err != nil {
				return err
			}
			if len(undecided) == 0 {
				return nil // what uses it ends in a moment
			}
			blocker = "perhaps held by a prepared XA transaction (XA RECOVER)"
		}
		r.Waiting("waits until the table is not in use, a lock is %s", blocker)
		if err := r.rest(ctx, p.Session, pause); err != nil {
			return err
		}
	}
}

// asClient lets a session judge values as the client's would; more is added to the mode.
func (r *run) asClient(ctx context.Context, s *server.Session, more string) error {
	if _, err := s.ExecContext(ctx, "SET "+r.clientMode(more)); err != nil {
		return fmt.Errorf("set up the session of the statement: %w", err)
	}
	return nil
}

func (r *run) clientMode(more string) string {
	return "SESSION sql_mode = '" + table.ValueMode(r.meta.SQLMode) + more + "'"
}

// inLanguage lets it speak the client's language.
func (r *run) inLanguage(ctx context.Context, s *server.Session) error {
	if r.meta.Language == "" {
		return nil
	}
	if _, err := s.ExecContext(ctx, "SET SESSION lc_messages = ?", r.meta.Language); err != nil {
		return fmt.Errorf("set up the session of the statement: %w", err)
	}
	return nil
}

// rest sleeps and keeps the session in use.
func (r *run) rest(ctx context.Context, s *server.Session, d time.Duration) error {
	for d > 0 {
		turn := min(d, executor.KeepAlive)
		if err := dxf.Sleep(ctx, turn); err != nil {
			return err
		}
		if err := s.PingContext(ctx); err != nil {
			return fmt.Errorf("keep the job's lock: %w", err)
		}
		d -= turn
	}
	return nil
}

// nothingToDo says whether the table is what the statement makes of it, made so by a predecessor
// or not.
func (r *run) nothingToDo(info *table.Info) (bool, error) {
	if r.meta.Target == "" {
		return false, nil
	}
	now, err := table.Parse(info.Create)
	if err != nil {
		return false, err
	}
	target, err := table.Parse(r.meta.Target)
	if err != nil {
		return false, err
	}
	return table.Same(now, target), nil
}

// countLimit is the size in bytes up to which rows are counted, not estimated.
const countLimit = 256 << 20

func (r *run) rows(ctx context.Context, q server.Querier, info *table.Info) (int64, error) {
	if info.DataLength > countLimit {
		return info.Rows, nil
	}
	var n int64
	err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+info.Quoted()+table.OnlyTable).Scan(&n)
	return n, err
}
