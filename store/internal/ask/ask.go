// Package ask decides what users' requests do to a job and its task, and how
// the owner's moves show in the job. It is the same for every store and has no
// I/O; the stores call it with the rows locked.
package ask

import (
	"encoding/json"
	"fmt"
	"time"

	"dxfproxy/dxf"
)

// NotFound is the answer for jobs that are unknown or in the history.
func NotFound(id int64) *dxf.Error { return refuse(8224, "DDL Job:%d not found", id) }

func refuse(code uint16, format string, args ...any) *dxf.Error {
	return &dxf.Error{Code: code, State: "HY000", Class: "ddl", Message: fmt.Sprintf(format, args...)}
}

// Cancel changes t and j as ADMIN CANCEL DDL JOBS does; late is the task type's
// (dxf.Type.Late). changed is false when the job is being undone already; what
// that waits for is told, for nothing new comes of the request.
func Cancel(t *dxf.Task, j *dxf.Job, late bool) (changed bool, err error) {
	switch {
	case t.State.Ended() || j.State.Ended():
		return false, refuse(8225, "This job:%d is finished, so can't be cancelled", j.ID)
	case (t.State == dxf.TaskCancelling || t.State == dxf.TaskReverting) && j.Waiting != "":
		return false, refuse(8226, "This job:%d is being rolled back already: %s", j.ID, j.Waiting)
	case t.State == dxf.TaskCancelling || t.State == dxf.TaskReverting:
		return false, nil
	case late:
		return false, refuse(8226, "This job:%d is almost finished, can't be cancelled now", j.ID)
	}
	t.State, t.ModifyParams = dxf.TaskCancelling, nil
	j.State, j.Waiting = dxf.JobCancelling, ""
	return true, nil
}

// Pause changes t and j as ADMIN PAUSE DDL JOBS does.
func Pause(t *dxf.Task, j *dxf.Job, late bool) (changed bool, err error) {
	switch {
	case t.State == dxf.TaskPausing || t.State == dxf.TaskPaused:
		return false, refuse(8262, "Job [%d] has already been paused", j.ID)
	case !t.State.CanMove(dxf.TaskPausing) || late:
		return false, refuse(8260, "Job [%d] can't be paused: state [%s] or schema state [%s]", j.ID, j.State, j.SchemaState)
	}
	t.State = dxf.TaskPausing
	j.State, j.Waiting = dxf.JobPausing, ""
	return true, nil
}

// Resume changes t and j as ADMIN RESUME DDL JOBS does. A task that is about to be
// paused, or is being modified in its pause, is dxf.ErrTaskChanged, to be asked again.
func Resume(t *dxf.Task, j *dxf.Job, _ bool) (changed bool, err error) {
	var m dxf.Modify
	if t.State == dxf.TaskPausing ||
		t.State == dxf.TaskModifying && json.Unmarshal(t.ModifyParams, &m) == nil && m.PrevState == dxf.TaskPaused {
		return false, dxf.ErrTaskChanged
	}
	if t.State != dxf.TaskPaused {
		return false, refuse(8261, "Job [%d] can't be resumed: job has not been paused, job state:%s, schema state:%s",
			j.ID, j.State, j.SchemaState)
	}
	t.State = dxf.TaskResuming
	j.State, j.Waiting = dxf.JobQueueing, ""
	return true, nil
}

// Alter returns what changes t and j as ADMIN ALTER DDL JOBS does. A task that is about to
// be paused is dxf.ErrTaskChanged, to be asked again, and so is one that is being modified:
// the owner may have read the earlier modifications, and would not see more.
func Alter(mods []dxf.Modification) func(t *dxf.Task, j *dxf.Job, late bool) (changed bool, err error) {
	return func(t *dxf.Task, j *dxf.Job, _ bool) (bool, error) {
		switch {
		case j.Type != "add index" || j.Reorg == nil:
			return false, dxf.Errorf("unsupported DDL operation: %s. Supported DDL operations are: ADD INDEX, MODIFY COLUMN, "+
				"and ALTER TABLE REORGANIZE PARTITION", j.Type)
		case t.State == dxf.TaskModifying, t.State == dxf.TaskPausing:
			return false, dxf.ErrTaskChanged
		case !t.State.CanMove(dxf.TaskModifying):
			return false, dxf.Errorf("ddl job %d is not running", j.ID)
		}
		raw, err := json.Marshal(dxf.Modify{PrevState: t.State, Modifications: mods})
		if err != nil {
			return false, err
		}
		t.State, t.ModifyParams = dxf.TaskModifying, raw
		reorg := *j.Reorg
		for _, m := range mods {
			switch m.Type {
			case dxf.ModifyConcurrency:
				reorg.Thread = int(m.To)
			case dxf.ModifyBatchSize:
				reorg.BatchSize = int(m.To)
			case dxf.ModifyMaxWriteSpeed:
				reorg.MaxWriteSpeed = m.To
			}
		}
		j.Reorg = &reorg
		return true, nil
	}
}

// Stamp sets the times of a job that was changed at now: when it was first seen
// running or further, and when it ended.
func Stamp(j *dxf.Job, now time.Time) {
	switch j.State {
	case dxf.JobRunning, dxf.JobRollingback, dxf.JobSynced, dxf.JobDone, dxf.JobRollbackDone:
		if j.StartTime.IsZero() {
			j.StartTime = now
		}
	}
	if j.EndTime.IsZero() && j.State.Ended() {
		j.EndTime = now
	}
	if j.State.Ended() {
		j.Waiting = ""
	}
}
