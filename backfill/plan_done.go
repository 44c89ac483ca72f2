package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// OnDone removes the feed, the shadow, the sentry and the old table. Whether
// the task's effect is in place is decided first, by names: what cannot be
// removed changes nothing about it.
func (p *Planner) OnDone(ctx context.Context, t dxf.Task, tell dxf.Tell) (won bool, err error) {
	p = p.telling(tell)
	defer func() { err = executor.Mendable(err) }()
	var m Meta
	if err := t.ReadMeta(&m); err != nil {
		return false, err
	}
	s, err := p.LockedSession(ctx, table.JobLock(m.JobID), "clean-up", executor.OrphanWait)
	if err != nil {
		return false, Type.Doubt(t, err)
	}
	defer s.Close()
	if t.Step == StepNative {
		won, err = p.tookEffect(ctx, s, m)
		return won, Type.Doubt(t, err)
	}
	if m.Shadow == "" { // planning did not come to an end
		return false, p.sweep(ctx, s, m)
	}
	names, err := table.LoadNames(ctx, s, m.Schema, m.Shadow, m.Old, table.JobMark(m.JobID))
	if err != nil {
		return false, Type.Doubt(t, err)
	}
	switch {
	case names.New, names.Sentry:
	case names.Old:
		won = true
	case t.Step == StepCutover || t.Step == dxf.StepDone: // all was removed before
		if won, err = p.tookEffect(ctx, s, m); err != nil {
			return false, Type.Doubt(t, err)
		}
	}
	if err := p.changeFeed(ctx, s, m.JobID, p.store.DropFeed); err != nil {
		return won, err
	}
	if names.Sentry || (won && names.Old) {
		if err := executor.DropTable(ctx, s, m.Schema, m.Old); err != nil {
			return won, err
		}
	}
	if names.New {
		return won, executor.DropTable(ctx, s, m.Schema, m.Shadow)
	}
	return won, nil
}

// sweep removes what an earlier planning of the job left. The shadow is ours if
// it is empty, or if the job's feed names it, which has filled it since. The feed
// is stopped first, so that nobody writes any more to a table of this name, and
// its row goes last: whoever has to begin again finds the proof.
func (p *Planner) sweep(ctx context.Context, s *server.Session, m Meta) error {
	shadow, err := table.ShadowName(m.Table, p.Secret.Job(m.JobID))
	if err != nil {
		return nil // and cannot have made any
	}
	f, err := p.store.Feed(ctx, m.JobID)
	fed := err == nil
	if err != nil && !errors.Is(err, dxf.ErrNotFound) {
		return fmt.Errorf("look for an earlier changefeed: %w", err)
	}
	if fed {
		if err := p.changeFeed(ctx, s, m.JobID, p.store.StopFeed); err != nil {
			return err
		}
	}
	ours := fed && f.Schema == m.Schema && f.Shadow == shadow
	if !ours {
		empty, err := table.Empty(ctx, s, m.Schema, shadow)
		if err != nil && !server.IsErr(err, server.ErrNoSuchTable, server.ErrBadDB) {
			return fmt.Errorf("look for an earlier shadow: %w", err)
		}
		ours = err == nil && empty
	}
	if ours {
		if err := executor.DropTable(ctx, s, m.Schema, shadow); err != nil {
			return err
		}
	}
	if fed {
		return p.changeFeed(ctx, s, m.JobID, p.store.DropFeed)
	}
	return nil
}

// changeFeed changes the job's feed on the session that holds the job's lock.
func (p *Planner) changeFeed(ctx context.Context, s *server.Session, job int64, change func(context.Context, *sql.Tx, int64) error) error {
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("stop the changefeed: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := change(ctx, tx, job); err != nil {
		return fmt.Errorf("stop the changefeed: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("stop the changefeed: %w", err)
	}
	return nil
}

// tookEffect says whether the table is what the statement makes of it, and was another before.
func (p *Planner) tookEffect(ctx context.Context, s *server.Session, m Meta) (bool, error) {
	if m.Target == "" {
		return false, nil
	}
	text, err := table.ShowCreate(ctx, s, m.Schema, m.Table)
	if errors.Is(err, table.ErrNoTable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now, err := table.Parse(text)
	if err != nil {
		return false, err
	}
	target, err := table.Parse(m.Target)
	if err != nil {
		return false, err
	}
	if m.Fingerprint != "" && strings.EqualFold(m.Fingerprint, table.Fingerprint(text)) {
		return false, nil // untouched, whatever the target
	}
	return table.Same(now, target), nil
}
