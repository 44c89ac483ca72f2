package dxf

// NewTask is what is submitted: the store makes the Task of it, pending.
type NewTask struct {
	Type         TaskType
	Priority     int // 0 is DefaultPriority
	Concurrency  int // slots the task may hold on each node
	TargetScope  string
	MaxNodeCount int  // 0: no limit
	Meta         Meta // its head is told the job's number
}
