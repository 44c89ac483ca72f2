package dxf

import (
	"bytes"
	"encoding/json"
	"time"
)

// A Subtask is a piece of a step on one node, safe to run twice: a row of
// tidb_background_subtask.
type Subtask struct {
	ID         int64
	TaskID     int64 // task_key of the row, as text
	Step       Step
	Ordinal    int // 1, 2, 3 … in the step
	State      SubtaskState
	ExecID     string    // the node it is bound to
	Expires    time.Time // exec_expired: end of its lease, by the store's clock
	Epoch      int64     // grows with every lease and every move to another node
	Meta       []byte    // JSON: what to do
	Checkpoint []byte    // JSON: how far it came; {} at first
	Summary    Summary
	Error      *Error
	StartTime  time.Time
	UpdateTime time.Time
}

// Summary is the progress of a subtask, JSON in the column summary.
type Summary struct {
	RowCount int64 `json:"row_count"`
	Bytes    int64 `json:"bytes,omitempty"`
	// Repaired counts rows that differed at verification and were copied again.
	Repaired int64 `json:"repaired,omitempty"`
	// Affected is how many rows the store says its own statement has copied.
	Affected int64 `json:"affected,omitempty"`
	// Waiting says, in a few words for people, what the subtask waits for.
	Waiting string `json:"waiting,omitempty"`
}

// A Lease is the right to work on a subtask. Every write made under it checks
// ExecID and Epoch in its own transaction.
type Lease struct {
	SubtaskID int64
	ExecID    string
	Epoch     int64
}

// Lease returns the lease the subtask row was read with.
func (s Subtask) Lease() Lease {
	return Lease{SubtaskID: s.ID, ExecID: s.ExecID, Epoch: s.Epoch}
}

// ReadCheckpoint reads parts of the checkpoint into *v; without one it stays as it is.
func (s Subtask) ReadCheckpoint(v any) error { return s.readCheckpoint(v, false) }

// Resume reads the whole checkpoint into *v; without one it stays as it is. One of another
// shape is refused: read as zeros it would mean work done twice, or never.
func (s Subtask) Resume(v any) error { return s.readCheckpoint(v, true) }

func (s Subtask) readCheckpoint(v any, whole bool) error {
	if len(s.Checkpoint) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(s.Checkpoint))
	if whole {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return Errorf("read the checkpoint of subtask %d: %s", s.ID, err)
	}
	return nil
}

// Counts is how many subtasks of the current step are in each state.
type Counts map[SubtaskState]int

// Total is the number of subtasks counted.
func (c Counts) Total() int {
	n := 0
	for _, v := range c {
		n += v
	}
	return n
}
