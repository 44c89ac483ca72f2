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

// longDDL makes a job of a statement that may take long, and waits for it.
func (h *Handler) longDDL(ctx context.Context, c *protocol.Conn, s *session, st *sqltext.AlterTable) (protocol.Reply, error) {
	for end := time.Now().Add(storePatience); ; {
		reply, err := h.longDDLOnce(ctx, c, s, st)
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
