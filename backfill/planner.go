package backfill

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Planner is the dxf.Planner of backfills.
type Planner struct {
	executor.Planner
	store PlannerStore
}

// NewPlanner makes a planner. db is a pool of connections to the store under the account that does the jobs' work; log may be nil.
func NewPlanner(db *sql.DB, store PlannerStore, log *zap.Logger) *Planner {
	return &Planner{Planner: executor.NewPlanner(db, log), store: store}
}

// telling is a copy of the planner for one task, whose waits tell notes.
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
	if err := t.ReadMeta(&m); err != nil {
		return dxf.Plan{}, err
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

// IsRetryableErr says whether planning or clean-up should be tried again: also where something
// has to become visible, or to be decided, first.
func (p *Planner) IsRetryableErr(err error) bool {
	return p.Planner.IsRetryableErr(err) || errors.Is(err, errInvisible) || errors.Is(err, errUndecided)
}

// Eligible are all nodes of the scope.
func (p *Planner) Eligible(_ dxf.Task, nodes []dxf.Node) []dxf.Node { return nodes }

// planStep plans a step of one subtask, which needs no meta of its own.
func planStep(m Meta, step dxf.Step) (dxf.Plan, error) {
	text, err := json.Marshal(m)
	p := dxf.Plan{Step: step, Meta: text}
	p.Add([]byte("{}"))
	return p, err
}

// planNative plans the store's own DDL. A reason makes a Note for the user.
func planNative(m Meta, reason table.Reason) (dxf.Plan, error) {
	m.Way, m.Shadow, m.Old, m.Indexes = WayNative, "", "", nil
	if reason != "" {
		m.Note = dxf.Note(fmt.Sprintf("table %s.%s cannot be copied online: %s; the store's own DDL is used", m.Schema, m.Table, reason))
	}
	return planStep(m, StepNative)
}
