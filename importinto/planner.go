package importinto

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/grants"
	"dxfproxy/seal"
	"dxfproxy/server"
	"dxfproxy/source"
	"dxfproxy/table"
)

// Planner is the dxf.Planner of imports.
type Planner struct {
	executor.Planner
	// Sources says what may be listed; set before the first plan. Nil is the
	// strictest policy.
	Sources *source.Policy
	// Key opens the secrets of locations. nil: none are sealed.
	Key   *seal.Key
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
//	init → [probe →] import → build → post-process → publish → done
//
// The files of a node's disk are listed by the nodes, in the step probe.
func (p *Planner) Plan(ctx context.Context, t dxf.Task, nodes int, tell dxf.Tell) (dxf.Plan, error) {
	p = p.telling(tell)
	var m Meta
	if err := t.ReadMeta(&m); err != nil {
		return dxf.Plan{}, err
	}
	if err := p.StillMay(ctx, m.User, m.Schema, m.Table, privileges(m)...); err != nil {
		return dxf.Plan{}, err
	}
	switch t.Step {
	case dxf.StepInit:
		local, err := source.IsLocal(m.Location)
		if err != nil {
			return dxf.Plan{}, err
		}
		if local {
			m.Local = true
			return planStep(m, StepProbe, max(nodes, 1))
		}
		location, err := Location(p.Key, m)
		if err != nil {
			return dxf.Plan{}, err
		}
		files, err := source.Pieces(ctx, p.Sources, location)
		if err != nil {
			return dxf.Plan{}, err
		}
		return p.begin(ctx, m, files, nodes)
	case StepProbe:
		files, err := p.probed(ctx, t, &m)
		if err != nil {
			return dxf.Plan{}, err
		}
		return p.begin(ctx, m, files, len(m.Seen))
	case StepImport:
		rows, err := p.imported(ctx, t)
		if err != nil {
			return dxf.Plan{}, err
		}
		m.Rows = rows
		return planStep(m, StepBuild, 1)
	case StepBuild:
		return planStep(m, StepPostProcess, 1)
	case StepPostProcess:
		return planStep(m, StepPublish, 1)
	case StepPublish:
		return dxf.Plan{Step: dxf.StepDone}, nil
	}
	return dxf.Plan{}, dxf.Errorf("an import has no step after %s", Type.StepName(t.Step))
}

// planStep plans a step of n subtasks that need no meta of their own.
func planStep(m Meta, step dxf.Step, n int) (dxf.Plan, error) {
	p := dxf.Plan{Step: step}
	for range n {
		p.Add([]byte("{}"))
	}
	var err error
	p.Meta, err = json.Marshal(m)
	return p, err
}

// imported counts the rows that all pieces held. A node may have loaded a piece on another
// server than it has told so, if the store's address was moved while sessions stayed.
func (p *Planner) imported(ctx context.Context, t dxf.Task) (rows int64, err error) {
	subs, err := p.store.Subtasks(ctx, t.ID, StepImport)
	if err != nil {
		return 0, fmt.Errorf("count the rows imported: %w", err)
	}
	for _, s := range subs {
		var l Loaded
		if err := s.ReadCheckpoint(&l); err != nil {
			return 0, err
		}
		if !l.All {
			const elsewhere = "node %s has loaded a part of the files into another server than the store is now: run the statement again"
			return 0, dxf.Errorf(elsewhere, s.ExecID)
		}
		rows += l.Rows
	}
	return rows, nil
}

// Eligible are, for files of a disk, the nodes that see them. Where not all nodes
// may work, that of the client does as long as it is there; its disk is the
// one that was meant.
func (p *Planner) Eligible(t dxf.Task, nodes []dxf.Node) []dxf.Node {
	var m Meta
	if err := t.ReadMeta(&m); err != nil {
		return nodes
	}
	only := func(keep func(id string) bool) (some []dxf.Node) {
		for _, n := range nodes {
			if keep(n.ID) {
				some = append(some, n)
			}
		}
		return some
	}
	if t.Step == StepImport && m.Local {
		return only(func(id string) bool { return slices.Contains(m.Seen, id) })
	}
	local, err := source.IsLocal(m.Location)
	looking := err == nil && local && (t.Step == dxf.StepInit || t.Step == StepProbe)
	if t.MaxNodeCount == 1 || t.MaxNodeCount > 0 && looking {
		if own := only(func(id string) bool { return id == m.Node }); len(own) > 0 {
			return own
		}
	}
	return nodes
}

// IsRetryableErr says whether planning or clean-up should be tried again: also where the source
// of the files went away for a while.
func (p *Planner) IsRetryableErr(err error) bool {
	return source.Retryable(err) || p.Planner.IsRetryableErr(err)
}

// loadTable reads the table, and refuses one that is not what the user saw.
func (p *Planner) loadTable(ctx context.Context, q server.Querier, m Meta) (*table.Info, error) {
	info, err := table.Load(ctx, q, m.Schema, m.Table)
	if errors.Is(err, table.ErrNoTable) {
		return nil, dxf.NoSuchTable(m.Schema, m.Table)
	}
	if err == nil && m.Fingerprint != "" && info.Fingerprint != m.Fingerprint {
		return nil, dxf.SchemaChanged("")
	}
	if err != nil || m.TableID == "" {
		return info, err
	}
	id, err := table.Identity(ctx, q, m.Schema, m.Table)
	if err == nil && id != m.TableID {
		return nil, dxf.SchemaChanged("another table has come to the name")
	}
	return info, err
}

// privileges are those that the statement needed.
func privileges(m Meta) []string {
	privileges := []string{"SELECT", "UPDATE", "INSERT", "DELETE", "ALTER"}
	if needs, err := source.NeedsFile(m.Location); err == nil && needs {
		privileges = append(privileges, grants.File)
	}
	return privileges
}
