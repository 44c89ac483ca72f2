package dxf

import "fmt"

// Step is a phase of a task; steps run in order. Its number is stored in the
// column step of both task tables; StepInit and StepDone are TiDB's.
type Step int

// Steps. The numbers of the backfill type are ours: the work is another than
// TiDB's (rows are copied into a shadow table, not indexes into a key space).
const (
	StepInit Step = -1
	StepDone Step = -2

	StepCopy    Step = 1 // all nodes: ranges of rows into the shadow table
	StepBuild   Step = 2 // one subtask: all secondary indexes on the shadow; the others compare both tables meanwhile
	StepVerify  Step = 3 // all nodes: the ranges that differed then, compared again and settled
	StepCutover Step = 4 // one subtask: the shadow takes the table's name
	StepNative  Step = 5 // one subtask: the store's own DDL
)

// String names the step as logs and COMMENTS do.
func (s Step) String() string {
	switch s {
	case StepInit:
		return "init"
	case StepDone:
		return "done"
	case StepCopy:
		return "copy"
	case StepBuild:
		return "build"
	case StepVerify:
		return "verify"
	case StepCutover:
		return "cutover"
	case StepNative:
		return "native"
	}
	return fmt.Sprintf("step %d", int(s))
}
