package sqlhandler

import (
	"context"
	"strconv"
	"time"

	"dxfproxy/protocol"
	"dxfproxy/server"
)

// Times of a session that only waits.
const (
	pingEvery = time.Minute      // where wait_timeout is long
	pingLimit = 20 * time.Second // likewise
)

// A leg is the client's own session at the store while the client waits for a job.
// Nothing is said over it, and it has to be there all the same.
type leg struct {
	on     server.Identity // which server it is on; zero: nobody knows
	every  time.Duration   // how long it may hear nothing: the server ends one that is idle for wait_timeout, which looks like a KILL
	limit  time.Duration   // an answer that takes longer does not come
	spoken time.Time
}

func (h *Handler) lookAtLeg(ctx context.Context, c *protocol.Conn) leg {
	l := leg{every: pingEvery, limit: pingLimit, spoken: time.Now()}
	l.on, _ = server.Identify(ctx, h.sql)
	values, err := askRow(ctx, c, "@@SESSION.wait_timeout")
	if err != nil {
		return l
	}
	if seconds, err := strconv.Atoi(values[0]); err == nil {
		idle := time.Duration(seconds) * time.Second
		l.every, l.limit = min(pingEvery, idle/3), min(pingLimit, idle)
	}
	return l
}

// alive speaks to the session if it is time to. Where nothing comes back it is lost,
// though nobody has hung up: what carries it may swallow everything.
func (l *leg) alive(ctx context.Context, c *protocol.Conn) bool {
	if time.Since(l.spoken) < l.every {
		return true
	}
	l.spoken = time.Now()
	// A wait that ends meanwhile waits for the answer, or the session would be lost with it.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.limit)
	defer cancel()
	return c.Ping(limited) == nil || ctx.Err() != nil
}

// storeUpSince reports whether the store answers, is the server that was there at a
// time (any, if on is zero), and has not been started again since.
func (h *Handler) storeUpSince(ctx context.Context, since time.Time, on server.Identity) bool {
	var name string
	var seconds int64
	err := h.sql.QueryRowContext(ctx, `SHOW GLOBAL STATUS LIKE 'Uptime'`).Scan(&name, &seconds)
	if err != nil || time.Duration(seconds+1)*time.Second < time.Since(since) {
		return false
	}
	now, err := server.Identify(ctx, h.sql)
	return err == nil && (on == server.Identity{} || on == now)
}
