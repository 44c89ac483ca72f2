package scheduler

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

const (
	// A retryable error is tried again in place, soon and then less soon.
	retryFirst = 100 * time.Millisecond
	retryLast  = 3 * time.Second
	// storeTimeout bounds one write of how a subtask ended.
	storeTimeout = 3 * time.Second
)

// A held is a subtask this node holds the lease of, from Lease to Finish or
// Release. Its goroutine is owned by the manager's loop.
type held struct {
	m    *Manager
	task dxf.Task
	sub  dxf.Subtask // as leased
	kind dxf.Type
	log  *zap.Logger

	lease    context.Context // while the node may believe in its leases
	ctx      context.Context // a child of lease: while the work is wanted
	stop     context.CancelCauseFunc
	progress progress
}

func (m *Manager) hold(lease context.Context, t dxf.Task, s dxf.Subtask, kind dxf.Type) *held {
	h := &held{m: m, task: t, sub: s, kind: kind, lease: lease}
	h.ctx, h.stop = context.WithCancelCause(lease)
	h.progress.sum = s.Summary
	h.log = m.log.With(zap.Int64("task", t.ID), zap.Int64("subtask", s.ID),
		zap.String("step", kind.StepName(s.Step)), zap.Int("ordinal", s.Ordinal), zap.Int64("epoch", s.Epoch))
	return h
}

// run works on the subtask until it has ended or is not ours any more, and
// writes which.
func (h *held) run() {
	h.m.counts.running.Add(1)
	defer h.m.counts.running.Add(-1)
	defer h.stop(nil)
	h.log.Info("subtask leased", zap.String("from", string(dxf.SubtaskPending)), zap.String("to", string(dxf.SubtaskRunning)))

	var writer sync.WaitGroup
	writing, stopWriting := context.WithCancel(h.ctx)
	writer.Go(func() { h.writeProgress(writing) })
	sum, err := h.try()
	stopWriting()
	writer.Wait()

	sum = h.progress.final(sum)
	switch cause := context.Cause(h.ctx); {
	case err == nil:
		h.finish(dxf.SubtaskSucceed, sum, nil)
	case errors.Is(err, dxf.ErrLeaseLost), errors.Is(cause, dxf.ErrLeaseLost):
		h.lost()
	case errors.Is(cause, dxf.ErrCancelled):
		h.finish(dxf.SubtaskCanceled, sum, nil)
	case errors.Is(cause, dxf.ErrPaused):
		h.finish(dxf.SubtaskPaused, sum, nil)
	case h.ctx.Err() != nil:
		h.release()
	default:
		h.finish(dxf.SubtaskFailed, sum, dxf.ErrorOf(err))
	}
}

// try runs the worker, again after retryable errors, until the task has met
// more of them than it may.
func (h *held) try() (dxf.Summary, error) {
	s := h.sub
	wait := retryFirst
	for {
		sum, err := h.once(s)
		if err == nil || h.ctx.Err() != nil || errors.Is(err, dxf.ErrLeaseLost) || !h.kind.Worker.IsRetryableErr(err) {
			return sum, err
		}
		h.m.counts.retried.Add(1)
		n, cerr := h.m.cfg.Store.CountError(h.ctx, h.task.ID, dxf.ErrorOf(err))
		switch {
		case cerr != nil:
			h.log.Warn("count error", zap.Error(cerr))
		case int64(n) > h.kind.Retries(h.task):
			return sum, err
		}
		h.log.Warn("subtask tried again", zap.Error(err), zap.Int("errors", n), zap.Duration("again in", wait))
		h.progress.waiting("tries again: " + dxf.ErrorOf(err).Message)
		if dxf.Sleep(h.ctx, wait) != nil {
			return sum, err
		}
		wait = min(2*wait, retryLast)
		if s, cerr = h.reread(); cerr != nil {
			return sum, cerr
		}
	}
}

// reread reads the subtask's row as the last run has left it. The next one goes on from
// the checkpoint that stands there and from no other: what this node remembers may be
// older, and rows would be loaded twice.
func (h *held) reread() (dxf.Subtask, error) {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		s, err := h.m.cfg.Store.Held(h.ctx, h.sub.Lease())
		if err == nil || errors.Is(err, dxf.ErrLeaseLost) {
			return s, err
		}
		h.log.Warn("read subtask again", zap.Error(err))
		if dxf.Sleep(h.ctx, wait) != nil {
			return s, err
		}
	}
}

// once runs the worker once. A panic is the subtask's error, not the node's.
func (h *held) once(s dxf.Subtask) (sum dxf.Summary, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.m.counts.panics.Add(1)
			h.log.Error("executor panicked", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			if err = h.kind.Panicked; h.kind.Panicked == nil {
				err = dxf.Errorf("the work of the subtask panicked: see the node's log")
			}
		}
	}()
	return h.kind.Worker.RunSubtask(h.ctx, h.task, s, h.progress.report)
}

// finish writes how the subtask ended. While the lease holds it does not give
// up: the work is done, only the store cannot be told yet. After that, one
// last try is left, which the store's fence makes harmless.
func (h *held) finish(state dxf.SubtaskState, sum dxf.Summary, e *dxf.Error) {
	wait := retryFirst
	for last := false; ; {
		last = h.lease.Err() != nil
		err := h.write(func(ctx context.Context) error {
			return h.m.cfg.Store.Finish(ctx, h.sub.Lease(), state, sum, e)
		})
		switch {
		case err == nil:
			h.finished(state, sum, e)
			return
		case errors.Is(err, dxf.ErrLeaseLost):
			h.lost()
			return
		}
		h.log.Warn("finish subtask", zap.Error(err))
		if last {
			return // its row stays running until the owner, or this node, finds it
		}
		_ = dxf.Sleep(h.lease, wait)
		wait = min(2*wait, retryLast)
	}
}

func (h *held) finished(state dxf.SubtaskState, sum dxf.Summary, e *dxf.Error) {
	fields := []zap.Field{
		zap.String("from", string(dxf.SubtaskRunning)), zap.String("to", string(state)), zap.Int64("rows", sum.RowCount),
	}
	c := &h.m.counts
	switch state {
	case dxf.SubtaskSucceed:
		c.succeeded.Add(1)
	case dxf.SubtaskCanceled:
		c.canceled.Add(1)
	case dxf.SubtaskPaused:
		c.paused.Add(1)
	case dxf.SubtaskFailed:
		c.failed.Add(1)
		fields = append(fields, zap.Error(e))
	}
	h.log.Info("subtask ended", fields...)
	h.m.cfg.Finished()
}

// lost notes that the subtask is another's, or may be: there is nothing to write.
func (h *held) lost() {
	h.m.counts.lost.Add(1)
	h.log.Warn("subtask lease lost")
}

// release gives the subtask back because the node stops.
func (h *held) release() {
	err := h.write(func(ctx context.Context) error { return h.m.cfg.Store.Release(ctx, h.sub.Lease()) })
	switch {
	case err == nil:
		h.m.counts.released.Add(1)
		h.log.Info("subtask released", zap.String("from", string(dxf.SubtaskRunning)), zap.String("to", string(dxf.SubtaskPending)))
	case errors.Is(err, dxf.ErrLeaseLost):
		h.lost()
	default:
		h.log.Warn("release subtask", zap.Error(err))
	}
}

// write calls f with a context that outlives the work's.
func (h *held) write(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), storeTimeout)
	defer cancel()
	return f(ctx)
}
