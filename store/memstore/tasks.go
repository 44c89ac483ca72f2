package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/store/internal/ask"
)

// retention is how long history is kept.
const retention = 14 * 24 * time.Hour

// Tasks lists the tasks that have not ended, best rank first.
func (s *Store) Tasks(ctx context.Context) ([]dxf.Task, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	tasks := []dxf.Task{}
	for _, t := range s.tasks {
		if !t.State.Ended() {
			tasks = append(tasks, copyTask(t))
		}
	}
	slices.SortFunc(tasks, dxf.Task.Rank)
	return tasks, nil
}

// CountError adds one to the task's count of retryable errors and returns it.
func (s *Store) CountError(ctx context.Context, taskID int64, _ *dxf.Error) (int, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	t := s.tasks[taskID]
	if t == nil {
		return 0, dxf.ErrNotFound
	}
	t.ErrorCount++
	return t.ErrorCount, nil
}

// Advance moves a task with its subtasks and its job: all or nothing.
func (s *Store) Advance(ctx context.Context, term dxf.Term, a dxf.Advance) error {
	now, err := s.beginAs(ctx, term)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	t := s.tasks[a.Task.ID]
	if t == nil || t.State != a.Task.State || t.Step != a.Task.Step {
		return dxf.ErrTaskChanged
	}
	if err := s.checkOrdinals(a); err != nil {
		return err
	}
	if t.State == dxf.TaskModifying && a.State != dxf.TaskModifying {
		t.ModifyParams = nil
	}
	t.State, t.Step, t.UpdateTime = a.State, a.Step, now
	if a.Concurrency > 0 {
		t.Concurrency = a.Concurrency
	}
	switch {
	case a.State == dxf.TaskSucceed:
		t.Error = nil
	case a.Error != nil:
		t.Error = copyError(a.Error)
	}
	if len(a.Meta) > 0 {
		t.Meta = slices.Clone(a.Meta)
	}
	if a.State == dxf.TaskRunning && t.StartTime.IsZero() {
		t.StartTime = now
	}
	if a.State.Ended() {
		t.EndTime = now
	}
	for _, sub := range a.Subtasks {
		s.lastSub++
		s.subtasks[s.lastSub] = &dxf.Subtask{
			ID: s.lastSub, TaskID: t.ID, Step: a.Step, Ordinal: sub.Ordinal,
			State: dxf.SubtaskPending, ExecID: sub.ExecID, Meta: slices.Clone(sub.Meta),
			Checkpoint: []byte("{}"), UpdateTime: now,
		}
	}
	if a.Change != nil {
		s.changeJob(a.Job.ID, a.Change, now)
	}
	return nil
}

// checkOrdinals is the unique key (task, step, ordinal).
func (s *Store) checkOrdinals(a dxf.Advance) error {
	taken := make(map[int]bool)
	for _, sub := range s.subtasks {
		if sub.TaskID == a.Task.ID && sub.Step == a.Step {
			taken[sub.Ordinal] = true
		}
	}
	for _, sub := range a.Subtasks {
		if taken[sub.Ordinal] {
			return fmt.Errorf("subtask %d of step %s of task %d exists", sub.Ordinal, a.Step, a.Task.ID)
		}
		taken[sub.Ordinal] = true
	}
	return nil
}

// changeJob applies change to a job, which moves to the history when it ended.
func (s *Store) changeJob(id int64, change func(dxf.JobRow), now time.Time) {
	was := s.jobs[id]
	if was == nil {
		return
	}
	j := copyJob(*was)
	j.RowCount = s.rowsRead(id)
	change(&j)
	ask.Stamp(&j, now)
	j = copyJob(j)
	if j.State.Ended() {
		delete(s.jobs, id)
		s.history[id] = &j
		return
	}
	s.jobs[id] = &j
}

// Archive moves ended tasks and their subtasks to the history.
func (s *Store) Archive(ctx context.Context, term dxf.Term, limit int) (int, error) {
	now, err := s.beginAs(ctx, term)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, id := range sortedIDs(s.tasks) {
		t := s.tasks[id]
		if !t.State.Ended() || n == limit {
			continue
		}
		n++
		s.archived.tasks[id] = t
		delete(s.tasks, id)
		for _, sub := range s.subtasks {
			if sub.TaskID == id {
				s.archived.subtasks[sub.ID] = sub
				delete(s.subtasks, sub.ID)
			}
		}
	}
	for id, t := range s.archived.tasks {
		if now.Sub(t.EndTime) > retention {
			delete(s.archived.tasks, id)
		}
	}
	for id, sub := range s.archived.subtasks {
		if now.Sub(sub.UpdateTime) > retention {
			delete(s.archived.subtasks, id)
		}
	}
	return n, nil
}

// Archived returns how many tasks and subtasks are in the history.
func (s *Store) Archived() (tasks, subtasks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.archived.tasks), len(s.archived.subtasks)
}

// Subtasks lists the subtasks of one step, by ordinal.
func (s *Store) Subtasks(ctx context.Context, taskID int64, step dxf.Step) ([]dxf.Subtask, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.subtasksOf(taskID, step), nil
}

func (s *Store) subtasksOf(taskID int64, step dxf.Step) []dxf.Subtask {
	subs := []dxf.Subtask{}
	for _, sub := range s.subtasks {
		if sub.TaskID == taskID && sub.Step == step {
			subs = append(subs, copySubtask(sub))
		}
	}
	slices.SortFunc(subs, func(a, b dxf.Subtask) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return subs
}

// Place binds subtasks to nodes and returns how many moves were made.
func (s *Store) Place(ctx context.Context, term dxf.Term, moves []dxf.Placement) (int, error) {
	now, err := s.beginAs(ctx, term)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	made := 0
	for _, m := range moves {
		sub := s.subtasks[m.SubtaskID]
		if sub == nil || sub.Epoch != m.Epoch {
			continue
		}
		n := s.nodes[sub.ExecID]
		lost := !sub.Expires.After(now) || n == nil || !n.expires.After(now)
		if sub.State == dxf.SubtaskPending || sub.State == dxf.SubtaskRunning && lost {
			sub.ExecID = m.ExecID
			s.turn(sub, dxf.SubtaskPending, now)
			made++
		}
	}
	return made, nil
}

// turn takes a subtask from whoever had it and puts it into a state.
func (s *Store) turn(sub *dxf.Subtask, state dxf.SubtaskState, now time.Time) {
	sub.State, sub.Epoch, sub.Expires, sub.UpdateTime = state, sub.Epoch+1, time.Time{}, now
}

// MoveSubtasks puts all subtasks of a step in state from into state to.
func (s *Store) MoveSubtasks(ctx context.Context, term dxf.Term, taskID int64, step dxf.Step, from, to dxf.SubtaskState) error {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	if !from.CanMove(to) {
		return fmt.Errorf("subtasks cannot go from %s to %s", from, to)
	}
	if err := s.fence(term); err != nil {
		return err
	}
	for _, sub := range s.subtasks {
		if sub.TaskID == taskID && sub.Step == step && sub.State == from {
			s.turn(sub, to, now)
		}
	}
	return nil
}

// SetWaiting notes on a job what it waits for.
func (s *Store) SetWaiting(ctx context.Context, term dxf.Term, job dxf.JobRef, waiting string) error {
	_, err := s.beginAs(ctx, term)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	if j := s.jobs[job.ID]; j != nil {
		j.Waiting = waiting
	}
	return nil
}
