package dxf

// Modify is modify_params of a task that is being modified, in TiDB's shape.
type Modify struct {
	PrevState     TaskState      `json:"prev_state"` // where the task goes back to
	Modifications []Modification `json:"modifications"`
}

// A Modification changes one parameter of a task that is under way.
type Modification struct {
	Type string `json:"type"`
	To   int64  `json:"to"`
}

// Types of modifications.
const (
	ModifyConcurrency   = "modify_concurrency"
	ModifyBatchSize     = "modify_batch_size"
	ModifyMaxWriteSpeed = "modify_max_write_speed" // bytes per second and node, 0 for no limit
)
