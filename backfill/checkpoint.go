package backfill

import (
	"context"
	"database/sql"
	"encoding/json"

	"dxfproxy/table"
)

// Comparison is what the planner reads of a compare subtask's checkpoint.
type Comparison struct {
	// Differ are the ranges (table.Range as JSON) that were not seen equal, in
	// key order, and are left to the verify step.
	Differ []json.RawMessage `json:"differ,omitempty"`
}

// point is the checkpoint of a copy, compare or verify subtask: how far it came.
type point struct {
	Done     []table.Datum `json:"done,omitempty"` // everything up to this key is done
	All      bool          `json:"all,omitempty"`
	Rows     int64         `json:"rows,omitempty"`
	Repaired int64         `json:"repaired,omitempty"`
	Comparison
}

// resume reads the checkpoint.
func (r *run) resume() (p point, err error) {
	err = r.Subtask.Resume(&p)
	return p, err
}

// remaining is what of the subtask's range its checkpoint leaves to do.
func (r *run) remaining() (table.Range, point, error) {
	span, err := r.span()
	if err != nil {
		return span, point{}, err
	}
	at, err := r.resume()
	if err == nil && at.Done != nil {
		span = span.From(at.Done)
	}
	return span, at, err
}

// text is the checkpoint as it is stored.
func (p point) text() ([]byte, error) { return json.Marshal(p) }

// save writes the checkpoint in tx and is the fence of what tx wrote.
func (r *run) save(ctx context.Context, tx *sql.Tx, p point) error {
	text, err := p.text()
	if err != nil {
		return err
	}
	r.Summary.RowCount, r.Summary.Repaired = p.Rows, p.Repaired
	return r.store.SaveCheckpoint(ctx, tx, r.Subtask.Lease(), text, r.Summary)
}
