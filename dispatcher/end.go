package dispatcher

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

// doubtTries is how often clean-up asks again whether the task's effect is in place
// when the answer fails for a reason that does not pass: about half a minute.
const doubtTries = 8

// mendTries is the same while somebody may mend the cause: more than a minute.
const mendTries = 13

// end cleans up and writes the end state: after the last step, or after all
// subtasks of a failing task have stopped. What passes is waited for. What cannot be
// cleaned up is left behind, and said in the log and to the client; to keep the
// client waiting would not help it, nor would it help those behind it.
func (d *dispatcher) end(ctx context.Context, t dxf.Task, meta []byte) (outcome, error) {
	won, err := d.kind.Planner.OnDone(ctx, t, d.tell(ctx))
	if err != nil {
		if ctx.Err() != nil {
			return outcome{}, context.Cause(ctx)
		}
		if d.again(err) {
			return outcome{}, d.retry(ctx, "clean up", err)
		}
		d.log.Error("clean up: giving up", zap.Error(err))
	}
	a := dxf.Advance{State: dxf.TaskReverted, Step: t.Step, Meta: meta}
	if won || t.State == dxf.TaskRunning {
		a.State, a.Step = dxf.TaskSucceed, dxf.StepDone
	}
	if err != nil {
		a.Error, d.left = d.leftBehind(t, a.State, err)
	}
	if err := d.advance(ctx, t, a); err != nil {
		return outcome{}, err
	}
	if a.State == dxf.TaskSucceed {
		d.counts.succeeded.Add(1)
	} else {
		d.counts.reverted.Add(1)
	}
	return outcome{again: true, notify: true, ended: true}, nil
}

// again says whether a failed clean-up is worth another try.
func (d *dispatcher) again(err error) bool {
	if open := (dxf.InDoubt{}); errors.As(err, &open) {
		return d.kind.Planner.IsRetryableErr(open.Err) || d.failures+1 < doubtTries
	}
	return d.kind.Planner.IsRetryableErr(err) || errors.As(err, new(dxf.Mendable)) && d.failures+1 < mendTries
}

// leftBehind tells of what clean-up could not do: an error, with the one that the task
// has already, or, of a task that ends well, a note.
func (d *dispatcher) leftBehind(t dxf.Task, end dxf.TaskState, why error) (e, note *dxf.Error) {
	text := "clean up: " + dxf.ErrorOf(why).Message
	if open := (dxf.InDoubt{}); errors.As(why, &open) {
		text = "it is not known whether the change was made: " + text
	}
	if end == dxf.TaskSucceed {
		return nil, dxf.Errorf("%s", text)
	}
	if t.Error == nil {
		return dxf.Errorf("%s", text), nil
	}
	told := *d.told(t.Error)
	told.Message += "; " + text
	return &told, nil
}

// told is a task's error as the client of its job is told.
func (d *dispatcher) told(e *dxf.Error) *dxf.Error {
	if e != nil && *e == *dxf.CancelledByUser() && d.kind.Cancelled != nil {
		told := *d.kind.Cancelled
		return &told
	}
	return e
}
