package dxf

// TaskState is the state of a task, spelled as TiDB spells it in
// tidb_global_task.state.
type TaskState string

// Task states. The legal moves between them are in taskMoves.
const (
	TaskPending    TaskState = "pending"
	TaskRunning    TaskState = "running"
	TaskSucceed    TaskState = "succeed"
	TaskFailed     TaskState = "failed"
	TaskReverting  TaskState = "reverting"
	TaskReverted   TaskState = "reverted"
	TaskCancelling TaskState = "cancelling"
	TaskPausing    TaskState = "pausing"
	TaskPaused     TaskState = "paused"
	TaskResuming   TaskState = "resuming"
	TaskModifying  TaskState = "modifying"
)

// TaskStates lists every task state, in the order of the diagram:
//
//	pending ─┬─> running ─┬─> succeed <──┐
//	         │            ├─> reverting ─┴─> reverted
//	         ├─> cancelling ──> reverting
//	         ├─> pausing ──> paused ──> resuming ──> running
//	         ├─> modifying ──> (the state before)
//	         └─> failed (the framework cannot handle the task)
var TaskStates = []TaskState{
	TaskPending, TaskRunning, TaskSucceed, TaskFailed, TaskReverting, TaskReverted,
	TaskCancelling, TaskPausing, TaskPaused, TaskResuming, TaskModifying,
}

// taskMoves is the table of legal moves, those of TiDB v8.5's task state machine
// (pkg/disttask/framework/proto). A paused or resuming task may also be cancelled: TiDB allows
// ADMIN CANCEL of a paused job. A reverting task succeeds when its clean-up
// finds that its effect is in place already and cannot be taken back.
var taskMoves = map[TaskState][]TaskState{
	TaskPending:    {TaskRunning, TaskFailed, TaskCancelling, TaskPausing, TaskModifying, TaskReverting},
	TaskRunning:    {TaskSucceed, TaskReverting, TaskCancelling, TaskPausing, TaskModifying},
	TaskCancelling: {TaskReverting},
	TaskReverting:  {TaskReverted, TaskSucceed},
	TaskPausing:    {TaskPaused, TaskCancelling, TaskReverting},
	TaskPaused:     {TaskResuming, TaskCancelling, TaskModifying},
	TaskResuming:   {TaskRunning, TaskCancelling},
	TaskModifying:  {TaskPending, TaskRunning, TaskPaused, TaskCancelling},
}

// CanMove says whether a task may go from s to next.
func (s TaskState) CanMove(next TaskState) bool {
	for _, n := range taskMoves[s] {
		if n == next {
			return true
		}
	}
	return false
}

// Ended says whether s is an end state.
func (s TaskState) Ended() bool {
	return s == TaskSucceed || s == TaskReverted || s == TaskFailed
}

// SubtaskState is the state of a subtask, spelled as TiDB spells it in
// tidb_background_subtask.state ("canceled" with one l).
type SubtaskState string

// Subtask states.
const (
	SubtaskPending  SubtaskState = "pending"
	SubtaskRunning  SubtaskState = "running"
	SubtaskSucceed  SubtaskState = "succeed"
	SubtaskFailed   SubtaskState = "failed"
	SubtaskCanceled SubtaskState = "canceled"
	SubtaskPaused   SubtaskState = "paused"
)

// SubtaskStates lists every subtask state.
var SubtaskStates = []SubtaskState{
	SubtaskPending, SubtaskRunning, SubtaskSucceed, SubtaskFailed, SubtaskCanceled, SubtaskPaused,
}

var subtaskMoves = map[SubtaskState][]SubtaskState{
	SubtaskPending: {SubtaskRunning, SubtaskPaused, SubtaskCanceled},
	SubtaskRunning: {SubtaskSucceed, SubtaskFailed, SubtaskCanceled, SubtaskPending, SubtaskPaused},
	SubtaskPaused:  {SubtaskPending, SubtaskCanceled},
}

// CanMove says whether a subtask may go from s to next.
func (s SubtaskState) CanMove(next SubtaskState) bool {
	for _, n := range subtaskMoves[s] {
		if n == next {
			return true
		}
	}
	return false
}

// Ended says whether s is an end state.
func (s SubtaskState) Ended() bool {
	return s == SubtaskSucceed || s == SubtaskFailed || s == SubtaskCanceled
}
