package importinto

import (
	"encoding/json"

	"dxfproxy/dxf"
	"dxfproxy/source"
)

// Complete says how the job's row changes with the task, and takes the secrets out of the meta
// of a task that ends.
func (p *Planner) Complete(a *dxf.Advance, e *dxf.Error) {
	t := a.Task
	t.Meta = a.NewMeta()
	var m Meta
	if err := t.ReadMeta(&m); err != nil {
		return
	}
	if a.State.Ended() {
		m.Location, m.Sealed = source.Mask(m.Location), ""
		if text, err := json.Marshal(m); err == nil {
			a.Meta = text
		}
	}
	state, step := a.State, a.Step
	a.Change = dxf.OnImport(func(j *dxf.ImportJob) {
		if m.Size > 0 {
			j.SourceSize = m.Size
		}
		switch state {
		case dxf.TaskPending:
		case dxf.TaskSucceed:
			j.Status, j.Phase, j.Rows, j.Error = dxf.ImportFinished, "", m.Rows, nil
		case dxf.TaskReverted, dxf.TaskFailed:
			// The phase stays what it was.
			j.Status, j.Error = dxf.ImportFailed, e
			if e.ByUser() {
				j.Status = dxf.ImportCancelled
			}
		case dxf.TaskRunning:
			j.Status, j.Phase = dxf.ImportRunning, phaseOf(step)
		}
	})
}

// phaseOf is what SHOW IMPORT JOBS calls a step.
func phaseOf(step dxf.Step) dxf.ImportPhase {
	if step == StepPostProcess || step == StepPublish {
		return dxf.PhaseValidating
	}
	return dxf.PhaseImporting
}
