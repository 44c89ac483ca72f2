package backfill

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"

	"dxfproxy/dxf"
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

// resume reads the checkpoint. One of another shape is refused: read as zeros
// it would mean work done twice, or never.
func (r *run) resume() (point, error) {
	var p point
	if len(r.Subtask.Checkpoint) == 0 {
		return p, nil
	}
	dec := json.NewDecoder(bytes.NewReader(r.Subtask.Checkpoint))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return p, dxf.Errorf("read the checkpoint of subtask %d: %s", r.Subtask.ID, err)
	}
	return p, nil
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
