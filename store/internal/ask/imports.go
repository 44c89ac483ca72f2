package ask

import (
	"time"

	"dxfproxy/dxf"
)

// ImportNotFound is the answer for ids no import job has.
func ImportNotFound(id int64) *dxf.Error {
	return refuseImport(8170, "Job ID %d doesn't exist", id)
}

// ImportActive refuses a second import into a table.
func ImportActive() *dxf.Error {
	return refuseImport(8173, "PreCheck failed: there is active job on the target table already")
}

// refuseImport is the answer for import jobs that are not in a state for it.
func refuseImport(code uint16, format string, args ...any) *dxf.Error {
	e := refuse(code, format, args...)
	e.Class = "executor"
	return e
}

// wrongStatus is TiDB's.
func wrongStatus(operation string) *dxf.Error {
	return refuseImport(8171, "The current job status cannot perform the operation. %s", operation)
}

// CancelImport changes t as CANCEL IMPORT JOB does; late is the task type's
// (dxf.Type.Late). The job itself stays as it is until all is undone: a move of the
// owner's. When its task has ended without it (an owner of an older version
// does not know imports, and ends them), nothing is left to be undone, and
// forget says that the job is to be cancelled now.
func CancelImport(t *dxf.Task, j dxf.ImportJob, late bool) (changed, forget bool, err error) {
	switch {
	case j.Status.Ended():
		return false, false, wrongStatus("CANCEL")
	case t.State.Ended():
		return false, true, nil
	case t.State == dxf.TaskCancelling || t.State == dxf.TaskReverting:
		return false, false, nil
	case late:
		return false, false, wrongStatus("CANCEL")
	}
	t.State, t.ModifyParams = dxf.TaskCancelling, nil
	return true, false, nil
}

// PauseImport changes t as PAUSE IMPORT JOB does. The job stays as it is: none of
// TiDB's statuses of imports says paused.
func PauseImport(t *dxf.Task, j dxf.ImportJob, late bool) (changed, forget bool, err error) {
	switch {
	case t.State == dxf.TaskPausing || t.State == dxf.TaskPaused:
		return false, false, refuseImport(8262, "Job [%d] has already been paused", j.ID)
	case j.Status.Ended() || !t.State.CanMove(dxf.TaskPausing) || late:
		return false, false, wrongStatus("PAUSE")
	}
	t.State = dxf.TaskPausing
	return true, false, nil
}

// ResumeImport changes t as RESUME IMPORT JOB does.
func ResumeImport(t *dxf.Task, j dxf.ImportJob, _ bool) (changed, forget bool, err error) {
	switch {
	case j.Status.Ended() || t.State.Ended() || t.State == dxf.TaskCancelling || t.State == dxf.TaskReverting:
		return false, false, wrongStatus("RESUME")
	case t.State == dxf.TaskPausing:
		return false, false, refuseImport(8261, "Job [%d] can't be resumed: its nodes are still stopping, try again in a moment", j.ID)
	case t.State != dxf.TaskPaused:
		return false, false, refuseImport(8261, "Job [%d] can't be resumed: job has not been paused", j.ID)
	}
	t.State = dxf.TaskResuming
	return true, false, nil
}

// StampImport sets what follows from the status of an import job that was
// changed at now. As in TiDB a cancelled one never gets an end.
func StampImport(j *dxf.ImportJob, now time.Time) {
	j.UpdateTime = now
	if j.StartTime.IsZero() && (j.Status == dxf.ImportRunning || j.Status == dxf.ImportFinished) {
		j.StartTime = now
	}
	if j.EndTime.IsZero() && (j.Status == dxf.ImportFinished || j.Status == dxf.ImportFailed) {
		j.EndTime = now
	}
	if j.Status == dxf.ImportFinished {
		j.Phase, j.Error = "", nil
	}
	if j.Status == dxf.ImportCancelled {
		j.Error = dxf.Errorf("cancelled by user")
	}
	if j.Status.Ended() {
		j.Waiting, j.Progress = "", nil
	}
}

// StepSum is what the subtasks of a step have done together.
type StepSum struct {
	Rows, Bytes int64
	Began       time.Time // when the first of them did; zero: none has
}

// Add adds what another step has done.
func (s *StepSum) Add(o StepSum) {
	s.Rows += o.Rows
	s.Bytes += o.Bytes
	if s.Began.IsZero() || !o.Began.IsZero() && o.Began.Before(s.Began) {
		s.Began = o.Began
	}
}

// ImportProgress is how far an import is: its task, the head of that one's meta, and the
// sums of the steps that count rows and of the present one.
func ImportProgress(t dxf.Task, head dxf.MetaHead, counted, present StepSum, waiting string, now time.Time) *dxf.Progress {
	p := &dxf.Progress{
		State: t.State, Step: t.Step, Done: present.Rows, Total: head.Rows, Waiting: waiting,
		Bytes: counted.Bytes, Size: head.Size, Note: string(head.Note),
	}
	if !counted.Began.IsZero() {
		if !head.PausedAt.IsZero() {
			now = head.PausedAt
		}
		p.Elapsed = max(now.Sub(counted.Began)-head.Paused, 0)
	}
	return p
}
