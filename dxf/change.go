package dxf

import "time"

// Advance is the heart of the framework: one transaction that checks the state
// and step the task was read in, writes the new ones, inserts the subtasks of
// the new step, and updates the task's job. The first Advance that leaves
// pending for running stamps the task's start_time, one to an end state its
// end_time; one that leaves modifying clears modify_params.
type Advance struct {
	Task  Task // as read
	State TaskState
	Step  Step
	// Concurrency is the task's new one; 0 keeps what is there.
	Concurrency int
	Error       *Error    // nil keeps what is there; a task that succeeds has none
	Meta        []byte    // nil keeps what is there
	Subtasks    []Subtask // of Step; Ordinal, ExecID and Meta are read; they begin pending
	Job         JobRef    // zero: the task has none
	// Change changes the job's row in the same transaction; nil leaves it as it is. A
	// DDL job whose state has ended afterwards moves to tidb_ddl_history. Of a job that
	// had ended before nothing is changed.
	Change func(JobRow)
}

// NewMeta is the task's meta after the move.
func (a Advance) NewMeta() []byte {
	if a.Meta != nil {
		return a.Meta
	}
	return a.Task.Meta
}

// Placement binds a subtask to a node.
type Placement struct {
	SubtaskID int64
	Epoch     int64 // as read
	ExecID    string
}

// Assignment is a subtask bound to a node, with its task.
type Assignment struct {
	Subtask Subtask
	Task    Task
}

// FeedCommit is what one applied window changes in the feed's row.
type FeedCommit struct {
	File    string
	Pos     uint32
	Mark    string   // of the file; see Feed.FileMark
	Applied int64    // row changes in this window
	Mode    FeedMode // as it was, or paused/sealed when a marker asked for it
	Markers []int64  // ids of the markers met
}

// Progress is how far a job is, for progress packets and the demo.
type Progress struct {
	State    TaskState
	Step     Step
	Done     int64 // rows of this step
	Total    int64 // estimate of the rows of this step
	Subtasks []Subtask
	Waiting  string

	// Of an import: its step import, whatever Step is now.
	Bytes, Size int64         // read so far, and of all files, as stored
	Elapsed     time.Duration // since its first subtask began, by the store's clock; 0 before
	Note        string        // for people: which nodes see the files, why the names are not exchanged
}
