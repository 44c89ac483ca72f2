package dxf

import (
	"fmt"
	"time"
)

// TaskType is the kind of a task, as in tidb_global_task.type.
type TaskType string

// Task types and their numbers in tidb_background_subtask.type.
const (
	Backfill   TaskType = "backfill"
	ImportInto TaskType = "ImportInto"
)

// Number is the type's number in tidb_background_subtask.type.
func (t TaskType) Number() int {
	switch t {
	case ImportInto:
		return 2
	case Backfill:
		return 3
	}
	return 0
}

// MaxRunningTasks is how many tasks the owner runs at once, ADD INDEX and
// IMPORT together; the rest queue (TiDB's number).
const MaxRunningTasks = 16

// DefaultPriority is the priority every task gets; 1 is the best, 1024 the worst.
const DefaultPriority = 512

// A Task is what the framework runs for a job: a row of tidb_global_task.
type Task struct {
	ID           int64
	Key          string // see BackfillKey
	Type         TaskType
	State        TaskState
	Step         Step
	Priority     int
	Concurrency  int // slots the task may hold on each node
	TargetScope  string
	MaxNodeCount int    // 0: no limit
	Meta         []byte // JSON of the type's meta, BackfillMeta for Backfill
	Error        *Error // why it is reverting, reverted or failed
	ErrorCount   int    // retryable errors its subtasks have met
	ModifyParams []byte // JSON, TiDB's shape; nil when nothing is asked
	CreateTime   time.Time
	StartTime    time.Time // zero until first planned
	UpdateTime   time.Time
	EndTime      time.Time
}

// BackfillKey is the task key of a DDL job.
func BackfillKey(jobID int64) string { return fmt.Sprintf("ddl/backfill/%d", jobID) }

// Rank orders tasks: better ones first (priority, then age, then id).
func (t Task) Rank(o Task) int {
	switch {
	case t.Priority != o.Priority:
		return t.Priority - o.Priority
	case !t.CreateTime.Equal(o.CreateTime):
		return t.CreateTime.Compare(o.CreateTime)
	case t.ID < o.ID:
		return -1
	case t.ID > o.ID:
		return 1
	}
	return 0
}
