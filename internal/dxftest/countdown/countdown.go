// Package countdown is a task type that only tests know. It counts, on all nodes, and then
// says that it has: nothing but what a type must have to be worked on by the framework. A new
// type begins as a copy of this package.
package countdown

import (
	"context"
	"errors"

	"dxfproxy/dxf"
)

// Name is that of the type.
const Name dxf.TaskType = "countdown"

// Steps, under numbers that other types have too.
const (
	StepCount dxf.Step = 1 // all nodes: Meta.Parts subtasks, each of which counts Meta.Rows rows
	StepLift  dxf.Step = 2 // one subtask: lift-off
)

// Meta is the meta of a countdown.
type Meta struct {
	dxf.MetaHead
	Parts int `json:"parts"`
}

// Type makes the type. The subtasks that count wait for a word from start, each for one.
func Type(start <-chan struct{}) dxf.Type {
	return dxf.Type{
		Name: Name, Number: 44, Key: "ddl/countdown/", Job: dxf.JobDDL,
		Steps: map[dxf.Step]dxf.StepInfo{
			StepCount: {Name: "count", Counts: true},
			StepLift:  {Name: "lift-off", Effects: true},
		},
		Cancelled: dxf.Errorf("the countdown was stopped"),
		Planner:   planner{},
		Worker:    worker{start},
	}
}

type planner struct{}

// Plan says what follows t.Step: init → count → lift-off → done.
func (planner) Plan(_ context.Context, t dxf.Task, _ int, _ dxf.Tell) (dxf.Plan, error) {
	m, err := read(t)
	if err != nil {
		return dxf.Plan{}, err
	}
	var p dxf.Plan
	switch t.Step {
	case dxf.StepInit:
		p.Step = StepCount
		for range m.Parts {
			p.Add([]byte("{}"))
		}
	case StepCount:
		p.Step = StepLift
		p.Add([]byte("{}"))
	default:
		p.Step = dxf.StepDone
	}
	return p, nil
}

// OnDone has nothing to remove.
func (planner) OnDone(_ context.Context, t dxf.Task, tell dxf.Tell) (won bool, err error) {
	return t.Step == dxf.StepDone, tell.Waiting("")
}

func (planner) IsRetryableErr(error) bool { return false }

// Eligible is any node of the scope.
func (planner) Eligible(_ dxf.Task, nodes []dxf.Node) []dxf.Node { return nodes }

// Complete shows the task's state in the job's row.
func (planner) Complete(a *dxf.Advance, e *dxf.Error) {
	state := a.State
	a.Change = dxf.OnJob(func(j *dxf.Job) {
		j.Error = e
		switch state {
		case dxf.TaskPausing, dxf.TaskPaused, dxf.TaskCancelling:
			j.State = dxf.JobState(state)
		case dxf.TaskReverting:
			j.State = dxf.JobRollingback
		case dxf.TaskReverted, dxf.TaskFailed:
			j.State = dxf.JobRollbackDone
		case dxf.TaskSucceed:
			j.State = dxf.JobSynced
		default:
			j.State = dxf.JobRunning
		}
	})
}

type worker struct{ start <-chan struct{} }

// RunSubtask counts, or lifts off.
func (w worker) RunSubtask(ctx context.Context, t dxf.Task, s dxf.Subtask, report func(dxf.Summary)) (dxf.Summary, error) {
	m, err := read(t)
	if err != nil || s.Step == StepLift {
		return dxf.Summary{RowCount: 1}, err // of which it tells, but which nobody counts
	}
	report(dxf.Summary{Waiting: "the word"})
	select {
	case <-w.start:
		return dxf.Summary{RowCount: m.Rows}, nil
	case <-ctx.Done():
		return dxf.Summary{}, context.Cause(ctx)
	}
}

func (worker) IsRetryableErr(error) bool { return false }

func read(t dxf.Task) (m Meta, err error) {
	if err := t.ReadMeta(&m); err != nil {
		return m, err
	}
	if m.Parts < 1 {
		return m, errors.New("nothing to count")
	}
	return m, nil
}
