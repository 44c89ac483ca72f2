package memstore

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/store/internal/ask"
)

// Submit makes the job and its task.
func (s *Store) Submit(ctx context.Context, j dxf.Job, t dxf.Task, meta dxf.BackfillMeta) (int64, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	id := s.lastJob + 1
	if t.Key == "" {
		t.Key = dxf.BackfillKey(id)
	}
	if t.Type == "" {
		t.Type = dxf.Backfill
	}
	if err := s.fewEnough(j.User); err != nil {
		return 0, err
	}
	t.User, meta.JobID = j.User, id
	if err := s.insertTask(t, meta, now); err != nil {
		return 0, err
	}
	s.lastJob = id
	j.ID, j.State, j.CreateTime = id, dxf.JobQueueing, now
	j = copyJob(j)
	s.jobs[id] = &j
	return id, nil
}

// fewEnough refuses an account with as many unfinished jobs as it may have.
func (s *Store) fewEnough(user string) error {
	n, limit := 0, dxf.UserLimit(s.vars, dxf.MaxUserQueuedJobs)
	for _, t := range s.tasks {
		if t.User == user && !t.State.Ended() {
			n++
		}
	}
	if user != "" && limit > 0 && n >= limit {
		return dxf.TooManyJobs(user, limit)
	}
	return nil
}

// insertTask makes the row of a new task. A key that was ever used is taken.
func (s *Store) insertTask(t dxf.Task, meta any, now time.Time) error {
	if s.taskOf(t.Key) != nil {
		return dxf.ErrTaskExists
	}
	for _, old := range s.archived.tasks {
		if old.Key == t.Key {
			return dxf.ErrTaskExists
		}
	}
	if t.Priority == 0 {
		t.Priority = dxf.DefaultPriority
	}
	s.lastTask++
	s.tasks[s.lastTask] = &dxf.Task{
		ID: s.lastTask, Key: t.Key, Type: t.Type, State: dxf.TaskPending, Step: dxf.StepInit,
		Priority: t.Priority, Concurrency: t.Concurrency, TargetScope: t.TargetScope, MaxNodeCount: t.MaxNodeCount, User: t.User,
		Meta: mustJSON(meta), CreateTime: now, UpdateTime: now,
	}
	return nil
}

// Record adds ended jobs to the history.
func (s *Store) Record(ctx context.Context, jobs ...dxf.Job) (int64, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	for _, j := range jobs {
		if !j.State.Ended() {
			return 0, fmt.Errorf("record job: it is %s", j.State)
		}
		s.lastJob++
		j.ID = s.lastJob
		if j.CreateTime.IsZero() {
			j.CreateTime = now
		}
		ask.Stamp(&j, now)
		j = copyJob(j)
		s.history[j.ID] = &j
	}
	return s.lastJob, nil
}

// taskOf finds a task by its key.
func (s *Store) taskOf(key string) *dxf.Task {
	for _, t := range s.tasks {
		if t.Key == key {
			return t
		}
	}
	return nil
}

// rowsRead is ROW_COUNT of an unfinished job.
func (s *Store) rowsRead(jobID int64) int64 {
	t := s.taskOf(dxf.BackfillKey(jobID))
	if t == nil {
		return 0
	}
	var n int64
	for _, sub := range s.subtasks {
		if sub.TaskID == t.ID && ask.Counts(sub.Step) {
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

// UserHistory lists the newest n ended jobs of an account, newest first.
func (s *Store) UserHistory(ctx context.Context, user string, n int) ([]dxf.Job, error) {
	all, err := s.History(ctx, math.MaxInt)
	all = slices.DeleteFunc(all, func(j dxf.Job) bool { return j.User != user })
	return all[:min(n, len(all))], err
}

// JobProgress tells how far an unfinished job is.
func (s *Store) JobProgress(ctx context.Context, jobID int64) (dxf.Progress, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return dxf.Progress{}, err
	}
	t, j := s.taskOf(dxf.BackfillKey(jobID)), s.jobs[jobID]
	if t == nil || j == nil {
		return dxf.Progress{}, dxf.ErrNotFound
	}
	var meta dxf.BackfillMeta
	if err := json.Unmarshal(t.Meta, &meta); err != nil {
		return dxf.Progress{}, fmt.Errorf("read meta of task %d: %w", t.ID, err)
	}
	p := dxf.Progress{State: t.State, Step: t.Step, Total: meta.Rows, Subtasks: s.subtasksOf(t.ID, t.Step), Waiting: j.Waiting}
	for _, sub := range p.Subtasks {
		p.Done += sub.Summary.RowCount
	}
	return p, nil
}

// CancelJob asks for a job's cancellation.
func (s *Store) CancelJob(ctx context.Context, id int64) error { return s.ask(ctx, id, ask.Cancel) }

// PauseJob asks for a job's pause.
func (s *Store) PauseJob(ctx context.Context, id int64) error { return s.ask(ctx, id, ask.Pause) }

// ResumeJob asks a paused job to go on.
func (s *Store) ResumeJob(ctx context.Context, id int64) error { return s.ask(ctx, id, ask.Resume) }

// AlterJob asks for other parameters of a job.
func (s *Store) AlterJob(ctx context.Context, id int64, mods []dxf.Modification) error {
	return s.ask(ctx, id, ask.Alter(mods))
}

// ask lets decide change a task and its job.
func (s *Store) ask(ctx context.Context, id int64, decide func(*dxf.Task, *dxf.Job, dxf.Counts) (changed bool, err error)) error {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	task := s.taskOf(dxf.BackfillKey(id))
	if task == nil || s.jobs[id] == nil {
		return ask.NotFound(id)
	}
	t, j := copyTask(task), copyJob(*s.jobs[id])
	subs := make(dxf.Counts)
	for _, sub := range s.subtasksOf(t.ID, t.Step) {
		subs[sub.State]++
	}
	changed, err := decide(&t, &j, subs)
	if err != nil || !changed {
		return err
	}
	t.UpdateTime = now
	*task, s.jobs[id] = t, &j
	return nil
}
