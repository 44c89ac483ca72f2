package ask

import (
	"time"

	"dxfproxy/dxf"
)

// ImportNotFound is the answer for ids no import job has.
func ImportNotFound(id int64) *dxf.Error {
	e := refuse(8170, "Job ID %d doesn't exist", id)
	e.Class = "executor"
	return e
}

// ImportActive refuses a second import into a table.
func ImportActive() *dxf.Error {
	e := refuse(8173, "PreCheck failed: there is active job on the target table already")
	e.Class = "executor"
	return e
}

// CancelImport changes t as CANCEL IMPORT JOB does; subs counts the subtasks of
// t's step. The job itself stays as it is until all is undone: a move of the
// owner's. When its task has ended without it (an owner of an older version
// does not know imports, and ends them), nothing is left to be undone, and
// forget says that the job is to be cancelled now.
func CancelImport(t *dxf.Task, j dxf.ImportJob, subs dxf.Counts) (changed, forget bool, err error) {
	published := t.Step == dxf.StepDone || t.Step == dxf.StepPublish && subs[dxf.SubtaskSucceed] > 0
	switch {
	case j.Status.Ended() || published && t.State == dxf.TaskRunning:
		e := refuse(8171, "The current job status cannot perform the operation. CANCEL")
		e.Class = "executor"
		return false, false, e
	case t.State.Ended():
		return false, true, nil
	case t.State == dxf.TaskCancelling || t.State == dxf.TaskReverting:
		return false, false, nil
	}
	t.State, t.ModifyParams = dxf.TaskCancelling, nil
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
		p.Elapsed = max(now.Sub(imports.Began), 0)
	}
	return p
}
