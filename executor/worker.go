package executor

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A Worker is what the workers of all task types have in common. A type's own worker embeds
// it, and its RunSubtask begins a Run, whose steps it gives to RunStep:
//
//	r := &run{Run: w.Begin(t, s, report)}
//	if err := t.ReadMeta(&r.meta); err != nil {
//		return r.Summary, err
//	}
//	return r.RunStep(ctx, r.meta.Schema, r.meta.Table, map[dxf.Step]func(context.Context) error{
//		StepCopy: r.copy,
//	})
//
// The fields down to Secret are set before the first subtask, and do not change then.
type Worker struct {
	// Hold asks all nodes to hold back, for d, what clients begin outside a transaction;
	// Hold(0) asks them to stop that. A node may miss either. nil: nobody is held back.
	Hold func(d time.Duration)
	// LockWait says how long an exchange may stand in the queue for the table's lock, with
	// all clients behind it, after attempts without queueing have failed. 0, or a nil
	// LockWait: it never queues.
	LockWait func(ctx context.Context) time.Duration
	// Wake makes all nodes look at the store, and their changefeeds. nil: they find out by
	// polling.
	Wake func()
	// Secret is a part of the names of locks, so that nobody else can know them.
	Secret dxf.Secret

	kind   dxf.Type
	DB     *sql.DB
	Leases Leases
	log    *zap.Logger

	mu    sync.Mutex
	paces map[int64]*Pace // by task
	infos map[string]*table.Info
	kept  patience
}

// NewWorker makes the shared half of a worker of the type kind. db is a pool of connections to
// the store under the account that does the jobs' work; log may be nil.
func NewWorker(kind dxf.Type, db *sql.DB, leases Leases, log *zap.Logger) *Worker {
	if log == nil {
		log = zap.NewNop()
	}
	return &Worker{kind: kind, DB: db, Leases: leases, log: log, paces: map[int64]*Pace{}, infos: map[string]*table.Info{}}
}

// maxInfos is how many tables are remembered: a job has two.
const maxInfos = 64

// Info describes a table. To read all of that takes seven queries, and each subtask of a large
// table would repeat them: so it is remembered, and as long as the table's definition has
// not changed only that is read.
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

// IsRetryableErr says whether the subtask should be tried again in place: the
// connection or the server went away, or somebody held a lock too long.
func (w *Worker) IsRetryableErr(err error) bool {
	var own *dxf.Error
	if err == nil || errors.As(err, &own) {
		return false
	}
	for _, end := range []error{dxf.ErrLeaseLost, dxf.ErrCancelled, dxf.ErrPaused, dxf.ErrNotFound, context.Canceled} {
		if errors.Is(err, end) {
			return false
		}
	}
	return server.Passes(err)
}
