package backfill

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Worker is the dxf.Worker of backfills.
type Worker struct {
	*executor.Worker
	store WorkerStore
}

// NewWorker makes a worker. db is a pool of connections to the store
// under the account that does the jobs' work; log may be nil.
func NewWorker(db *sql.DB, store WorkerStore, log *zap.Logger) *Worker {
	return &Worker{Worker: executor.NewWorker(Type, db, store, log), store: store}
}

// RunSubtask works on s until it is done; see dxf.Worker.
func (w *Worker) RunSubtask(ctx context.Context, t dxf.Task, s dxf.Subtask, report func(dxf.Summary)) (dxf.Summary, error) {
	r := &run{Run: w.Begin(t, s, report), store: w.store}
	if err := t.ReadMeta(&r.meta); err != nil {
		return r.Summary, err
	}
	sum, err := r.RunStep(ctx, r.meta.Schema, r.meta.Table, map[dxf.Step]func(context.Context) error{
		StepCopy:    r.copy,
		StepBuild:   r.buildStep,
		StepVerify:  r.verify,
		StepCutover: r.cutover,
		StepNative:  r.native,
	})
	if server.IsErr(err, server.ErrBinlogStmtModeAndRowEngine) {
		err = dxf.StatementsOnly(r.meta.JobID)
	}
	if own := (*dxf.Error)(nil); errors.As(err, &own) && own.Code == dxf.SchemaChanged("").Code {
		err = r.already(ctx, err)
	}
	return sum, err
}

// already is the server's own error where the table has changed because somebody else has
// made the index meanwhile: to try again is no advice then.
func (r *run) already(ctx context.Context, changed error) error {
	text, err := table.ShowCreate(ctx, r.DB, r.meta.Schema, r.meta.Table)
	if err != nil || r.meta.Conditional {
		return changed
	}
	d, err := table.Parse(text)
	if err != nil {
		return changed
	}
	name := d.Present(r.meta.Changes)
	if name == "" {
		return changed
	}
	return &dxf.Error{Code: server.ErrDupKeyName, State: "42000", Class: "ddl", Message: fmt.Sprintf("Duplicate key name '%s'", name)}
}

// A run is one run of one subtask.
type run struct {
	executor.Run
	store WorkerStore
	meta  Meta
}

// span reads the range of a copy, compare or verify subtask.
func (r *run) span() (table.Range, error) {
	var m rangeMeta
	var span table.Range
	if err := json.Unmarshal(r.Subtask.Meta, &m); err != nil {
		return span, dxf.Errorf("read the meta of subtask %d: %s", r.Subtask.ID, err)
	}
	if err := json.Unmarshal(m.Range, &span); err != nil {
		return span, dxf.Errorf("read the meta of subtask %d: %s", r.Subtask.ID, err)
	}
	return span, nil
}

// tables loads the table and its shadow.
func (r *run) tables(ctx context.Context, q server.Querier) (source, shadow *table.Info, err error) {
	if source, err = r.Info(ctx, q, r.meta.Schema, r.meta.Table); err != nil {
		return nil, nil, err
	}
	if source.CopyKey == nil {
		return nil, nil, dxf.Errorf("table %s has no key to copy it by any more", r.meta.Table)
	}
	if r.meta.Fingerprint != "" && source.Fingerprint != r.meta.Fingerprint {
		return nil, nil, dxf.SchemaChanged("")
	}
	if err := r.sameTable(ctx, q); err != nil {
		return nil, nil, err
	}
	shadow, err = r.Info(ctx, q, r.meta.Schema, r.meta.Shadow)
	return source, shadow, err
}

// sameTable refuses another table that has come to the name of the job's.
func (r *run) sameTable(ctx context.Context, q server.Querier) error {
	return r.SameTable(ctx, q, r.meta.TableID)
}
