package backfill

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Planner is the dxf.Planner of tasks that change a table: ADD INDEX and what
// stands beside it in one statement.
type Planner struct {
	executor.Planner
	store PlannerStore
}

// NewPlanner makes the planner. db is a pool of connections to the store
// under the account that does the jobs' work; log may be nil.
func NewPlanner(db *sql.DB, store PlannerStore, log *zap.Logger) *Planner {
	return &Planner{Planner: executor.NewPlanner(db, log), store: store}
}

// telling is the planner for one task.
func (p *Planner) telling(tell dxf.Tell) *Planner {
	own := *p
	own.Tell = tell
	return &own
}

// Plan says what follows t.Step:
//
//	init → copy → build → [verify →] cutover → done
//	init → native → done
func (p *Planner) Plan(ctx context.Context, t dxf.Task, nodes int, tell dxf.Tell) (dxf.Plan, error) {
	p = p.telling(tell)
	var m Meta
	if err := json.Unmarshal(t.Meta, &m); err != nil {
		return dxf.Plan{}, dxf.Errorf("read the meta of task %d: %s", t.ID, err)
	}
	if len(m.Changes) == 0 {
		return dxf.Plan{}, dxf.Errorf("job %d says nothing of what it changes: it was submitted through a node of another version", m.JobID)
	}
	if err := p.StillMay(ctx, m.User, m.Schema, m.Table, m.Privilege); err != nil {
		return dxf.Plan{}, err
	}
	if m.Way == WayTxn || nodes < 1 {
		nodes = 1
	}
	switch t.Step {
	case dxf.StepInit:
		return p.begin(ctx, m, nodes, t.Concurrency)
	case StepCopy:
		return p.afterCopy(ctx, t, m)
	case StepBuild:
		return p.afterBuild(ctx, t, m)
	case StepVerify:
		return planStep(m, StepCutover)
	case StepNative:
		return p.afterNative(ctx, t, m)
	case StepCutover:
		return dxf.Plan{Step: dxf.StepDone}, nil
	}
	return dxf.Plan{}, dxf.Errorf("a backfill has no step after %s", Type.StepName(t.Step))
}

// share is how many chunks each node may have under way so that all nodes
// together keep the store's processors busy: the work of a chunk is the store's.
// 0 leaves it at what the user set.
func share(concurrency, nodes, processors int) int {
	if processors == 0 {
		return 0
	}
	return min(max(concurrency, 1), max((processors+nodes-1)/nodes, 1))
}

// glance reads of the table what chooses the way.
func (p *Planner) glance(ctx context.Context, q server.Querier, m Meta) (*table.Info, error) {
	info, err := table.Glance(ctx, q, m.Schema, m.Table)
	if errors.Is(err, table.ErrNoTable) {
		return nil, dxf.NoSuchTable(m.Schema, m.Table)
	}
	return info, err
}

// IsRetryableErr is also said of what has to become visible, or to be decided, first.
func (p *Planner) IsRetryableErr(err error) bool {
	return p.Planner.IsRetryableErr(err) || errors.Is(err, errInvisible) || errors.Is(err, errUndecided)
}
