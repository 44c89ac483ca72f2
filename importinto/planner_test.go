package importinto_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/source"
)

// seen is a store in which nodes have said what files they see.
type seen struct {
	importinto.PlannerStore
	subs []dxf.Subtask
}

func (s seen) Subtasks(context.Context, int64, dxf.Step) ([]dxf.Subtask, error) { return s.subs, nil }

// TestImportLoadedElsewhere: the rows of a piece are where its checkpoint is, whatever a node
// has told.
func TestImportLoadedElsewhere(t *testing.T) {
	task := dxf.Task{ID: 1, Type: importinto.Name, State: dxf.TaskRunning, Step: importinto.StepImport, Meta: []byte(`{"job_id":3}`)}
	piece := func(l importinto.Loaded) dxf.Subtask {
		return dxf.Subtask{State: dxf.SubtaskSucceed, ExecID: "n1", Summary: dxf.Summary{RowCount: 7}, Checkpoint: marshal(t, l)}
	}
	subs := []dxf.Subtask{piece(importinto.Loaded{Rows: 7, All: true}), piece(importinto.Loaded{Rows: 3})}
	_, err := importinto.NewPlanner(nil, seen{subs: subs}, nil).Plan(t.Context(), task, 1, nil)
	require.ErrorContains(t, err, "node n1 has loaded a part of the files into another server")
	subs[1] = piece(importinto.Loaded{Rows: 7, All: true})
	p, err := importinto.NewPlanner(nil, seen{subs: subs}, nil).Plan(t.Context(), task, 1, nil)
	require.NoError(t, err)
	var m importinto.Meta
	require.NoError(t, json.Unmarshal(p.Meta, &m))
	require.EqualValues(t, 14, m.Rows)
}

// TestImportNarrowed: of a disk's files only nodes that see the same ones run pieces.
func TestImportNarrowed(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	schema, db := mariadbdtest.Schema(t, srv)
	_, err := db.Exec("CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY (a))")
	require.NoError(t, err)
	packed, err := importinto.PackPieces([]source.Piece{{Path: "/x/1.csv", Size: 10}, {Path: "/x/2.csv", Size: 20}})
	require.NoError(t, err)
	probe := func(node, sum string) dxf.Subtask {
		p := importinto.Probe{Node: node, Sum: sum, Files: packed}
		if sum == "" {
			p.Files, p.Error = nil, &dxf.Error{Code: 8160, State: "HY000", Message: "no such file"}
		}
		return dxf.Subtask{State: dxf.SubtaskSucceed, Checkpoint: marshal(t, p)}
	}
	task := dxf.Task{ID: 1, Type: importinto.Name, State: dxf.TaskRunning, Step: importinto.StepProbe, Meta: marshal(t, importinto.Meta{
		MetaHead: dxf.MetaHead{JobID: 3, Schema: schema, Table: "t"}, Location: "/x/*.csv", Format: "csv", Local: true,
	})}

	x := importinto.NewPlanner(db, seen{subs: []dxf.Subtask{probe("n1", "a"), probe("n2", "b"), probe("n3", "a"), probe("n4", "")}}, nil)
	p, err := x.Plan(t.Context(), task, 4, nil)
	require.NoError(t, err)
	require.Equal(t, importinto.StepImport, p.Step)
	then := dxf.Task{ID: 1, Type: importinto.Name, Step: p.Step, Meta: p.Meta}
	all := []dxf.Node{{ID: "n1"}, {ID: "n2"}, {ID: "n3"}, {ID: "n4"}}
	require.Equal(t, []dxf.Node{{ID: "n1"}, {ID: "n3"}}, x.Eligible(then, all))
	then.Step = importinto.StepBuild
	require.Equal(t, all, x.Eligible(then, all), "who builds reads no files")
	won, err := x.OnDone(t.Context(), then, nil)
	require.NoError(t, err)
	require.False(t, won)
	var n int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()").Scan(&n))
	require.Equal(t, 1, n)

	// Of groups that disagree that of the client's node counts.
	own := task
	own.Meta = marshal(t, importinto.Meta{
		MetaHead: dxf.MetaHead{JobID: 3, Schema: schema, Table: "t"}, Location: "/x/*.csv", Format: "csv", Local: true, Node: "n2",
	})
	p, err = x.Plan(t.Context(), own, 4, nil)
	require.NoError(t, err)
	then = dxf.Task{ID: 1, Type: importinto.Name, Step: p.Step, Meta: p.Meta}
	require.Equal(t, []dxf.Node{{ID: "n2"}}, x.Eligible(then, all))
	own.MaxNodeCount = 1
	require.Equal(t, []dxf.Node{{ID: "n2"}}, x.Eligible(own, all), "its own disk is meant")
	require.Equal(t, all[2:], x.Eligible(own, all[2:]), "another one may try")
	_, err = x.OnDone(t.Context(), then, nil)
	require.NoError(t, err)

	x = importinto.NewPlanner(db, seen{subs: []dxf.Subtask{probe("n4", "")}}, nil)
	_, err = x.Plan(t.Context(), task, 1, nil)
	require.Equal(t, uint16(8160), dxf.ErrorOf(err).Code)
	require.False(t, x.IsRetryableErr(err))
}

// TestImportJob: what the user sees of the task's states, and that secrets go.
func TestImportJob(t *testing.T) {
	x := importinto.NewPlanner(nil, nil, nil)
	task := dxf.Task{Type: importinto.Name, Meta: marshal(t, importinto.Meta{
		MetaHead: dxf.MetaHead{JobID: 3, Rows: 5, Size: 9}, Location: "s3://b/k?access-key=A&secret-access-key=S", Sealed: "x",
	})}
	cancelled := &dxf.Error{Code: 8214, State: "HY000", Message: "cancelled by user"}
	for _, c := range []struct {
		state  dxf.TaskState
		step   dxf.Step
		e      *dxf.Error
		status dxf.ImportStatus
		phase  dxf.ImportPhase
	}{
		{dxf.TaskPending, dxf.StepInit, nil, dxf.ImportPending, ""},
		{dxf.TaskRunning, importinto.StepProbe, nil, dxf.ImportRunning, dxf.PhaseImporting},
		{dxf.TaskRunning, importinto.StepImport, nil, dxf.ImportRunning, dxf.PhaseImporting},
		{dxf.TaskRunning, importinto.StepBuild, nil, dxf.ImportRunning, dxf.PhaseImporting},
		{dxf.TaskRunning, importinto.StepPostProcess, nil, dxf.ImportRunning, dxf.PhaseValidating},
		{dxf.TaskCancelling, importinto.StepPublish, cancelled, dxf.ImportRunning, dxf.PhaseValidating},
		{dxf.TaskReverting, importinto.StepPublish, cancelled, dxf.ImportRunning, dxf.PhaseValidating},
		{dxf.TaskReverted, importinto.StepPublish, cancelled, dxf.ImportCancelled, dxf.PhaseValidating},
		{dxf.TaskReverted, importinto.StepImport, dxf.Errorf("why"), dxf.ImportFailed, dxf.PhaseImporting},
		{dxf.TaskSucceed, dxf.StepDone, nil, dxf.ImportFinished, ""},
	} {
		a := dxf.Advance{Task: task, State: c.state, Step: c.step}
		x.Complete(&a, c.e)
		j := dxf.ImportJob{Status: dxf.ImportPending}
		if c.state != dxf.TaskPending {
			j.Status, j.Phase = dxf.ImportRunning, c.phase
		}
		a.Change(&j)
		require.Equal(t, c.status, j.Status, "%s", c.state)
		require.Equal(t, c.phase, j.Phase, "%s", c.state)
		require.EqualValues(t, 9, j.SourceSize)
		if c.state.Ended() {
			var m importinto.Meta
			require.NoError(t, json.Unmarshal(a.Meta, &m))
			require.NotContains(t, m.Location, "=S")
			require.Empty(t, m.Sealed)
			require.Contains(t, m.Location, "s3://b/k?")
		} else {
			require.Nil(t, a.Meta)
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}
