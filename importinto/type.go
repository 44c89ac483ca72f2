package importinto

import (
	"dxfproxy/dxf"
)

// Name is the name of the task type.
const Name dxf.TaskType = "ImportInto"

// Steps of an import. Import and post-process have TiDB's numbers.
const (
	StepImport      dxf.Step = 1  // all nodes: pieces of files into the staging table
	StepPostProcess dxf.Step = 2  // one subtask: rows counted against the sources, ANALYZE
	StepProbe       dxf.Step = 10 // every node: which of them see the files on their disks
	StepBuild       dxf.Step = 11 // one subtask: all secondary indexes on the staging table
	StepPublish     dxf.Step = 12 // one subtask: the staging table takes the table's name
)

// Type is what the framework knows of imports, but for who plans and works.
var Type = dxf.Type{
	Name: Name, Number: 2, Key: "ImportInto/", Job: dxf.JobImport,
	Steps: map[dxf.Step]dxf.StepInfo{
		StepImport:      {Name: "import", Counts: true},
		StepPostProcess: {Name: "post-process"},
		StepProbe:       {Name: "probe"},
		StepBuild:       {Name: "build"},
		StepPublish:     {Name: "publish", Effects: true},
	},
	Panicked: dxf.Errorf("panic occurred during import, please check log"),
	Unplaced: "no node that can read the files is there",
}
