package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Sizes of the pieces of a copy. Enough pieces for the nodes to end together;
// pieces large enough to be worth a row, and small enough to be lost with a node.
const (
	fewestPieces  = 16
	piecesPerNode = 8
	minPiece      = 10_000
	maxPiece      = 5_000_000
	maxPieces     = 1024 // a table far larger than the server's estimate gets larger pieces

	// pieceTrips is about how many ways to the store and back it takes to begin and to end
	// a piece, and copySpeed how many rows a node copies in a second: what is far from the
	// store has pieces that take some times as long as their ways.
	pieceTrips = 26
	worthTrips = 4
	copySpeed  = 25_000
)

// pieceSize is how many rows a piece has, trip away from the store. Every node gets one.
func pieceSize(rows int64, nodes int, trip time.Duration) int64 {
	size := max(rows/int64(max(nodes*piecesPerNode, fewestPieces)), minPiece)
	worth := int64(worthTrips * pieceTrips * copySpeed * trip.Seconds())
	return min(max(size, min(worth, rows/int64(max(nodes, 1)))), maxPiece)
}

// tripTo measures the way to the store and back. One that was late is no measure.
func tripTo(ctx context.Context, s *server.Session) (time.Duration, error) {
	shortest := time.Hour
	for range 3 {
		asked := time.Now()
		if err := s.PingContext(ctx); err != nil {
			return 0, fmt.Errorf("measure the way to the store: %w", err)
		}
		shortest = min(shortest, time.Since(asked))
	}
	return shortest, nil
}

// planPieces plans the copy step: a subtask for each piece of the table.
func planPieces(ctx context.Context, s *server.Session, info *table.Info, m Meta, nodes int) (dxf.Plan, error) {
	trip, err := tripTo(ctx, s)
	if err != nil {
		return dxf.Plan{}, err
	}
	pieces, err := info.Pieces(ctx, s, pieceSize(info.Rows, nodes, trip), maxPieces)
	if err != nil {
		return dxf.Plan{}, err
	}
	p := dxf.Plan{Step: StepCopy}
	for _, r := range pieces {
		span, err := json.Marshal(r)
		if err != nil {
			return dxf.Plan{}, err
		}
		meta, err := json.Marshal(rangeMeta{Range: span})
		if err != nil {
			return dxf.Plan{}, err
		}
		p.Add(meta)
	}
	p.Meta, err = json.Marshal(m)
	return p, err
}

// afterCopy plans the build, now that the rows are counted, and beside it a
// first comparison of the pieces that were copied.
func (p *Planner) afterCopy(ctx context.Context, t dxf.Task, m Meta) (dxf.Plan, error) {
	copied, err := p.store.Subtasks(ctx, t.ID, StepCopy)
	if err != nil {
		return dxf.Plan{}, fmt.Errorf("count the rows copied: %w", err)
	}
	m.Rows = 0
	for _, s := range copied {
		m.Rows += s.Summary.RowCount
	}
	plan, err := planStep(m, StepBuild)
	for _, s := range copied {
		plan.Add(s.Meta)
	}
	return plan, err
}

// afterNative ends the task. What the store said of its statement is for the client; one
// that adds indexes alone copies no rows.
func (p *Planner) afterNative(ctx context.Context, t dxf.Task, m Meta) (dxf.Plan, error) {
	done := dxf.Plan{Step: dxf.StepDone}
	if table.AddsIndexes(m.Changes) && m.Algorithm == "" && !m.Ignore {
		return done, nil
	}
	subs, err := p.store.Subtasks(ctx, t.ID, StepNative)
	if err != nil {
		return dxf.Plan{}, fmt.Errorf("count the rows affected: %w", err)
	}
	for _, s := range subs {
		m.Affected += s.Summary.Affected
	}
	done.Meta, err = json.Marshal(m)
	return done, err
}

// afterBuild plans the verification of what the comparison left.
func (p *Planner) afterBuild(ctx context.Context, t dxf.Task, m Meta) (dxf.Plan, error) {
	subs, err := p.store.Subtasks(ctx, t.ID, StepBuild)
	if err != nil {
		return dxf.Plan{}, fmt.Errorf("read what the comparison left: %w", err)
	}
	plan := dxf.Plan{Step: StepVerify}
	for _, s := range subs {
		var c Comparison
		if err := s.ReadCheckpoint(&c); err != nil {
			return dxf.Plan{}, err
		}
		for _, span := range c.Differ {
			meta, err := json.Marshal(rangeMeta{Range: span})
			if err != nil {
				return dxf.Plan{}, err
			}
			plan.Add(meta)
		}
	}
	if len(plan.Subtasks) == 0 {
		return planStep(m, StepCutover)
	}
	plan.Meta, err = json.Marshal(m)
	return plan, err
}
