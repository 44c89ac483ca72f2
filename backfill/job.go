package backfill

import (
	"dxfproxy/dxf"
)

// Complete says how the job's row changes with the task. Times and row counts are the store's
// business.
func (p *Planner) Complete(a *dxf.Advance, e *dxf.Error) {
	t := a.Task
	t.Meta = a.NewMeta()
	var m Meta
	if err := t.ReadMeta(&m); err != nil {
		return
	}
	state, step := a.State, a.Step
	a.Change = dxf.OnJob(func(j *dxf.Job) {
		was := j.SchemaState
		if len(j.SubJobs) > 0 {
			was = j.SubJobs[0].SchemaState
		}
		j.State, j.SchemaState = jobState(was, state, step)
		j.Note, j.Affected = nil, m.Affected
		if m.Note != "" {
			j.Note = dxf.Errorf("%s", m.Note)
		}
		if e != nil && state != dxf.TaskSucceed {
			j.Error = e
		}
		if state == dxf.TaskSucceed {
			j.Error = nil
		}
		parent := j.SchemaState
		for i := range j.SubJobs {
			sub := &j.SubJobs[i]
			sub.State, sub.SchemaState = j.State, parent
			if j.State == dxf.JobSynced {
				sub.State = dxf.JobDone
			}
			if sub.Reorg {
				sub.RowCount = j.RowCount
			}
		}
		if len(j.SubJobs) > 0 {
			j.SchemaState = dxf.SchemaNone // the parent of several changes has none
		}
	})
}

// jobState maps a task's state to those of ADMIN SHOW DDL JOBS.
func jobState(was dxf.SchemaState, state dxf.TaskState, step dxf.Step) (dxf.JobState, dxf.SchemaState) {
	if was == "" {
		was = dxf.SchemaNone
	}
	switch state {
	case dxf.TaskPending:
		return dxf.JobQueueing, was
	case dxf.TaskRunning, dxf.TaskResuming, dxf.TaskModifying:
		if step == dxf.StepInit {
			return dxf.JobRunning, dxf.SchemaNone
		}
		return dxf.JobRunning, dxf.SchemaReorg
	case dxf.TaskPausing:
		return dxf.JobPausing, was
	case dxf.TaskPaused:
		return dxf.JobPaused, was
	case dxf.TaskCancelling:
		return dxf.JobCancelling, was
	case dxf.TaskReverting:
		return dxf.JobRollingback, was
	case dxf.TaskSucceed:
		return dxf.JobSynced, dxf.SchemaPublic
	}
	// Reverted or failed: a job that never came to do anything is cancelled.
	if step == dxf.StepInit {
		return dxf.JobCancelled, dxf.SchemaNone
	}
	return dxf.JobRollbackDone, dxf.SchemaNone
}
