package dxf

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// TaskType is the name of a kind of task, as in tidb_global_task.type.
type TaskType string

// A Type is all that the framework knows of a kind of task. Store, dispatcher and
// scheduler are given the same Types and ask them; none of them tells one type from
// another by its name.
//
// Planner and Worker stand here and not beside their callers: a Type is one value, and
// with the words of this package alone a package that makes one imports no part of the
// framework.
type Type struct {
	Name   TaskType
	Number int // in tidb_background_subtask.type
	// Key is what the keys of its tasks begin with; the job's number follows.
	Key   string
	Job   JobKind // of its tasks' jobs
	Steps map[Step]StepInfo

	// Cancelled is what the client of a job that the user cancelled is told; nil is
	// the task's own error, see CancelledByUser. Panicked is a subtask's error when
	// the work panicked.
	Cancelled, Panicked *Error
	// Unplaced says why there are nodes in the task's scope and yet none that may run
	// its subtasks (Planner.Eligible); "" where that cannot be.
	Unplaced string

	// Modify makes a modification in the meta; nil: its tasks have nothing but a
	// concurrency to be modified.
	Modify func(meta []byte, m Modification) ([]byte, error)
	// ErrorLimit is how many retryable errors a task may meet before the next one
	// fails it; nil is DefaultErrorLimit.
	ErrorLimit func(meta []byte) int64

	Planner Planner // nil in the store, and on nodes that are never owner
	Worker  Worker  // nil in the store
}

// StepInfo is what the framework knows of a step.
type StepInfo struct {
	Name string
	// Counts: it reads every row once, so that the rows its subtasks report are the job's.
	Counts bool
	// Effects: when a subtask of it has succeeded, what was asked for is in place, and
	// the job cannot be called back any more.
	Effects bool
}

// DefaultErrorLimit is the default of tidb_ddl_error_count_limit.
const DefaultErrorLimit = 512

// StepName names a step of the type as logs and COMMENTS do.
func (y Type) StepName(s Step) string {
	if info, ok := y.Steps[s]; ok {
		return info.Name
	}
	return s.String()
}

// TaskKey is the key of the task of a job.
func (y Type) TaskKey(job int64) string { return y.Key + strconv.FormatInt(job, 10) }

// JobOf returns the job of a task of the type; the zero JobRef when it has none.
func (y Type) JobOf(t Task) JobRef {
	head, _ := HeadOf(t.Meta)
	return y.JobIn(head)
}

// JobIn is JobOf for callers that have read the head of the task's meta.
func (y Type) JobIn(head MetaHead) JobRef {
	if y.Job == "" || head.JobID == 0 {
		return JobRef{}
	}
	return JobRef{Kind: y.Job, ID: head.JobID}
}

// Late says whether it is too late to cancel or pause the task: what was asked for is in place, or
// may be, so the task goes on to its end. subs counts the subtasks of its step. A last step
// that still waits for a client's lock can be stopped; Planner.OnDone finds out whether it has
// had its effect all the same, and then the job succeeds.
func (y Type) Late(t Task, subs Counts) bool {
	return t.Step == StepDone || y.Steps[t.Step].Effects && subs[SubtaskSucceed] > 0
}

// Doubt marks an error that came before it was known whether what was asked for is in place,
// in the steps that may have put it there.
func (y Type) Doubt(t Task, err error) error {
	if err != nil && (t.Step == StepDone || y.Steps[t.Step].Effects) {
		return InDoubt{Err: err}
	}
	return err
}

// Retries is how many retryable errors the task may meet.
func (y Type) Retries(t Task) int64 {
	if y.ErrorLimit == nil {
		return DefaultErrorLimit
	}
	return y.ErrorLimit(t.Meta)
}

// Counting are the steps that count rows, in order.
func (y Type) Counting() []Step {
	steps := slices.Sorted(maps.Keys(y.Steps))
	return slices.DeleteFunc(steps, func(s Step) bool { return !y.Steps[s].Counts })
}

// Types are the types of tasks that a process knows, by name.
type Types map[TaskType]Type

// plainKey is a Key: it stands in SQL.
var plainKey = regexp.MustCompile(`^[A-Za-z]+(/[A-Za-z]+)*/$`)

// TypesOf makes Types. It panics when two types have the same name, number or key, which are in
// rows of the store and never change.
func TypesOf(all ...Type) Types {
	types := make(Types, len(all))
	for _, y := range all {
		if !plainKey.MatchString(y.Key) {
			panic(fmt.Sprintf("task type %s: key %q is not words that end in a slash", y.Name, y.Key))
		}
		for _, o := range types {
			if o.Name == y.Name || o.Number == y.Number || o.Key == y.Key {
				panic(fmt.Sprintf("task types %s and %s have the same name, number or key", o.Name, y.Name))
			}
		}
		types[y.Name] = y
	}
	return types
}

// WithJobs are the types whose tasks have jobs of a kind, by number.
func (types Types) WithJobs(kind JobKind) (some []Type) {
	for _, y := range types {
		if y.Job == kind {
			some = append(some, y)
		}
	}
	slices.SortFunc(some, func(a, b Type) int { return cmp.Compare(a.Number, b.Number) })
	return some
}

// TaskKeys are the keys that the task of a job may have.
func (types Types) TaskKeys(job JobRef) (keys []string) {
	for _, y := range types.WithJobs(job.Kind) {
		keys = append(keys, y.TaskKey(job.ID))
	}
	return keys
}

// ModifyMeta makes a change in a meta of type M.
func ModifyMeta[M any](meta []byte, change func(*M)) ([]byte, error) {
	var m M
	if err := json.Unmarshal(meta, &m); err != nil {
		return nil, err
	}
	change(&m)
	return json.Marshal(m)
}
