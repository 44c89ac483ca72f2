package executor_test

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

// node is the only one.
const node = "n1:4000"

// A rig is one task on a real store, of which the test is the owner and the only node.
type rig struct {
	*testing.T
	db     *sql.DB
	store  *store.DB
	schema string
	term   dxf.Term
	task   dxf.Task
	log    *zap.Logger
	types  dxf.Types
}

// newRig opens a store on a server with a schema of the test's own, and tasks of a type.
func newRig(t *testing.T, srv *mariadbd.Server, level zapcore.Level, kind dxf.Type) *rig {
	t.Helper()
	r := &rig{T: t, log: zaptest.NewLogger(t, zaptest.Level(level)), types: dxf.TypesOf(kind)}
	r.schema, r.db = mariadbdtest.Schema(t, srv)
	var err error
	r.store, err = store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: r.types, Schema: "dxf_" + r.schema})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := r.db.Exec("DROP DATABASE dxf_" + r.schema)
		require.NoError(t, err)
		require.NoError(t, r.store.Close())
	})
	n := dxf.Node{ID: node, CPUCount: 4, UUID: "u"}
	require.NoError(t, r.store.Register(t.Context(), n))
	r.term, err = r.store.Campaign(t.Context(), n)
	require.NoError(t, err)
	return r
}

// load reads the task as it is now, and its meta.
func (r *rig) load(meta any) {
	r.Helper()
	tasks, err := r.store.Tasks(r.Context())
	require.NoError(r, err)
	require.Len(r, tasks, 1)
	r.task = tasks[0]
	require.NoError(r, json.Unmarshal(r.task.Meta, meta))
}

// advance plans the step after the present one and writes it; false at the end.
func (r *rig) advance(plan dxf.Planner) bool {
	r.Helper()
	p, err := plan.Plan(r.Context(), r.task, 1, nil)
	require.NoError(r, err)
	if p.Step == dxf.StepDone {
		return false
	}
	for i := range p.Subtasks {
		p.Subtasks[i].ExecID, p.Subtasks[i].Ordinal = node, i+1
	}
	a := dxf.Advance{Task: r.task, State: dxf.TaskRunning, Step: p.Step, Meta: p.Meta, Subtasks: p.Subtasks, Job: r.types[r.task.Type].JobOf(r.task)}
	plan.Complete(&a, nil)
	require.NoError(r, r.store.Advance(r.Context(), r.term, a))
	return true
}

// lease takes the step's pending subtasks.
func (r *rig) lease() []dxf.Subtask {
	r.Helper()
	subs, err := r.store.Subtasks(r.Context(), r.task.ID, r.task.Step)
	require.NoError(r, err)
	var leased []dxf.Subtask
	for _, s := range subs {
		if s.State == dxf.SubtaskPending {
			s, err = r.store.Lease(r.Context(), s)
			require.NoError(r, err)
			leased = append(leased, s)
		}
	}
	return leased
}

func (r *rig) query(q string, args ...any) (s string) {
	r.Helper()
	require.NoError(r, r.db.QueryRowContext(r.Context(), q, args...).Scan(&s), q)
	return s
}

func (r *rig) sql(q string, args ...any) {
	r.Helper()
	_, err := r.db.ExecContext(r.Context(), q, args...)
	require.NoError(r, err, q)
}

func (r *rig) requireClean() {
	r.Helper()
	require.Equal(r, "0", r.query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%dxf%'"))
}

// mustJSON is v as JSON.
func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}
