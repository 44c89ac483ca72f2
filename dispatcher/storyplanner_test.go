package dispatcher

import (
	"context"
	"errors"

	"dxfproxy/dxf"
)

var errAgain = errors.New("again")

// The steps of the tasks in stories.
const (
	storyCopy  dxf.Step = 1
	storyBuild dxf.Step = 2
)

// storyType is the type of all tasks in stories.
var storyType = dxf.Type{
	Name: "story", Number: 77, Key: "story/", Job: dxf.JobDDL,
	Steps:     map[dxf.Step]dxf.StepInfo{storyCopy: {Name: "copy", Counts: true}, storyBuild: {Name: "build"}},
	Cancelled: &dxf.Error{Code: 8214, State: "HY000", Message: "Cancelled DDL job", Class: "ddl"},
}

// A storyPlanner has two steps: copy, cut into as many subtasks as the story
// says, and build, with one.
type storyPlanner struct {
	ranges map[int64]int
	plans  map[int64]error
	waits  map[int64]string
	dirt   error
	dirty  map[int64]error
	won    map[int64]bool
}

func (x *storyPlanner) Plan(_ context.Context, t dxf.Task, _ int, tell dxf.Tell) (dxf.Plan, error) {
	m, _ := dxf.HeadOf(t.Meta)
	if w := x.waits[m.JobID]; w != "" {
		for _, text := range []string{w, w, ""} {
			if err := tell.Waiting(text); err != nil {
				return dxf.Plan{}, err
			}
		}
	}
	if err := x.plans[m.JobID]; err != nil {
		return dxf.Plan{}, err
	}
	switch t.Step {
	case dxf.StepInit:
		return dxf.Plan{Step: storyCopy, Subtasks: make([]dxf.Subtask, x.ranges[m.JobID])}, nil
	case storyCopy:
		return dxf.Plan{Step: storyBuild, Subtasks: make([]dxf.Subtask, 1)}, nil
	}
	return dxf.Plan{Step: dxf.StepDone}, nil
}

func (x *storyPlanner) OnDone(_ context.Context, t dxf.Task, _ dxf.Tell) (bool, error) {
	m, _ := dxf.HeadOf(t.Meta)
	if err := x.dirty[m.JobID]; err != nil {
		return x.won[m.JobID], err
	}
	return x.won[m.JobID], x.dirt
}

func (x *storyPlanner) IsRetryableErr(err error) bool { return errors.Is(err, errAgain) }

func (x *storyPlanner) Eligible(_ dxf.Task, nodes []dxf.Node) []dxf.Node { return nodes }

func (x *storyPlanner) Complete(a *dxf.Advance, e *dxf.Error) {
	state := a.State
	a.Change = dxf.OnJob(func(j *dxf.Job) {
		j.Error = e
		switch state {
		case dxf.TaskPending, dxf.TaskRunning:
			j.State = dxf.JobRunning
		case dxf.TaskReverting:
			j.State = dxf.JobRollingback
		case dxf.TaskPaused:
			j.State = dxf.JobPaused
		case dxf.TaskSucceed:
			j.State = dxf.JobSynced
		case dxf.TaskReverted:
			j.State = dxf.JobRollbackDone
		}
	})
}
