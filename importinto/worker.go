package importinto

import (
	"context"
	"database/sql"
	"sync/atomic"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/seal"
	"dxfproxy/server"
	"dxfproxy/source"
	"dxfproxy/table"
)

// Worker is the dxf.Worker of imports.
type Worker struct {
	*executor.Worker
	// Sources says what may be read; set before the first subtask. Nil is the
	// strictest policy.
	Sources *source.Policy
	// Key opens the secrets of locations. nil: none are sealed.
	Key *seal.Key

	memory  *memory
	node    string       // this one, as subtasks name it
	loading atomic.Int64 // subtasks that load on this node now
}

// NewWorker makes a worker. db is a pool of connections to the store under the
// account that does the jobs' work; node is this node's id; log may be nil.
func NewWorker(db *sql.DB, leases executor.Leases, node string, limits Limits, log *zap.Logger) *Worker {
	return &Worker{Worker: executor.NewWorker(Type, db, leases, log), memory: newMemory(limits), node: node}
}

// RunSubtask works on s until it is done; see dxf.Worker.
func (w *Worker) RunSubtask(ctx context.Context, t dxf.Task, s dxf.Subtask, report func(dxf.Summary)) (dxf.Summary, error) {
	r := &run{Run: w.Begin(t, s, report), worker: w}
	if err := t.ReadMeta(&r.meta); err != nil {
		return r.Summary, err
	}
	return r.RunStep(ctx, r.meta.Schema, r.meta.Table, map[dxf.Step]func(context.Context) error{
		StepProbe:       r.probe,
		StepImport:      r.load,
		StepBuild:       r.build,
		StepPostProcess: r.postProcess,
		StepPublish:     r.publish,
	})
}

// IsRetryableErr says whether the subtask should be tried again in place: the
// store or the source went away for a while.
func (w *Worker) IsRetryableErr(err error) bool {
	return source.Retryable(err) || w.Worker.IsRetryableErr(err)
}

// A run is one run of one subtask.
type run struct {
	executor.Run
	worker *Worker
	meta   Meta
}

// staging loads the staging table. Where another one is loaded in its place, that
// has the same columns.
func (r *run) staging(ctx context.Context, q server.Querier) (*table.Info, error) {
	return table.Load(ctx, q, r.meta.Schema, r.meta.Staging)
}
