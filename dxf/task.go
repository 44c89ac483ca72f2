package dxf

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// MaxRunningTasks is how many tasks the owner runs at once, ADD INDEX and
// IMPORT together; the rest queue (TiDB's number).
const MaxRunningTasks = 16

// MostRunningTasks is how many run when accounts that have none come beside as many as
// that, so that a few accounts cannot hold all places: one task of each.
const MostRunningTasks = 2 * MaxRunningTasks

// How many jobs one account may have, in global variables; 0 is no limit.
const (
	MaxUserJobs       = "dxf_max_user_jobs"        // running at once
	MaxUserQueuedJobs = "dxf_max_user_queued_jobs" // unfinished
)

// The defaults: half of the places, so that nobody has all; and more than anybody
// looks through.
const (
	defaultMaxUserJobs       = 8
	DefaultMaxUserQueuedJobs = 64
)

// UserLimit is one of the limits, given the global variables that were set.
func UserLimit(vars map[string]string, name string) int {
	if n, err := strconv.Atoi(vars[name]); err == nil {
		return n
	}
	if name == MaxUserJobs {
		return defaultMaxUserJobs
	}
	return DefaultMaxUserQueuedJobs
}

// TooManyJobs is MySQL's error 1226 for an account that has as many unfinished jobs
// as it may.
func TooManyJobs(user string, limit int) *Error {
	return &Error{
		Code: 1226, State: "42000", Class: "executor",
		Message: fmt.Sprintf("User '%s' has exceeded the '%s' resource (current value: %d)", user, MaxUserQueuedJobs, limit),
	}
}

// DefaultPriority is the priority every task gets; 1 is the best, 1024 the worst.
const DefaultPriority = 512

// A Task is what the framework runs for a job: a row of tidb_global_task.
type Task struct {
	ID           int64
	Key          string // unique for ever; see Type.TaskKey
	Type         TaskType
	State        TaskState
	Step         Step
	Priority     int
	Concurrency  int // slots the task may hold on each node
	TargetScope  string
	User         string // the account whose job it is; "" is none, without limits
	MaxNodeCount int    // 0: no limit
	Meta         []byte // JSON of the type's meta, which begins with a MetaHead
	Error        *Error // why it is reverting, reverted or failed
	ErrorCount   int    // retryable errors its subtasks have met
	ModifyParams []byte // JSON, TiDB's shape; nil when nothing is asked
	CreateTime   time.Time
	StartTime    time.Time // zero until first planned
	UpdateTime   time.Time
	EndTime      time.Time
}

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

// ReadMeta reads the meta into *meta, which is of the type's own.
func (t Task) ReadMeta(meta any) error {
	if err := json.Unmarshal(t.Meta, meta); err != nil {
		return Errorf("read the meta of task %d: %s", t.ID, err)
	}
	return nil
}
