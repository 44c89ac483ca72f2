package memstore

import (
	"context"
	"fmt"
	"slices"

	"dxfproxy/dxf"
	"dxfproxy/store/internal/ask"
)

// Submit makes the job and its task. A key that was ever used is taken.
func (s *Store) Submit(ctx context.Context, j dxf.Job, t dxf.NewTask) (int64, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	id := s.lastJob + 1
	kind, ok := s.types[t.Type]
	if !ok || kind.Job != dxf.JobDDL {
		return 0, fmt.Errorf("no task type %q has a job of kind %s", t.Type, dxf.JobDDL)
	}
	if t.Priority == 0 {
		t.Priority = dxf.DefaultPriority
	}
	t.Meta.Head().JobID = id
	s.lastTask++
	s.tasks[s.lastTask] = &dxf.Task{
		ID: s.lastTask, Key: kind.TaskKey(id), Type: t.Type, State: dxf.TaskPending, Step: dxf.StepInit,
		Priority: t.Priority, Concurrency: t.Concurrency, TargetScope: t.TargetScope, MaxNodeCount: t.MaxNodeCount, User: j.User,
		Meta: mustJSON(t.Meta), CreateTime: now, UpdateTime: now,
	}
	s.lastJob = id
	j.ID, j.State, j.CreateTime = id, dxf.JobQueueing, now
	j = copyJob(j)
	s.jobs[id] = &j
	return id, nil
}

// taskOf finds the task of a job.
func (s *Store) taskOf(job int64) *dxf.Task {
	keys := s.types.TaskKeys(dxf.DDLRef(job))
	for _, t := range s.tasks {
		if slices.Contains(keys, t.Key) {
			return t
		}
	}
	return nil
}

// rowsRead is ROW_COUNT of an unfinished job.
func (s *Store) rowsRead(job int64) int64 {
	t := s.taskOf(job)
	if t == nil {
		return 0
	}
	var n int64
	for _, sub := range s.subtasks {
		if sub.TaskID == t.ID && s.types[t.Type].Steps[sub.Step].Counts {
			n += sub.Summary.RowCount
		}
	}
	return n
}

// unfinished returns a copy of an unfinished job with its row count.
func (s *Store) unfinished(id int64) dxf.Job {
	j := copyJob(*s.jobs[id])
	j.RowCount = s.rowsRead(id)
	return j
}

// Job finds a job, unfinished or in the history.
func (s *Store) Job(ctx context.Context, id int64) (dxf.Job, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	switch {
	case err != nil:
		return dxf.Job{}, err
	case s.jobs[id] != nil:
		return s.unfinished(id), nil
	case s.history[id] != nil:
		return copyJob(*s.history[id]), nil
	}
	return dxf.Job{}, dxf.ErrNotFound
}

// UnfinishedJobs lists unfinished jobs by id.
func (s *Store) UnfinishedJobs(ctx context.Context) ([]dxf.Job, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	jobs := []dxf.Job{}
	for _, id := range sortedIDs(s.jobs) {
		jobs = append(jobs, s.unfinished(id))
	}
	return jobs, nil
}

// History lists the newest n ended jobs, newest first.
func (s *Store) History(ctx context.Context, n int) ([]dxf.Job, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	ids := sortedIDs(s.history)
	slices.Reverse(ids)
	jobs := []dxf.Job{}
	for _, id := range ids[:min(n, len(ids))] {
		jobs = append(jobs, copyJob(*s.history[id]))
	}
	return jobs, nil
}

// CancelJob asks for a job's cancellation.
func (s *Store) CancelJob(ctx context.Context, id int64) error { return s.ask(ctx, id, ask.Cancel) }

// PauseJob asks for a job's pause.
func (s *Store) PauseJob(ctx context.Context, id int64) error { return s.ask(ctx, id, ask.Pause) }

// ResumeJob asks a paused job to go on.
func (s *Store) ResumeJob(ctx context.Context, id int64) error { return s.ask(ctx, id, ask.Resume) }

// ask lets decide change a task and its job, and tells it whether it is too late.
func (s *Store) ask(ctx context.Context, id int64, decide func(t *dxf.Task, j *dxf.Job, late bool) (changed bool, err error)) error {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	task := s.taskOf(id)
	if task == nil || s.jobs[id] == nil {
		return ask.NotFound(id)
	}
	t, j := copyTask(task), copyJob(*s.jobs[id])
	subs := make(dxf.Counts)
	for _, sub := range s.subtasksOf(t.ID, t.Step) {
		subs[sub.State]++
	}
	changed, err := decide(&t, &j, s.types[t.Type].Late(t, subs))
	if err != nil || !changed {
		return err
	}
	t.UpdateTime = now
	*task, s.jobs[id] = t, &j
	return nil
}
