package executor

import (
	"context"
	"errors"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// unreachable is for how long it is tried to kill a statement that has to end.
const unreachable = 20 * time.Second

// RunDDL runs on s a statement that may take long, and calls tell with what the server
// shows of it every 300 ms. When ctx ends, the statement is killed, and its end is waited
// for: a definition must not change after we have reported that it did not.
func (r *Run) RunDDL(ctx context.Context, s *server.Session, statement string, tell func(server.Process)) error {
	_, err := r.RunLong(ctx, s, s, statement, tell)
	return err
}

// RunLong is RunDDL for any statement, and returns how many rows the statement says it has
// changed. on is s, or the transaction that is open on s, if there is one (see querier).
func (r *Run) RunLong(
	ctx context.Context, s *server.Session, on querier, statement string, tell func(server.Process),
) (affected int64, err error) {
	done := make(chan error, 1)
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go func() {
		res, err := on.ExecContext(running, statement)
		if err == nil {
			affected, _ = res.RowsAffected() // some statements say nothing
		}
		done <- err
	}()
	var given time.Time // when our right to it was over
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil && ctx.Err() != nil && server.IsErr(err, server.ErrQueryInterrupted, server.ErrConnectionKilled) {
				return 0, context.Cause(ctx)
			}
			return affected, err
		case <-tick.C:
			// The looks are best effort; the statement's own answer counts.
			if p, ok, err := s.Process(ctx, r.DB); err == nil && ok {
				tell(p)
			}
		case <-ctx.Done():
			// It may not have begun, so it is killed until it has ended. Where nobody
			// reaches the server, the next one to hold the job's lock waits for its end.
			if given.IsZero() {
				given = time.Now()
			} else if time.Since(given) > unreachable {
				end()
				<-done
				return 0, context.Cause(ctx)
			}
			kill, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			_ = server.KillQuery(kill, r.DB, s.ID)
			stop()
			select {
			case err := <-done:
				if err == nil {
					return affected, nil // it was faster
				}
				if server.Lost(err) || server.IsErr(err, server.ErrQueryInterrupted) {
					return 0, context.Cause(ctx)
				}
				return affected, err
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}

// ended says whether err tells that our right to work is over.
func ended(err error) bool { return errors.Is(err, dxf.ErrLeaseLost) }
