package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"dxfproxy/dxf"
)

// Assigned lists the pending and running subtasks bound to a node.
func (s *Store) Assigned(ctx context.Context, nodeID string) ([]dxf.Assignment, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var all []dxf.Assignment
	for _, sub := range s.subtasks {
		t := s.tasks[sub.TaskID]
		if t != nil && sub.ExecID == nodeID && (sub.State == dxf.SubtaskPending || sub.State == dxf.SubtaskRunning) {
			all = append(all, dxf.Assignment{Subtask: copySubtask(sub), Task: copyTask(t)})
		}
	}
	slices.SortFunc(all, func(a, b dxf.Assignment) int {
		return cmp.Or(
			a.Task.Rank(b.Task),
			cmp.Compare(a.Subtask.Step, b.Subtask.Step),
			cmp.Compare(a.Subtask.Ordinal, b.Subtask.Ordinal),
		)
	})
	return all, nil
}

// Lease takes a pending subtask bound to this node.
func (s *Store) Lease(ctx context.Context, want dxf.Subtask) (dxf.Subtask, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return dxf.Subtask{}, err
	}
	sub := s.subtasks[want.ID]
	if sub == nil || sub.State != dxf.SubtaskPending || sub.ExecID != want.ExecID || sub.Epoch != want.Epoch {
		return dxf.Subtask{}, dxf.ErrLeaseLost
	}
	s.turn(sub, dxf.SubtaskRunning, now)
	sub.Expires = now.Add(dxf.SubtaskLease)
	if sub.StartTime.IsZero() {
		sub.StartTime = now
	}
	return copySubtask(sub), nil
}

// held returns the running subtask of a lease.
func (s *Store) held(l dxf.Lease) (*dxf.Subtask, error) {
	sub := s.subtasks[l.SubtaskID]
	if sub == nil || sub.State != dxf.SubtaskRunning || sub.Lease() != l {
		return nil, dxf.ErrLeaseLost
	}
	return sub, nil
}

// underLease runs do with the running subtask of a lease.
func (s *Store) underLease(ctx context.Context, l dxf.Lease, do func(sub *dxf.Subtask, now time.Time) error) error {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	sub, err := s.held(l)
	if err != nil {
		return err
	}
	return do(sub, now)
}

// Held reads a running subtask.
func (s *Store) Held(ctx context.Context, l dxf.Lease) (h dxf.Subtask, err error) {
	err = s.underLease(ctx, l, func(sub *dxf.Subtask, _ time.Time) error {
		h = copySubtask(sub)
		return nil
	})
	return h, err
}

// Release gives a running subtask back.
func (s *Store) Release(ctx context.Context, l dxf.Lease) error {
	return s.underLease(ctx, l, func(sub *dxf.Subtask, now time.Time) error {
		s.turn(sub, dxf.SubtaskPending, now)
		return nil
	})
}

// Finish ends a running subtask.
func (s *Store) Finish(ctx context.Context, l dxf.Lease, state dxf.SubtaskState, sum dxf.Summary, e *dxf.Error) error {
	return s.underLease(ctx, l, func(sub *dxf.Subtask, now time.Time) error {
		sub.State, sub.Summary, sub.Error, sub.Expires, sub.UpdateTime = state, sum, copyError(e), time.Time{}, now
		return nil
	})
}

// Progress writes the summary of a running subtask.
func (s *Store) Progress(ctx context.Context, l dxf.Lease, sum dxf.Summary) error {
	return s.underLease(ctx, l, func(sub *dxf.Subtask, now time.Time) error {
		sub.Summary, sub.UpdateTime = sum, now
		return nil
	})
}

// Save writes checkpoint (nil keeps the old one) and summary and renews the lease, as
// a worker does in the transaction of its work.
func (s *Store) Save(ctx context.Context, l dxf.Lease, checkpoint []byte, sum dxf.Summary) error {
	return s.underLease(ctx, l, func(sub *dxf.Subtask, now time.Time) error {
		if len(checkpoint) > 0 {
			sub.Checkpoint = slices.Clone(checkpoint)
		}
		sub.Summary, sub.Expires, sub.UpdateTime = sum, now.Add(dxf.SubtaskLease), now
		return nil
	})
}

// ExpireSubtask lets a subtask's lease run out now.
func (s *Store) ExpireSubtask(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub := s.subtasks[id]; sub != nil {
		sub.Expires = s.past(sub.Expires)
	}
}
