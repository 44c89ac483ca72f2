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

// Steps of the ImportInto type. Import and post-process have TiDB's numbers.
const (
	StepImport       Step = 1  // all nodes: pieces of files into the staging table
	StepPostProcess  Step = 2  // one subtask: rows counted against the sources, ANALYZE
	StepProbe        Step = 10 // every node: which of them see the files on their disks
	StepBuildIndexes Step = 11 // one subtask: all secondary indexes on the staging table
	StepPublish      Step = 12 // one subtask: the staging table takes the table's name
)

// StepName names a step of the type as logs and COMMENTS do.
func (t TaskType) StepName(s Step) string {
	if t == ImportInto {
		switch s {
		case StepImport:
			return "import"
		case StepPostProcess:
			return "post-process"
		case StepProbe:
			return "probe"
		case StepBuildIndexes:
			return "build"
		case StepPublish:
			return "publish"
		}
	}
	return s.String()
}

// String names the step of a backfill.
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
