package importinto_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/executor/executortest"
	"dxfproxy/importinto"
	"dxfproxy/source"
	"dxfproxy/table"
)

// importJob takes one import through its steps on a real store.
type importJob struct {
	*executortest.Rig
	imp  *importinto.Planner
	run  *importinto.Worker
	id   int64
	meta importinto.Meta
	dir  string
}

// startImport makes the tables and the files, and submits the import of t from all
// files of the suffix of the first.
func startImport(t *testing.T, files map[string]string, change func(*importinto.Meta), tables ...string) *importJob {
	t.Helper()
	j := &importJob{Rig: executortest.New(t, srv, zap.WarnLevel, importinto.Type), dir: t.TempDir()}
	suffix := ""
	for name, text := range files {
		suffix = filepath.Ext(name)
		require.NoError(t, os.WriteFile(filepath.Join(j.dir, name), []byte(text), 0o644))
	}
	for _, q := range tables {
		j.SQL(q)
	}
	j.imp = importinto.NewPlanner(j.Store.SQL(), j.Store, j.Log)
	j.run = importinto.NewWorker(j.Store.SQL(), j.Store, executortest.Node, importinto.DefaultLimits(2), j.Log)
	var err error
	j.run.Sources, err = source.NewPolicy(source.Rules{Dirs: []string{j.dir}})
	require.NoError(t, err)
	info, err := table.Load(t.Context(), j.DB, j.Schema, "t")
	require.NoError(t, err)
	meta := importinto.Meta{
		MetaHead: dxf.MetaHead{Schema: j.Schema, Table: "t"}, Fingerprint: info.Fingerprint, Location: filepath.Join(j.dir, "*"+suffix), Format: "csv",
		CSV:     decode.CSVConfig{Terminated: ",", Enclosed: `"`, Escaped: `\`, Null: `\N`},
		SQLMode: "STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE", TimeZone: "+02:00", Thread: 2, Checksum: "required",
	}
	if change != nil {
		change(&meta)
	}
	j.id, err = j.Store.SubmitImport(t.Context(), dxf.ImportJob{Schema: j.Schema, Table: "t", CreatedBy: "root@%"},
		dxf.NewTask{Type: importinto.Name, Concurrency: 4, Meta: &meta})
	require.NoError(t, err)
	j.reload()
	return j
}

func (j *importJob) reload() {
	j.Helper()
	j.meta = importinto.Meta{}
	j.Load(&j.meta)
}

// next plans the step after the present one and writes it; false at the end.
func (j *importJob) next() bool {
	j.Helper()
	if !j.Advance(j.imp) {
		return false
	}
	j.reload()
	return true
}

// step runs the pending subtasks of the step.
func (j *importJob) step() error {
	j.Helper()
	var first error
	for _, s := range j.Lease() {
		sum, err := j.run.RunSubtask(j.Context(), j.Task, s, nil)
		if err == nil {
			// Whatever runs twice does what it did once.
			subs, serr := j.Store.Subtasks(j.Context(), j.Task.ID, j.Task.Step)
			require.NoError(j, serr)
			sum, err = j.run.RunSubtask(j.Context(), j.Task, subs[s.Ordinal-1], nil)
		}
		if err == nil {
			err = j.Store.Finish(context.WithoutCancel(j.Context()), s.Lease(), dxf.SubtaskSucceed, sum, nil)
		}
		first = errors.Join(first, err)
	}
	return first
}

// until takes the import to the end of a step.
func (j *importJob) until(step dxf.Step) error {
	j.Helper()
	for j.Task.Step != step && j.next() {
		if err := j.step(); err != nil {
			return err
		}
	}
	return nil
}

// finish takes it to its end and cleans up.
func (j *importJob) finish() {
	j.Helper()
	require.NoError(j, j.until(dxf.StepDone))
	won, err := j.imp.OnDone(j.Context(), j.Task, nil)
	require.NoError(j, err)
	require.True(j, won)
	won, err = j.imp.OnDone(j.Context(), j.Task, nil)
	require.NoError(j, err)
	require.True(j, won, "and again")
	j.RequireClean()
}

// fail takes it to a step that must end with the error, and cleans up.
func (j *importJob) fail(step dxf.Step) *dxf.Error {
	j.Helper()
	err := j.until(step)
	require.Error(j, err)
	require.False(j, j.run.IsRetryableErr(err), "%v", err)
	j.undone()
	return dxf.ErrorOf(err)
}

// undone cleans up: the table is as it was.
func (j *importJob) undone() {
	j.Helper()
	for range 2 {
		won, err := j.imp.OnDone(j.Context(), j.Task, nil)
		require.NoError(j, err)
		require.False(j, won)
	}
	j.RequireClean()
}

const importBase = "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT, a INT, b VARCHAR(20), PRIMARY KEY (id), KEY ka (a), UNIQUE KEY ub (b))"

func TestImport(t *testing.T) {
	var csv strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&csv, "%d,%d,\"b%d\"\n", i*2+1, i%100, i)
	}
	j := startImport(t, map[string]string{"1.csv": csv.String(), "2.csv": "20000,\\N,\"x,\"\"y\\n\"\n", "3.csv": ""}, nil, importBase, "ALTER TABLE t AUTO_INCREMENT = 50000")
	require.True(t, j.next())
	require.Equal(t, importinto.StepProbe, j.Task.Step)
	require.NoError(t, j.step())
	require.NoError(t, j.until(importinto.StepImport))
	require.Equal(t, []string{executortest.Node}, j.meta.Seen)
	require.Len(t, j.meta.Indexes, 2)
	require.Equal(t, "0", j.Query("SELECT COUNT(*) FROM t"))
	require.NoError(t, j.until(importinto.StepPostProcess))
	require.EqualValues(t, 5001, j.meta.Rows)
	before, err := table.Load(t.Context(), j.DB, j.Schema, "t")
	require.NoError(t, err)
	j.finish()
	after, err := table.Load(t.Context(), j.DB, j.Schema, "t")
	require.NoError(t, err)
	require.Equal(t, before.Fingerprint, after.Fingerprint)
	require.Equal(t, "5001", j.Query("SELECT COUNT(*) FROM t"))
	require.Equal(t, "2500", j.Query("SELECT COUNT(*) FROM t WHERE a < 50 AND b = CONCAT('b', (id - 1) DIV 2)"))
	require.Equal(t, "x,\"y\n", j.Query("SELECT b FROM t WHERE id = 20000 AND a IS NULL"))
	j.SQL("INSERT INTO t (a) VALUES (1)")
	require.Equal(t, "50000", j.Query("SELECT MAX(id) FROM t"))
}
