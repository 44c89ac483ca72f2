package executor

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A Worker is what the executors of all task types have in common.
type Worker struct {
	// Hold asks all nodes to hold back what clients begin outside a transaction,
	// for d; 0 ends it. They may not hear of it. nil: nobody is held.
	Hold func(d time.Duration)
	// LockWait says how long an exchange may wait in the table's queue, with
	// everybody behind it, once it has tried without in vain; 0 is never. nil: never.
	LockWait func(ctx context.Context) time.Duration
	// Wake makes all nodes look at the store, and their changefeeds. nil: they find out by
	// polling.
	Wake func()
	// Secret keeps the names of locks from others.
	Secret dxf.Secret

	kind   dxf.Type // whose steps it names
	DB     *sql.DB
	Leases Leases
	log    *zap.Logger

	mu    sync.Mutex
	paces map[int64]*Pace // by task
	infos map[string]*table.Info
	kept  patience
}

func NewWorker(kind dxf.Type, db *sql.DB, leases Leases, log *zap.Logger) *Worker {
	if log == nil {
		log = zap.NewNop()
	}
	return &Worker{kind: kind, DB: db, Leases: leases, log: log, paces: map[int64]*Pace{}, infos: map[string]*table.Info{}}
}

// maxInfos is how many tables are remembered: a job has two.
const maxInfos = 64

// Info reads a table, or its definition alone if it is what it was: of each piece of a
// large table that would be asked again, and it is seven questions.
func (w *Worker) Info(ctx context.Context, q server.Querier, schema, name string) (*table.Info, error) {
	key := server.Quote(schema, name)
	w.mu.Lock()
	known := w.infos[key]
	w.mu.Unlock()
	if known != nil {
		text, err := table.ShowCreate(ctx, q, schema, name)
		if err != nil {
			return nil, err
		}
		if print := table.Fingerprint(text); print != "" && print == known.Fingerprint {
			same := *known
			return &same, nil
		}
	}
	info, err := table.Load(ctx, q, schema, name)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.infos) >= maxInfos {
		clear(w.infos)
	}
	same := *info
	w.infos[key] = &same
	return info, nil
}

// Run is one run of one subtask, of whichever type.
type Run struct {
	*Worker
	schema, table string
	step          string // its name
	Task          dxf.Task
	Subtask       dxf.Subtask
	Summary       dxf.Summary
	report        func(dxf.Summary)
	Log           *zap.Logger
}

func (w *Worker) Begin(t dxf.Task, s dxf.Subtask, report func(dxf.Summary)) Run {
	name := w.kind.StepName(s.Step)
	k := Run{
		Worker: w, step: name, Task: t, Subtask: s, Summary: s.Summary, report: report,
		Log: w.log.With(zap.Int64("task", t.ID), zap.Int64("subtask", s.ID), zap.String("step", name)),
	}
	k.Summary.Waiting = ""
	return k
}

// ReadMeta reads the task's meta.
func (r *Run) ReadMeta(meta any) error {
	if err := json.Unmarshal(r.Task.Meta, meta); err != nil {
		return dxf.Errorf("read the meta of task %d: %s", r.Task.ID, err)
	}
	return nil
}

// RunStep runs the subtask's step of the task type's, for a table.
func (r *Run) RunStep(ctx context.Context, schema, table string, steps map[dxf.Step]func(context.Context) error) (dxf.Summary, error) {
	r.schema, r.table = schema, table
	step := steps[r.Subtask.Step]
	if step == nil {
		return r.Summary, dxf.Errorf("a task of type %s has no %s", r.Task.Type, r.step)
	}
	err := step(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // what the work says is only its consequence
	}
	r.Summary.Waiting = ""
	if err != nil {
		err = fmt.Errorf("%s of %s.%s: %w", r.step, r.schema, r.table, err)
	}
	return r.Summary, err
}

// Progress reports the summary as it is.
func (r *Run) Progress() {
	if r.report != nil {
		r.report(r.Summary)
	}
}

// Waiting reports what the subtask waits for; "" when it waits no longer.
func (r *Run) Waiting(format string, args ...any) {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	if r.Summary.Waiting != text {
		r.Summary.Waiting = text
		r.Progress()
	}
}
