package sqlhandler

import (
	"context"
	"strconv"
	"time"

	"dxfproxy/protocol"
)

// Times of a session that only waits.
const (
	pingEvery = time.Minute      // where wait_timeout is long
	pingLimit = 20 * time.Second // likewise
)

// A leg is the client's own session at the store while the client waits for a job.
// Nothing is said over it, and it has to be there all the same.
type leg struct {
	server string        // which server it is on, see serverName
	every  time.Duration // how long it may hear nothing: the server ends one that is idle for wait_timeout, which looks like a KILL
	limit  time.Duration // an answer that takes longer does not come
	spoken time.Time
}

// serverName tells servers apart that follow each other: one address may lead to
// several, one after the other.
const serverName = "CONCAT_WS('|', @@GLOBAL.server_id, @@GLOBAL.hostname, @@GLOBAL.port)"

func lookAtLeg(ctx context.Context, c *protocol.Conn) leg {
	l := leg{every: pingEvery, limit: pingLimit, spoken: time.Now()}
	values, err := askRow(ctx, c, inUTF8(serverName), "@@SESSION.wait_timeout")
	if err != nil {
		return l
	}
	l.server = values[0]
	if seconds, err := strconv.Atoi(values[1]); err == nil {
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
// time (any, if server is empty), and has not been started again since.
func (h *Handler) storeUpSince(ctx context.Context, since time.Time, server string) bool {
	var name, now string
	var seconds int64
	err := h.sql.QueryRowContext(ctx, `SHOW GLOBAL STATUS LIKE 'Uptime'`).Scan(&name, &seconds)
	if err == nil {
		err = h.sql.QueryRowContext(ctx, "SELECT "+serverName).Scan(&now)
	}
	return err == nil && time.Duration(seconds+1)*time.Second >= time.Since(since) && (server == "" || server == now)
}
