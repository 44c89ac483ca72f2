package backfill

import (
	"encoding/json"

	"dxfproxy/dxf"
)

// Name is the name of the task type.
const Name dxf.TaskType = "backfill"

// Steps of a backfill. The numbers are ours: the work is another than TiDB's (rows are
// copied into a shadow table, not indexes into a key space).
const (
	StepCopy    dxf.Step = 1 // all nodes: ranges of rows into the shadow table
	StepBuild   dxf.Step = 2 // one subtask: all secondary indexes on the shadow; the others compare both tables meanwhile
	StepVerify  dxf.Step = 3 // all nodes: the ranges that differed then, compared again and settled
	StepCutover dxf.Step = 4 // one subtask: the shadow takes the table's name
	StepNative  dxf.Step = 5 // one subtask: the store's own DDL
)

// Type is what the framework knows of backfills, but for who plans and works.
var Type = dxf.Type{
	Name: Name, Number: 3, Key: "ddl/backfill/", Job: dxf.JobDDL,
	Steps: map[dxf.Step]dxf.StepInfo{
		StepCopy:    {Name: "copy", Counts: true},
		StepBuild:   {Name: "build"},
		StepVerify:  {Name: "verify"},
		StepCutover: {Name: "cutover", Effects: true},
		StepNative:  {Name: "native", Counts: true, Effects: true},
	},
	Cancelled:  &dxf.Error{Code: 8214, State: "HY000", Message: "Cancelled DDL job", Class: "ddl"},
	Panicked:   &dxf.Error{Code: 8211, State: "HY000", Message: "Reorg worker panic", Class: "ddl"},
	Modify:     modify,
	ErrorLimit: errorLimit,
}

func modify(meta []byte, c dxf.Modification) ([]byte, error) {
	return dxf.ModifyMeta(meta, func(m *Meta) {
		switch c.Type {
		case dxf.ModifyConcurrency:
			m.Thread = int(c.To)
		case dxf.ModifyBatchSize:
			m.BatchSize = int(c.To)
		case dxf.ModifyMaxWriteSpeed:
			m.MaxWriteSpeed = c.To
		}
	})
}

func errorLimit(meta []byte) int64 {
	var m Meta
	if json.Unmarshal(meta, &m) != nil {
		return dxf.DefaultErrorLimit
	}
	return m.ErrorLimit
}
