package importinto

import (
	"context"
	"encoding/json"
	"fmt"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// OnDone removes the staging table, the sentry and the old table. Whether the rows
// are in the table is told by the publish subtask's checkpoint, or by the names.
// What the names say is written down before they are changed: when all is removed
// they say nothing any more.
func (p *Planner) OnDone(ctx context.Context, t dxf.Task, tell dxf.Tell) (won bool, err error) {
	p = p.telling(tell)
	defer func() { err = executor.Mendable(err) }()
	var m Meta
	if err := t.ReadMeta(&m); err != nil {
		return false, err
	}
	s, err := p.LockedSession(ctx, table.ImportLock(m.JobID), "clean-up", executor.OrphanWait)
	if err != nil {
		return false, Type.Doubt(t, err)
	}
	defer s.Close()
	if m.Staging == "" { // planning did not come to an end
		return false, p.sweep(ctx, s, m)
	}
	names, err := table.LoadNames(ctx, s, m.Schema, m.Staging, m.Old, table.ImportMark(m.JobID))
	if err != nil {
		return false, Type.Doubt(t, err)
	}
	if t.Step == StepPublish || t.Step == dxf.StepDone {
		if won, err = p.published(ctx, t); err != nil {
			return false, Type.Doubt(t, err)
		}
		if !won && !m.Direct && !names.New && names.Old {
			won = true
			if err := p.notePublished(ctx, s, t); err != nil {
				return won, dxf.InDoubt{Err: err}
			}
		}
	}
	if names.Sentry || (won && !m.Direct && names.Old) {
		if err := executor.DropTable(ctx, s, m.Schema, m.Old); err != nil {
			return won, err
		}
	}
	if names.New {
		if err := executor.DropTable(ctx, s, m.Schema, m.Staging); err != nil {
			return won, err
		}
	}
	if m.Uncounted != "" {
		return won, executor.DropTable(ctx, s, m.Schema, m.Uncounted)
	}
	return won, nil
}

func (p *Planner) published(ctx context.Context, t dxf.Task) (bool, error) {
	subs, err := p.store.Subtasks(ctx, t.ID, StepPublish)
	if err != nil {
		return false, fmt.Errorf("read whether the rows are published: %w", err)
	}
	for _, s := range subs {
		var told published
		if json.Unmarshal(s.Checkpoint, &told) == nil && told.Published {
			return true, nil
		}
	}
	return false, nil
}

func (p *Planner) notePublished(ctx context.Context, s *server.Session, t dxf.Task) error {
	text, err := json.Marshal(published{Published: true})
	if err != nil {
		return err
	}
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("note that the rows are published: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := p.store.SetCheckpoint(ctx, tx, t.ID, StepPublish, text); err != nil {
		return fmt.Errorf("note that the rows are published: %w", err)
	}
	return tx.Commit()
}

// sweep removes the tables of an earlier planning, which are empty.
func (p *Planner) sweep(ctx context.Context, s *server.Session, m Meta) error {
	for _, name := range []func(table, job string) (string, error){table.StagingName, table.UncountedName} {
		own, err := name(m.Table, p.Secret.Job(m.JobID))
		if err != nil {
			continue // and cannot have made any
		}
		empty, err := table.Empty(ctx, s, m.Schema, own)
		if server.IsErr(err, server.ErrNoSuchTable, server.ErrBadDB) || err == nil && !empty {
			continue
		}
		if err != nil {
			return fmt.Errorf("look for the tables of an earlier planning: %w", err)
		}
		if err := executor.DropTable(ctx, s, m.Schema, own); err != nil {
			return err
		}
	}
	return nil
}
