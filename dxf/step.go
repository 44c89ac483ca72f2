package dxf

import "fmt"

// Step is a phase of a task; steps run in order. Its number is stored in the
// column step of both task tables. Those of a task type have positive numbers, and are
// named by the type alone (Type.StepName): another type has other steps under the same
// numbers.
type Step int

// StepInit and StepDone are every task's, with TiDB's numbers.
const (
	StepInit Step = -1
	StepDone Step = -2
)

// String names the steps that all types have, and numbers the others.
func (s Step) String() string {
	switch s {
	case StepInit:
		return "init"
	case StepDone:
		return "done"
	}
	return fmt.Sprintf("step %d", int(s))
}
