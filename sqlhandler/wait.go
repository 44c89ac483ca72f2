package sqlhandler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/server"
)

// Times of a wait. Polling is the truth; wake-ups only make it sooner.
const (
	pollFirst    = 50 * time.Millisecond  // small tables are done in one or two of these
	pollLast     = 300 * time.Millisecond // TiDB's own interval
	progressFrom = 300 * time.Millisecond // shorter waits show no progress bar
	cancelWait   = 20 * time.Second       // TiDB's promise for a running distributed job
)

// A waitable is a job that a client waits for.
type waitable struct {
	name string // for errors
	// look says how the job stands; of one that has ended, with what its client
	// gets.
	look     func(context.Context) (ending, error)
	progress func(context.Context) (report, error)
	cancel   func(context.Context) error
}

// ending is how a job looks to the client that waits for it.
type ending struct {
	ended, succeeded bool
	reply            protocol.Reply // once ended
}

// report is a progress report.
type report struct {
	stage, stages uint8
	percent       float64
	info          string
}

// wait waits for a job on behalf of the client that submitted it. The wait is
// only a wait: when the client goes, the job goes on; when the client is
// killed, the job is cancelled.
func (h *Handler) wait(ctx context.Context, c *protocol.Conn, job waitable) (protocol.Reply, error) {
	began := time.Now()
	leg := h.lookAtLeg(ctx, c)
	poll := pollFirst
	timer := time.NewTimer(poll)
	defer timer.Stop()
	for {
		changed := h.changed.wait()
		e, err := job.look(ctx)
		if err == nil && e.ended {
			return e.reply, nil
		}
		if err != nil && ctx.Err() == nil && errors.Is(err, dxf.ErrNotFound) {
			return nil, fmt.Errorf("wait for %s: %w", job.name, err)
		}
		// Any other error is the store's trouble, not the job's: wait on.
		if time.Since(began) > progressFrom {
			showProgress(ctx, c, job)
		}
		if !leg.alive(ctx, c) {
			return lost(job), nil
		}
		timer.Reset(poll)
		poll = min(poll*3/2, pollLast)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			return h.interrupted(context.Cause(ctx), job, began, leg.on)
		}
	}
}

// tableChange is a DDL job to wait for.
func (h *Handler) tableChange(id int64) waitable {
	return waitable{
		name: fmt.Sprintf("job %d", id),
		look: func(ctx context.Context) (ending, error) {
			j, err := h.jobs.Job(ctx, id)
			if err != nil || !j.State.Ended() {
				return ending{}, err
			}
			return ending{ended: true, succeeded: j.State == dxf.JobSynced, reply: outcome(j)}, nil
		},
		progress: func(ctx context.Context) (report, error) {
			p, err := h.jobs.JobProgress(ctx, id)
			r := changeReport(p)
			r.info = fmt.Sprintf("%s (job %d)", r.info, id)
			return r, err
		},
		cancel: func(ctx context.Context) error { return h.jobs.CancelJob(ctx, id) },
	}
}

// noting adds what the trial had to say of the statement to a job's answer. A session that
// wants no notes gets none.
func (w waitable) noting(t trial, ignore bool, v variables) waitable {
	look := w.look
	w.look = func(ctx context.Context) (ending, error) {
		e, err := look(ctx)
		if ok, is := e.reply.(protocol.OK); is {
			if v["sql_notes"] == "OFF" {
				ok.Warnings = slices.DeleteFunc(ok.Warnings, func(w protocol.Warning) bool { return w.Level == "Note" })
			}
			e.reply = altered(ok.AffectedRows, append(slices.Clone(t.warnings), ok.Warnings...), ignore)
		}
		return e, err
	}
	return w
}

// altered is the answer to a statement that has changed a table, in the store's words. What
// IGNORE has left out of it the store does not tell a job.
func altered(rows uint64, warnings []protocol.Warning, ignore bool) protocol.OK {
	ok := protocol.OK{AffectedRows: rows, Warnings: warnings}
	if !ignore {
		ok.Info = fmt.Sprintf("Records: %d  Duplicates: 0  Warnings: %d", rows, len(warnings))
	}
	return ok
}

// outcome is what the client that waited gets.
func outcome(j dxf.Job) protocol.Reply {
	if j.State == dxf.JobSynced || j.State == dxf.JobDone {
		ok := protocol.OK{AffectedRows: uint64(j.Affected)}
		if n := j.Note; n != nil {
			ok.Warnings = append(ok.Warnings, protocol.Warning{Level: "Note", Code: n.Code, Message: n.Message})
		}
		return ok
	}
	if j.Error != nil {
		return packet(j.Error)
	}
	return packet(errCancelled)
}

var (
	errCancelled   = &dxf.Error{Code: 8214, State: "HY000", Message: "Cancelled DDL job", Class: "ddl"}
	errInterrupted = &dxf.Error{
		Code: server.ErrQueryInterrupted, State: "70100", Message: "Query execution was interrupted", Class: "executor",
	}
	errLimit = &dxf.Error{
		Code: server.ErrStatementTimeout, State: "70100", Message: "Query execution was interrupted (max_statement_time exceeded)",
	}
	errShutdown = &dxf.Error{Code: server.ErrServerShutdown, State: "08S01", Message: "Server shutdown in progress"}
)

// interrupted ends a wait. A killed client's job is cancelled, and the wait
// goes on until it is, for the answer must not come before the truth.
func (h *Handler) interrupted(cause error, job waitable, began time.Time, on server.Identity) (protocol.Reply, error) {
	if errors.Is(cause, protocol.ErrStoreLost) {
		return lost(job), nil
	}
	if !killed(cause) {
		return interruption(cause), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelWait)
	defer cancel()
	if errors.Is(cause, protocol.ErrConnectionKilled) && !h.storeUpSince(ctx, began, on) {
		return lost(job), nil // the store has ended or failed over, and with it the connection
	}
	if err := job.cancel(ctx); err != nil {
		var e *dxf.Error
		if !errors.As(err, &e) {
			return nil, fmt.Errorf("cancel %s: %w", job.name, err)
		}
		// Too late to cancel: the job ends by itself in a moment.
	}
	h.wakeAll()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if e, err := job.look(ctx); err == nil && e.ended {
			if e.succeeded {
				return e.reply, nil
			}
			return interruption(cause), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return interruption(cause), nil
		}
	}
}

// Killed cancels the job that a client of another node waits for, when that
// client's connection was killed through this one. It is for people: errors are
// logged, and the client waits on.
func (h *Handler) Killed(id uint32) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelWait)
	defer cancel()
	jobs, err := h.jobsOf(ctx, id)
	if err != nil {
		h.log.Warn("a killed connection's job could not be looked for", zap.Uint32("connection", id), zap.Error(err))
		return
	}
	for _, j := range jobs {
		// The store counts connections from 1 again when it is started again.
		if since, err := h.storeStarted(ctx); err != nil || j.created.Before(since) {
			continue
		}
		if err := j.cancel(ctx); err != nil {
			h.log.Info("the job of a killed connection is not cancelled", zap.String("job", j.name), zap.Error(err))
		}
		h.wakeAll()
	}
}

// waitedFor is an unfinished job with a client that waits for it.
type waitedFor struct {
	waitable
	created time.Time
}

// jobsOf lists the unfinished jobs that a connection waits for.
func (h *Handler) jobsOf(ctx context.Context, id uint32) ([]waitedFor, error) {
	var all []waitedFor
	jobs, err := h.jobs.UnfinishedJobs(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if j.ConnID == id {
			all = append(all, waitedFor{h.tableChange(j.ID), j.CreateTime})
		}
	}
	imports, err := h.imports.ImportJobs(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range imports {
		if j.ConnID == id && !j.Status.Ended() {
			all = append(all, waitedFor{h.importJob(j.ID, time.UTC), j.CreateTime})
		}
	}
	return all, nil
}

// storeStarted is when the store was started, by its own clock.
func (h *Handler) storeStarted(ctx context.Context) (time.Time, error) {
	const uptimeSQL = `SHOW GLOBAL STATUS LIKE 'Uptime'`
	const sinceSQL = `SELECT UTC_TIMESTAMP() - INTERVAL ? SECOND`
	var name string
	var seconds int64
	var since time.Time
	if err := h.sql.QueryRowContext(ctx, uptimeSQL).Scan(&name, &seconds); err != nil {
		return since, err
	}
	return since, h.sql.QueryRowContext(ctx, sinceSQL, seconds).Scan(&since)
}

func killed(cause error) bool {
	return errors.Is(cause, protocol.ErrQueryKilled) || errors.Is(cause, protocol.ErrConnectionKilled) || errors.Is(cause, errLimit)
}

// lost is what a client gets whose own session with the store is gone. Drivers know
// by the number that the connection is; people read what became of the job.
func lost(job waitable) *protocol.Error {
	const text = "Lost connection to the store behind dxfproxy during query; %s goes on"
	return &protocol.Error{Code: server.ErrConnectionKilled, State: "08S01", Message: fmt.Sprintf(text, job.name)}
}

// interruption is what a client gets whose statement was cut short.
func interruption(cause error) *protocol.Error {
	switch {
	case errors.Is(cause, errLimit):
		return packet(errLimit)
	case killed(cause):
		return packet(errInterrupted)
	}
	return packet(errShutdown)
}

// showProgress sends a progress report, which clients that asked for it show
// as a bar. Errors do not matter: the client's loss is noticed elsewhere.
func showProgress(ctx context.Context, c *protocol.Conn, job waitable) {
	if r, err := job.progress(ctx); err == nil {
		_ = c.Progress(r.stage, r.stages, min(r.percent, 99.999), r.info)
	}
}

// changeReport tells how far a DDL job is.
func changeReport(p dxf.Progress) report {
	r := report{stage: 1, stages: 1, info: p.Waiting}
	if p.Step >= backfill.StepCopy && p.Step <= backfill.StepCutover {
		r.stage, r.stages = uint8(p.Step), uint8(backfill.StepCutover)
	}
	if p.Total > 0 {
		r.percent = 100 * float64(p.Done) / float64(p.Total)
	}
	if r.info == "" {
		r.info = string(p.State)
		if p.Step > 0 {
			r.info = backfill.Type.StepName(p.Step)
		}
	}
	return r
}
