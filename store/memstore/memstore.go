package memstore

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"dxfproxy/dxf"
)

// A Store is one cluster's rows. Make it with New.
type Store struct {
	// Now is the store's clock. Set it before the first use.
	Now func() time.Time

	types    dxf.Types
	mu       sync.Mutex
	lastJob  int64
	lastTask int64
	lastSub  int64
	owner    lease
	term     int64
	nodes    map[string]*node
	tasks    map[int64]*dxf.Task
	subtasks map[int64]*dxf.Subtask
	jobs     map[int64]*dxf.Job // unfinished
	history  map[int64]*dxf.Job
	archived archive
}

type lease struct {
	node    dxf.Node
	expires time.Time // zero: nobody's
}

type node struct {
	dxf.Node
	expires time.Time
}

type archive struct {
	tasks    map[int64]*dxf.Task
	subtasks map[int64]*dxf.Subtask
}

// New returns an empty store on the real clock, for tasks of these types.
func New(types ...dxf.Type) *Store {
	return &Store{
		types:    dxf.TypesOf(types...),
		Now:      time.Now,
		nodes:    make(map[string]*node),
		tasks:    make(map[int64]*dxf.Task),
		subtasks: make(map[int64]*dxf.Subtask),
		jobs:     make(map[int64]*dxf.Job),
		history:  make(map[int64]*dxf.Job),
		archived: archive{make(map[int64]*dxf.Task), make(map[int64]*dxf.Subtask)},
	}
}

// begin is how every method starts: with the lock, the time, and an error when
// the caller has given up. The caller unlocks, whatever the error.
func (s *Store) begin(ctx context.Context) (time.Time, error) {
	s.mu.Lock()
	return s.Now().UTC().Round(0), context.Cause(ctx)
}

// beginAs is begin for what only the owner of the term may do.
func (s *Store) beginAs(ctx context.Context, term dxf.Term) (time.Time, error) {
	now, err := s.begin(ctx)
	if err == nil {
		err = s.fence(term)
	}
	return now, err
}

// fence says whether the term is still the present one.
func (s *Store) fence(t dxf.Term) error {
	if s.owner.expires.IsZero() || t.Number != s.term || t.OwnerID != s.owner.node.ID || t.UUID != s.owner.node.UUID {
		return dxf.ErrNotOwner
	}
	return nil
}

// Rows leave and enter the store as copies.

func copyTask(t *dxf.Task) dxf.Task {
	c := *t
	c.Meta, c.ModifyParams, c.Error = bytes.Clone(t.Meta), bytes.Clone(t.ModifyParams), copyError(t.Error)
	return c
}

func copySubtask(s *dxf.Subtask) dxf.Subtask {
	c := *s
	c.Meta, c.Checkpoint, c.Error = bytes.Clone(s.Meta), bytes.Clone(s.Checkpoint), copyError(s.Error)
	return c
}

func copyError(e *dxf.Error) *dxf.Error {
	if e == nil {
		return nil
	}
	c := *e
	return &c
}

// copyJob goes through JSON, as in SQL: what has no tag is not kept there.
func copyJob(j dxf.Job) dxf.Job {
	var c dxf.Job
	b := mustJSON(j)
	if err := json.Unmarshal(b, &c); err != nil {
		panic(err)
	}
	return c
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// sortedIDs are the keys of a table in order.
func sortedIDs[R any](rows map[int64]R) []int64 { return slices.Sorted(maps.Keys(rows)) }
