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

// published says that the rows are in the table. Until then an import can be called
// back or halted, also in the middle of its last step: an exchange that is stopped
// either has renamed the tables or has not, and the names say which.
func published(t dxf.Task, subs dxf.Counts) bool {
	return t.Step == dxf.StepDone || t.Step == dxf.StepPublish && subs[dxf.SubtaskSucceed] > 0
}

// CancelImport changes t as CANCEL IMPORT JOB does; subs counts the subtasks of
// t's step. The job itself stays as it is until all is undone: a move of the
// owner's. When its task has ended without it (an owner of an older version
// does not know imports, and ends them), nothing is left to be undone, and
// forget says that the job is to be cancelled now.
func CancelImport(t *dxf.Task, j dxf.ImportJob, subs dxf.Counts) (changed, forget bool, err error) {
	switch {
	case j.Status.Ended():
		return false, false, wrongStatus("CANCEL")
	case t.State.Ended():
		return false, true, nil
	case t.State == dxf.TaskCancelling || t.State == dxf.TaskReverting:
		return false, false, nil
	case published(*t, subs):
		return false, false, wrongStatus("CANCEL")
	}
	t.State, t.ModifyParams = dxf.TaskCancelling, nil
	return true, false, nil
}

// PauseImport changes t as PAUSE IMPORT JOB does. The job stays as it is: none of
// TiDB's statuses of imports says paused.
func PauseImport(t *dxf.Task, j dxf.ImportJob, subs dxf.Counts) (changed, forget bool, err error) {
	switch {
	case t.State == dxf.TaskPausing || t.State == dxf.TaskPaused:
		return false, false, refuseImport(8262, "Job [%d] has already been paused", j.ID)
	case j.Status.Ended() || !t.State.CanMove(dxf.TaskPausing) || published(*t, subs):
		return false, false, wrongStatus("PAUSE")
	}
	t.State = dxf.TaskPausing
	return true, false, nil
}

// ResumeImport changes t as RESUME IMPORT JOB does.
func ResumeImport(t *dxf.Task, j dxf.ImportJob, _ dxf.Counts) (changed, forget bool, err error) {
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

// Add adds a subtask.
func (s *StepSum) Add(sub dxf.Subtask) {
	s.Rows += sub.Summary.RowCount
	s.Bytes += sub.Summary.Bytes
	if !sub.StartTime.IsZero() && (s.Began.IsZero() || sub.StartTime.Before(s.Began)) {
		s.Began = sub.StartTime
	}
}

// ImportProgress is how far an import is: its task, the meta of that, and the sums
// of the import step and of the present one.
func ImportProgress(t dxf.Task, meta dxf.ImportMeta, imports, present StepSum, waiting string, now time.Time) *dxf.Progress {
	p := &dxf.Progress{
		State: t.State, Step: t.Step, Done: present.Rows, Total: meta.Rows, Waiting: waiting,
		Bytes: imports.Bytes, Size: meta.Size, Note: meta.Note,
	}
	if !imports.Began.IsZero() {
		if !meta.PausedAt.IsZero() {
			now = meta.PausedAt
		}
		p.Elapsed = max(now.Sub(imports.Began)-meta.Paused, 0)
	}
	return p
}
