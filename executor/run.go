package executor

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A Run is one run of one subtask, from its last checkpoint on. A type's own run embeds it and
// has a method for each step.
type Run struct {
	*Worker
	Task    dxf.Task
	Subtask dxf.Subtask
	Summary dxf.Summary // what Progress reports, and RunStep returns
	Log     *zap.Logger // names task, subtask and step

	schema, table string // the job's table, from RunStep on
	step          string // the step's name
	report        func(dxf.Summary)
}

// Begin makes the run of a subtask; report is RunSubtask's, and may be nil.
func (w *Worker) Begin(t dxf.Task, s dxf.Subtask, report func(dxf.Summary)) Run {
	name := w.kind.StepName(s.Step)
	r := Run{
		Worker: w, step: name, Task: t, Subtask: s, Summary: s.Summary, report: report,
		Log: w.log.With(zap.Int64("task", t.ID), zap.Int64("subtask", s.ID), zap.String("step", name)),
	}
	r.Summary.Waiting = ""
	return r
}

// RunStep does the subtask's step, which is one of steps, for a job that is about schema.table.
// Its error names the step and the table, and is the cause of ctx where that has ended.
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

// SameTable refuses to go on where the job's table is another one than that which had the
// identity want (table.Identity): dropped and made again, or renamed. want "" is not looked
// at.
func (r *Run) SameTable(ctx context.Context, q server.Querier, want string) error {
	if want == "" {
		return nil
	}
	id, err := table.Identity(ctx, q, r.schema, r.table)
	if err == nil && id != want {
		return dxf.SchemaChanged("")
	}
	return err
}

// Blocker says in words which connection, other than those of except, may hold the metadata
// lock of the job's table; "" where none is seen.
func (r *Run) Blocker(ctx context.Context, except ...int64) string {
	return server.Blocker(ctx, r.DB, r.schema, r.table, except...)
}
