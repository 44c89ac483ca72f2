package memstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/store/internal/ask"
)

// SubmitImport makes the job and its task. While another job on the table is
// unfinished it answers 8173.
func (s *Store) SubmitImport(ctx context.Context, j dxf.ImportJob, t dxf.Task, meta dxf.ImportMeta) (int64, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if s.importActive(j.Schema, j.Table) {
		return 0, ask.ImportActive()
	}
	if err := s.fewEnough(j.CreatedBy); err != nil {
		return 0, err
	}
	id := s.lastImp + 1
	t.Key, t.Type, t.User, meta.JobID = dxf.ImportKey(id), dxf.ImportInto, j.CreatedBy, id
	if err := s.insertTask(t, meta, now); err != nil {
		return 0, err
	}
	s.lastImp = id
	s.imports[id] = copyImport(&dxf.ImportJob{
		ID: id, CreateTime: now, Schema: j.Schema, Table: j.Table, TableID: j.TableID, CreatedBy: j.CreatedBy,
		Parameters: j.Parameters, SourceSize: j.SourceSize, Status: dxf.ImportPending, ConnID: j.ConnID,
	})
	return id, nil
}

// ImportActive says whether an import job on the table is unfinished.
func (s *Store) ImportActive(ctx context.Context, schema, table string) (bool, error) {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	return err == nil && s.importActive(schema, table), err
}

func (s *Store) importActive(schema, table string) bool {
	for _, j := range s.imports {
		if !j.Status.Ended() && j.Schema == schema && j.Table == table {
			return true
		}
	}
	return false
}

// ImportJob finds an import job. Of an unfinished one it tells the rows and the
// progress as of now.
func (s *Store) ImportJob(ctx context.Context, id int64) (dxf.ImportJob, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return dxf.ImportJob{}, err
	}
	if s.imports[id] == nil {
		return dxf.ImportJob{}, dxf.ErrNotFound
	}
	return s.importNow(id, now)
}

// ImportJobs lists all import jobs by id, unfinished ones as ImportJob does.
func (s *Store) ImportJobs(ctx context.Context) ([]dxf.ImportJob, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	jobs := []dxf.ImportJob{}
	for _, id := range sortedIDs(s.imports) {
		j, err := s.importNow(id, now)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// UserImports lists those of an account.
func (s *Store) UserImports(ctx context.Context, user string) ([]dxf.ImportJob, error) {
	all, err := s.ImportJobs(ctx)
	return slices.DeleteFunc(all, func(j dxf.ImportJob) bool { return j.CreatedBy != user }), err
}

// importNow is a copy of a job with its rows and progress.
func (s *Store) importNow(id int64, now time.Time) (dxf.ImportJob, error) {
	j := *copyImport(s.imports[id])
	t := s.taskOf(dxf.ImportKey(id))
	if j.Status.Ended() || t == nil {
		return j, nil
	}
	var meta dxf.ImportMeta
	if err := json.Unmarshal(t.Meta, &meta); err != nil {
		return j, fmt.Errorf("read meta of task %d: %w", t.ID, err)
	}
	imports := s.sum(t.ID, dxf.StepImport)
	j.Progress = ask.ImportProgress(*t, meta, imports, s.sum(t.ID, t.Step), j.Waiting, now)
	j.Rows = imports.Rows
	return j, nil
}

// sum is what the subtasks of a step have done.
func (s *Store) sum(taskID int64, step dxf.Step) (sum ask.StepSum) {
	for _, sub := range s.subtasksOf(taskID, step) {
		sum.Add(sub)
	}
	return sum
}

// CancelImport asks for an import job's cancellation.
func (s *Store) CancelImport(ctx context.Context, id int64) error {
	return s.askImport(ctx, id, ask.CancelImport)
}

// PauseImport asks for an import job's pause.
func (s *Store) PauseImport(ctx context.Context, id int64) error {
	return s.askImport(ctx, id, ask.PauseImport)
}

// ResumeImport asks a paused import job to go on.
func (s *Store) ResumeImport(ctx context.Context, id int64) error {
	return s.askImport(ctx, id, ask.ResumeImport)
}

func (s *Store) askImport(ctx context.Context, id int64, decide func(*dxf.Task, dxf.ImportJob, dxf.Counts) (changed, forget bool, err error)) error {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	if s.imports[id] == nil {
		return ask.ImportNotFound(id)
	}
	t, subs := dxf.Task{State: dxf.TaskSucceed}, make(dxf.Counts)
	task := s.taskOf(dxf.ImportKey(id))
	if task != nil {
		t = copyTask(task)
		for _, sub := range s.subtasksOf(t.ID, t.Step) {
			subs[sub.State]++
		}
	}
	changed, forget, err := decide(&t, *s.imports[id], subs)
	if forget {
		s.changeImport(id, func(j *dxf.ImportJob) { j.Status = dxf.ImportCancelled }, now)
	}
	if err != nil || !changed {
		return err
	}
	t.UpdateTime = now
	*task = t
	return nil
}

// changeImport applies f to an import job, with Rows as of now. An ended job
// never changes: f is not called.
func (s *Store) changeImport(id int64, f func(*dxf.ImportJob), now time.Time) {
	was := s.imports[id]
	if was == nil || was.Status.Ended() {
		return
	}
	j := *copyImport(was)
	if t := s.taskOf(dxf.ImportKey(id)); t != nil {
		j.Rows = s.sum(t.ID, dxf.StepImport).Rows
	}
	f(&j)
	ask.StampImport(&j, now)
	if j.Status != dxf.ImportFinished {
		j.Rows = 0 // only a finished job's are kept
	}
	s.imports[id] = copyImport(&j)
}

// SetImportWaiting notes on an import job what it waits for.
func (s *Store) SetImportWaiting(ctx context.Context, term dxf.Term, jobID int64, waiting string) error {
	now, err := s.beginAs(ctx, term)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.changeImport(jobID, func(j *dxf.ImportJob) { j.Waiting = waiting }, now)
	return nil
}

func copyImport(j *dxf.ImportJob) *dxf.ImportJob {
	c := *j
	c.Error, c.Progress = copyError(j.Error), nil
	c.Parameters = dxf.ImportParameters{}
	if err := json.Unmarshal(mustJSON(j.Parameters), &c.Parameters); err != nil {
		panic(err)
	}
	return &c
}
