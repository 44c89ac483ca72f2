package backfill

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// begin chooses the way, makes the shadow, starts the changefeed and splits the table into
// pieces. It all happens on one session that holds the job's locks: a former owner who is
// frozen half-way can do nothing more when it wakes up, because the next owner got the
// locks when that session had ended.
func (p *Planner) begin(ctx context.Context, m Meta, nodes, concurrency int) (dxf.Plan, error) {
	s, err := p.LockedSession(ctx, table.JobLock(m.JobID), "planning", 0)
	if err != nil {
		return dxf.Plan{}, err
	}
	defer s.Close()
	if err := p.sweep(ctx, s, m); err != nil {
		return dxf.Plan{}, err
	}
	info, err := p.glance(ctx, s, m)
	if err != nil {
		return dxf.Plan{}, err
	}
	asked := m.Fingerprint
	if m.TableID, err = p.knownTable(ctx, s, m); err != nil {
		return dxf.Plan{}, err
	}
	m.Fingerprint = info.Fingerprint
	if asked != "" && asked != info.Fingerprint {
		// A job that was ahead of this one, or somebody else, has changed the
		// table meanwhile. Nothing is done yet: the change is made to what is there.
		if err := info.Complete(ctx, s); err != nil {
			return dxf.Plan{}, err
		}
		if m.Changes, err = left(info, m); err != nil {
			return dxf.Plan{}, err
		}
		if m.Target, err = p.target(ctx, s, info, m); err != nil {
			return dxf.Plan{}, err
		}
	}
	if m.Way == WayNative || (m.Way == WayDistributed && info.DataLength < m.NativeMaxSize) {
		return planNative(m, "")
	}
	if info.Columns == nil {
		if err := info.Complete(ctx, s); err != nil {
			return dxf.Plan{}, err
		}
	}
	return p.beginCopy(ctx, s, info, m, nodes, concurrency)
}

// beginCopy makes the shadow, unless the store's own DDL is better, or nothing else is possible.
func (p *Planner) beginCopy(
	ctx context.Context, s *server.Session, info *table.Info, m Meta, nodes, concurrency int,
) (dxf.Plan, error) {
	settings, err := server.LoadSettings(ctx, s)
	if err != nil {
		return dxf.Plan{}, err
	}
	under := table.Conditions{Settings: settings, Mode: m.SQLMode}
	if m.Target != "" { // else the shadow will tell
		switch reason, instant, err := judge(info, m.Target, under); {
		case err != nil:
			return dxf.Plan{}, err
		case instant:
			return planNative(m, "")
		case reason != "":
			return planNative(m, reason)
		}
	}
	if m.Shadow, err = table.ShadowName(m.Table, p.Secret.Job(m.JobID)); err != nil {
		return planNative(m, table.Reason(err.Error()))
	}
	if m.Old, err = table.OldName(m.Table, p.Secret.Job(m.JobID)); err != nil {
		return planNative(m, table.Reason(err.Error()))
	}
	if err := p.makeShadow(ctx, s, info, m); err != nil {
		return dxf.Plan{}, err
	}
	// What the statement made of the shadow is the target, whatever we thought.
	if m.Target, err = table.ShowCreate(ctx, s, m.Schema, m.Shadow); err != nil {
		return dxf.Plan{}, err
	}
	if reason, instant, err := judge(info, m.Target, under); err != nil || instant || reason != "" {
		err = errors.Join(err, executor.DropTable(ctx, s, m.Schema, m.Shadow))
		if err != nil {
			return dxf.Plan{}, err
		}
		m.Shadow, m.Old = "", ""
		return planNative(m, reason)
	}
	target, err := table.Parse(m.Target)
	if err != nil {
		return dxf.Plan{}, err
	}
	shadow, err := table.Load(ctx, s, m.Schema, m.Shadow)
	if err != nil {
		return dxf.Plan{}, err
	}
	key := shadow.SameKey(info.CopyKey)
	if key == nil {
		return dxf.Plan{}, dxf.Errorf("the shadow of %s.%s has not the key %s", m.Schema, m.Table, info.CopyKey.Name)
	}
	source, err := table.Parse(info.Create)
	if err != nil {
		return dxf.Plan{}, err
	}
	_, build, ok := table.Indexes(source, target, key, info.AutoIncrementColumn())
	if !ok {
		return dxf.Plan{}, dxf.Errorf("the shadow of %s.%s has no index for its AUTO_INCREMENT column", m.Schema, m.Table)
	}
	if statement := table.DropIndexes(m.Schema, m.Shadow, build); statement != "" {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return dxf.Plan{}, fmt.Errorf("take the indexes off the shadow: %w", err)
		}
	}
	m.Indexes, m.Rows, m.Strict = table.Texts(build), info.Rows, table.Judged(source, target, under)
	if m.Processors, err = server.Processors(ctx, p.DB); err != nil {
		return dxf.Plan{}, err
	}
	if err := p.startFeed(ctx, s, m); err != nil {
		return dxf.Plan{}, err
	}
	p.Log.Info("shadow made", zap.Int64("job", m.JobID), zap.String("table", m.Schema+"."+m.Table),
		zap.String("shadow", m.Shadow), zap.Strings("indexes", m.Indexes))
	plan, err := planPieces(ctx, s, info, m, nodes)
	if plan.Step == StepCopy {
		plan.Concurrency = share(concurrency, nodes, m.Processors)
	}
	return plan, err
}

// left are the changes that the table, as it is now, still needs: of a statement
// with IF NOT EXISTS another job may have made some.
func left(info *table.Info, m Meta) ([]string, error) {
	if !m.Conditional {
		return m.Changes, nil
	}
	d, err := table.Parse(info.Create)
	if err != nil {
		return nil, err
	}
	return d.WithoutPresent(m.Changes), nil
}

// target is what the changes make of the table as it is now, tried on an
// empty copy; "" when that cannot be told.
func (p *Planner) target(ctx context.Context, s *server.Session, info *table.Info, m Meta) (string, error) {
	var err error
	if m.Shadow, err = table.ShadowName(m.Table, p.Secret.Job(m.JobID)); err != nil {
		return "", nil
	}
	err = p.makeShadow(ctx, s, info, m)
	if err != nil && len(info.Parents)+len(info.Children) > 0 {
		return "", nil // the copy has no foreign keys: the table itself will tell
	}
	if err != nil {
		return "", err
	}
	text, err := table.ShowCreate(ctx, s, m.Schema, m.Shadow)
	if err != nil {
		return "", err
	}
	return text, executor.DropTable(ctx, s, m.Schema, m.Shadow)
}

// judge says whether the change can be made to a copy, and whether it needs none.
func judge(info *table.Info, targetText string, under table.Conditions) (reason table.Reason, instant bool, err error) {
	source, err := table.Parse(info.Create)
	if err != nil {
		return "", false, err
	}
	target, err := table.Parse(targetText)
	if err != nil {
		return "", false, err
	}
	if table.Compare(source, target).Instant {
		return "", true, nil
	}
	return table.Check(info, target, under), false, nil
}

// makeShadow creates the shadow and makes the job's changes to it.
func (p *Planner) makeShadow(ctx context.Context, s *server.Session, info *table.Info, m Meta) error {
	if _, err := s.ExecContext(ctx, table.CreateLike(info, m.Shadow)); server.IsErr(err, server.ErrTableExists) {
		return executor.InTheWay(m.Shadow) // one that sweep could not take for ours
	} else if err != nil {
		return server.ClientError(err, m.Table)
	}
	if len(m.Changes) == 0 {
		return nil
	}
	if _, err := s.ExecContext(ctx, table.Alter{Changes: m.Changes}.Of(m.Schema, m.Shadow)); err != nil {
		_ = executor.DropTable(ctx, s, m.Schema, m.Shadow) // else it is swept next time
		return server.ClientError(err, m.Table)
	}
	return nil
}
