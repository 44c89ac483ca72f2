package dispatcher

import "dxfproxy/dxf"

// A move is what the owner should do with a task now. The zero move is none.
type move struct {
	do verb
	to dxf.TaskState // the state the task is in afterwards, when all goes well
}

type verb string

const (
	stay       verb = ""            // somebody else has to act first
	plan       verb = "plan"        // plan the next step, or end the task
	revert     verb = "revert"      // write down that the task is given up, and why
	takeBack   verb = "take back"   // running subtasks of nodes that are gone become pending
	cancelRest verb = "cancel rest" // subtasks nobody has begun are canceled
	cleanUp    verb = "clean up"    // remove what the task left and end it
	pauseRest  verb = "pause rest"  // subtasks nobody has begun are paused
	settle     verb = "settle"      // write down that the task stands still
	unpause    verb = "unpause"     // paused subtasks become pending
	modify     verb = "modify"      // apply the parameters asked for
)

// next says what the owner should do with a task, given its state (which holds
// what the user asked for), the subtasks of its step by state, and how many of
// the running ones are on nodes that are gone. It is to be asked again after
// every move.
func next(t dxf.Task, subs dxf.Counts, gone int) move {
	var (
		pending = subs[dxf.SubtaskPending]
		running = subs[dxf.SubtaskRunning]
		paused  = subs[dxf.SubtaskPaused]
		broken  = subs[dxf.SubtaskFailed] + subs[dxf.SubtaskCanceled]
	)
	switch t.State {
	case dxf.TaskPending:
		return move{plan, dxf.TaskRunning}

	case dxf.TaskRunning:
		switch {
		case broken > 0:
			return move{revert, dxf.TaskReverting}
		case paused > 0: // left over from a pause that was withdrawn
			return move{unpause, dxf.TaskRunning}
		case pending+running > 0:
			return move{}
		}
		return move{plan, dxf.TaskRunning}

	case dxf.TaskCancelling:
		return move{revert, dxf.TaskReverting}

	case dxf.TaskReverting:
		switch {
		case gone > 0:
			return move{takeBack, dxf.TaskReverting}
		case pending+paused > 0:
			return move{cancelRest, dxf.TaskReverting}
		case running > 0: // their nodes see the state and stop them
			return move{}
		}
		return move{cleanUp, dxf.TaskReverted}

	case dxf.TaskPausing:
		switch {
		case broken > 0:
			return move{revert, dxf.TaskReverting}
		case gone > 0:
			return move{takeBack, dxf.TaskPausing}
		case pending > 0:
			return move{pauseRest, dxf.TaskPausing}
		case running > 0:
			return move{}
		}
		return move{settle, dxf.TaskPaused}

	case dxf.TaskResuming:
		return move{unpause, dxf.TaskRunning}

	case dxf.TaskModifying:
		return move{modify, ""} // to the state before, which modify_params remembers
	}
	return move{} // paused, or ended
}
