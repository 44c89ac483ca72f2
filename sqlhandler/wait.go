package sqlhandler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
)

// Times of a wait. Polling is the truth; wake-ups only make it sooner.
const (
	pollFirst    = 10 * time.Millisecond  // small tables are done in a few of these
	pollLast     = 300 * time.Millisecond // TiDB's own interval
	progressFrom = 300 * time.Millisecond // shorter waits show no progress bar
	pingEvery    = time.Minute            // the client's store session must not run into wait_timeout
	cancelWait   = 20 * time.Second       // TiDB's promise for a running distributed job
)

// wait waits for a job on behalf of the client that submitted it. The wait is
// only a wait: when the client goes, the job goes on; when the client is
// killed, the job is cancelled.
func (h *Handler) wait(ctx context.Context, c *protocol.Conn, id int64) (protocol.Reply, error) {
	began, pinged := time.Now(), time.Now()
	poll := pollFirst
	timer := time.NewTimer(poll)
	defer timer.Stop()
	for {
		changed := h.changed.wait()
		j, err := h.jobs.Job(ctx, id)
		if err == nil && j.State.Ended() {
			return outcome(j)
		}
		if err != nil && ctx.Err() == nil && errors.Is(err, dxf.ErrNotFound) {
			return nil, fmt.Errorf("wait for job %d: %w", id, err)
		}
		// Any other error is the store's trouble, not the job's: wait on.
		if time.Since(began) > progressFrom {
			h.showProgress(ctx, c, id)
		}
		if time.Since(pinged) > pingEvery {
			pinged = time.Now()
			if err := c.Ping(ctx); err != nil && ctx.Err() == nil {
				return nil, err
			}
		}
		timer.Reset(poll)
		poll = min(poll*3/2, pollLast)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			return h.interrupted(context.Cause(ctx), id)
		}
	}
}

// outcome is what the client that waited gets.
func outcome(j dxf.Job) (protocol.Reply, error) {
	if j.State == dxf.JobSynced || j.State == dxf.JobDone {
		ok := protocol.OK{}
		if n := j.Note; n != nil {
			ok.Warnings = append(ok.Warnings, protocol.Warning{Level: "Note", Code: n.Code, Message: n.Message})
		}
		return ok, nil
	}
	if j.Error != nil {
		return packet(j.Error), nil
	}
	return packet(errCancelled), nil
}

var (
	errCancelled   = &dxf.Error{Code: 8214, State: "HY000", Message: "Cancelled DDL job", Class: "ddl"}
	errInterrupted = &dxf.Error{Code: 1317, State: "70100", Message: "Query execution was interrupted", Class: "executor"}
	errShutdown    = &dxf.Error{Code: 1053, State: "08S01", Message: "Server shutdown in progress"}
)

// interrupted ends a wait. A killed client's job is cancelled, and the wait
// goes on until it is, for the answer must not come before the truth.
func (h *Handler) interrupted(cause error, id int64) (protocol.Reply, error) {
	if !killed(cause) {
		return interruption(cause), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelWait)
	defer cancel()
	if err := h.jobs.CancelJob(ctx, id); err != nil {
		var e *dxf.Error
		if !errors.As(err, &e) {
			return nil, fmt.Errorf("cancel job %d: %w", id, err)
		}
		// Too late to cancel: the job ends by itself in a moment.
	}
	h.wakeAll()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if j, err := h.jobs.Job(ctx, id); err == nil && j.State.Ended() {
			if j.State == dxf.JobSynced {
				return outcome(j)
			}
			return packet(errInterrupted), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return packet(errInterrupted), nil
		}
	}
}

// Killed cancels the job that a client of another node waits for, when that
// client's connection was killed through this one. It is for people: errors are
// logged, and the client waits on.
func (h *Handler) Killed(id uint32) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelWait)
	defer cancel()
	jobs, err := h.jobs.UnfinishedJobs(ctx)
	if err != nil {
		h.log.Warn("a killed connection's job could not be looked for", zap.Uint32("connection", id), zap.Error(err))
		return
	}
	for _, j := range jobs {
		if j.ConnID != id {
			continue
		}
		// The store counts connections from 1 again when it is started again.
		if since, err := h.storeStarted(ctx); err != nil || j.CreateTime.Before(since) {
			continue
		}
		if err := h.jobs.CancelJob(ctx, j.ID); err != nil {
			h.log.Info("the job of a killed connection is not cancelled", zap.Int64("job", j.ID), zap.Error(err))
		}
		h.wakeAll()
	}
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
	return errors.Is(cause, protocol.ErrQueryKilled) || errors.Is(cause, protocol.ErrConnectionKilled)
}

// interruption is what a client gets whose statement was cut short.
func interruption(cause error) *protocol.Error {
	if killed(cause) {
		return packet(errInterrupted)
	}
	return packet(errShutdown)
}

// showProgress sends a progress report, which clients that asked for it show
// as a bar. Errors do not matter: the client's loss is noticed elsewhere.
func (h *Handler) showProgress(ctx context.Context, c *protocol.Conn, id int64) {
	p, err := h.jobs.JobProgress(ctx, id)
	if err != nil {
		return
	}
	stage, stages := uint8(1), uint8(1)
	if p.Step >= dxf.StepCopy && p.Step <= dxf.StepCutover {
		stage, stages = uint8(p.Step), uint8(dxf.StepCutover)
	}
	var percent float64
	if p.Total > 0 {
		percent = min(100*float64(p.Done)/float64(p.Total), 99.999)
	}
	info := p.Waiting
	if info == "" {
		info = string(p.State)
		if p.Step > 0 {
			info = p.Step.String()
		}
	}
	_ = c.Progress(stage, stages, percent, info)
}
