// Package executortest takes one task of a type through its steps on a real store, for the
// tests of that type. The test is the owner and the only node, so nothing happens but what
// it asks for.
package executortest

import (
	"database/sql"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
)

// Node is the only one.
const Node = "n1:4000"

// A Rig is one task on a real store, of which the test is the owner and the only node.
type Rig struct {
	*testing.T
	DB     *sql.DB
	Store  *store.DB
	Schema string
	Term   dxf.Term
	Task   dxf.Task
	Log    *zap.Logger
	types  dxf.Types
}

// New opens a store on a server with a schema of the test's own, and tasks of a type.
func New(t *testing.T, srv *mariadbd.Server, level zapcore.Level, kind dxf.Type) *Rig {
	t.Helper()
	r := &Rig{T: t, Log: zaptest.NewLogger(t, zaptest.Level(level)), types: dxf.TypesOf(kind)}
	r.Schema, r.DB = mariadbdtest.Schema(t, srv)
	var err error
	r.Store, err = store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: r.types, Schema: "dxf_" + r.Schema})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := r.DB.Exec("DROP DATABASE dxf_" + r.Schema)
		require.NoError(t, err)
		require.NoError(t, r.Store.Close())
	})
	n := dxf.Node{ID: Node, CPUCount: 4, UUID: "u"}
	require.NoError(t, r.Store.Register(t.Context(), n))
	r.Term, err = r.Store.Campaign(t.Context(), n)
	require.NoError(t, err)
	return r
}

// Load reads the task as it is now, and its meta.
func (r *Rig) Load(meta any) {
	r.Helper()
	tasks, err := r.Store.Tasks(r.Context())
	require.NoError(r, err)
	require.Len(r, tasks, 1)
	r.Task = tasks[0]
	require.NoError(r, json.Unmarshal(r.Task.Meta, meta))
}

// Advance plans the step after the present one and writes it; false at the end.
func (r *Rig) Advance(plan dxf.Planner) bool {
	r.Helper()
	p, err := plan.Plan(r.Context(), r.Task, 1, nil)
	require.NoError(r, err)
	if p.Step == dxf.StepDone {
		return false
	}
	for i := range p.Subtasks {
		p.Subtasks[i].ExecID, p.Subtasks[i].Ordinal = Node, i+1
	}
	a := dxf.Advance{Task: r.Task, State: dxf.TaskRunning, Step: p.Step, Meta: p.Meta, Subtasks: p.Subtasks,
		Job: r.types[r.Task.Type].JobOf(r.Task)}
	plan.Complete(&a, nil)
	require.NoError(r, r.Store.Advance(r.Context(), r.Term, a))
	return true
}

// Lease takes the step's pending subtasks.
func (r *Rig) Lease() []dxf.Subtask {
	r.Helper()
	subs, err := r.Store.Subtasks(r.Context(), r.Task.ID, r.Task.Step)
	require.NoError(r, err)
	var leased []dxf.Subtask
	for _, s := range subs {
		if s.State == dxf.SubtaskPending {
			s, err = r.Store.Lease(r.Context(), s)
			require.NoError(r, err)
			leased = append(leased, s)
		}
	}
	return leased
}

func (r *Rig) Query(q string, args ...any) (s string) {
	r.Helper()
	require.NoError(r, r.DB.QueryRowContext(r.Context(), q, args...).Scan(&s), q)
	return s
}

func (r *Rig) SQL(q string, args ...any) {
	r.Helper()
	_, err := r.DB.ExecContext(r.Context(), q, args...)
	require.NoError(r, err, q)
}

func (r *Rig) RequireClean() {
	r.Helper()
	require.Equal(r, "0", r.Query("SELECT COUNT(*) FROM information_schema.TABLES "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%dxf%'"))
}

// MustJSON is v as JSON.
func MustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}
