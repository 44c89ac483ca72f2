package sqlhandler

import (
	"context"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/sqltext"
)

// storePatience is how long a statement asks again for what the store does not answer the
// node's own sessions: it may refuse them for a moment.
const (
	storePatience = 10 * time.Second
	storePause    = 100 * time.Millisecond
)

var (
	errNoAnswer   = dxf.Errorf("the store refuses the node's sessions; nothing was changed, run the statement again")
	errUnknownJob = dxf.Errorf("the store went away while a job was made of the statement; ADMIN SHOW DDL JOBS tells whether there is one")
)

// A madeJob is what is left of a statement while its client waits for the job: the tokens of
// a long one take half a megabyte, and the wait may take a day.
type madeJob struct {
	id    int64 // 0: no job was made
	limit time.Duration
	job   waitable
}

// longDDL makes a job of a statement that may take long, and waits for it.
func (h *Handler) longDDL(ctx context.Context, c *protocol.Conn, s *session, st *sqltext.AlterTable) (protocol.Reply, error) {
	var made madeJob
	reply, err := h.makeJob(ctx, c, s, st, &made)
	if made.id == 0 {
		return reply, err
	}
	h.wakeAll()
	if made.limit > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, made.limit, errLimit)
		defer stop()
	}
	if reply, err = h.wait(ctx, c, made.job); server.Unanswered(err) {
		err = dxf.Errorf("job %d goes on: %s", made.id, err)
	}
	return reply, err
}

// makeJob makes a job of a statement, and fills in made; or it answers the statement.
func (h *Handler) makeJob(
	ctx context.Context, c *protocol.Conn, s *session, st *sqltext.AlterTable, made *madeJob,
) (protocol.Reply, error) {
	for end := time.Now().Add(storePatience); ; {
		reply, err := h.makeJobOnce(ctx, c, s, st, made)
		if !server.Unanswered(err) || ctx.Err() != nil {
			return reply, err
		}
		h.log.Warn("the store does not answer for a statement", zap.String("statement", loggable(st.SQL())), zap.Error(err))
		if time.Now().After(end) {
			return nil, errNoAnswer
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(storePause):
		}
	}
}
