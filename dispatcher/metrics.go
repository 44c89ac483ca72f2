package dispatcher

import "sync/atomic"

// counters of one manager; they only grow.
type counters struct {
	terms        atomic.Int64
	passes       atomic.Int64
	stepsPlanned atomic.Int64
	planErrors   atomic.Int64
	succeeded    atomic.Int64
	reverted     atomic.Int64
	dealt        atomic.Int64
	moved        atomic.Int64
	nodesExpired atomic.Int64
}

// Counts is a reading of a manager's counters since it was made.
type Counts struct {
	Terms         int64 // times this node was elected
	Passes        int64 // times tasks were looked at
	StepsPlanned  int64
	PlanErrors    int64 // planning errors, retried ones among them
	Succeeded     int64 // tasks
	Reverted      int64 // tasks
	SubtasksDealt int64 // subtasks bound to a node when their step was planned
	SubtasksMoved int64 // subtasks bound to another node later
	NodesExpired  int64
}

func (c *counters) snapshot() Counts {
	return Counts{
		Terms:         c.terms.Load(),
		Passes:        c.passes.Load(),
		StepsPlanned:  c.stepsPlanned.Load(),
		PlanErrors:    c.planErrors.Load(),
		Succeeded:     c.succeeded.Load(),
		Reverted:      c.reverted.Load(),
		SubtasksDealt: c.dealt.Load(),
		SubtasksMoved: c.moved.Load(),
		NodesExpired:  c.nodesExpired.Load(),
	}
}
