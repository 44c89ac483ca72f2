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

// A worker is what the executors of all task types have in common.
type worker struct {
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
	db     *sql.DB
	leases Leases
	log    *zap.Logger

	mu    sync.Mutex
	paces map[int64]*pace // by task
	infos map[string]*table.Info
	kept  kept
}

func newWorker(kind dxf.Type, db *sql.DB, leases Leases, log *zap.Logger) *worker {
	if log == nil {
		log = zap.NewNop()
	}
	return &worker{kind: kind, db: db, leases: leases, log: log, paces: map[int64]*pace{}, infos: map[string]*table.Info{}}
}

// maxInfos is how many tables are remembered: a job has two.
const maxInfos = 64

// info reads a table, or its definition alone if it is what it was: of each piece of a
// large table that would be asked again, and it is seven questions.
func (w *worker) info(ctx context.Context, q server.Querier, schema, name string) (*table.Info, error) {
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

// work is one run of one subtask, of whichever type.
type work struct {
	*worker
	schema, table string
	step          string // its name
	task          dxf.Task
	sub           dxf.Subtask
	sum           dxf.Summary
	report        func(dxf.Summary)
	log           *zap.Logger
}

func (w *worker) begin(t dxf.Task, s dxf.Subtask, report func(dxf.Summary)) work {
	name := w.kind.StepName(s.Step)
	k := work{
		worker: w, step: name, task: t, sub: s, sum: s.Summary, report: report,
		log: w.log.With(zap.Int64("task", t.ID), zap.Int64("subtask", s.ID), zap.String("step", name)),
	}
	k.sum.Waiting = ""
	return k
}

// readMeta reads the task's meta.
func (w *work) readMeta(meta any) error {
	if err := json.Unmarshal(w.task.Meta, meta); err != nil {
		return dxf.Errorf("read the meta of task %d: %s", w.task.ID, err)
	}
	return nil
}

// perform runs the subtask's step of the task type's, for a table.
func (w *work) perform(ctx context.Context, schema, table string, steps map[dxf.Step]func(context.Context) error) (dxf.Summary, error) {
	w.schema, w.table = schema, table
	step := steps[w.sub.Step]
	if step == nil {
		return w.sum, dxf.Errorf("a task of type %s has no %s", w.task.Type, w.step)
	}
	err := step(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // what the work says is only its consequence
	}
	w.sum.Waiting = ""
	if err != nil {
		err = fmt.Errorf("%s of %s.%s: %w", w.step, w.schema, w.table, err)
	}
	return w.sum, err
}

// progress reports the summary as it is.
func (w *work) progress() {
	if w.report != nil {
		w.report(w.sum)
	}
}

// waiting reports what the subtask waits for; "" when it waits no longer.
func (w *work) waiting(format string, args ...any) {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	if w.sum.Waiting != text {
		w.sum.Waiting = text
		w.progress()
	}
}
