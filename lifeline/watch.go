package lifeline

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/server"
)

const (
	lookEvery = 500 * time.Millisecond
	// patience is how long an answer may take before anybody asks about it. Most take
	// milliseconds, so that looks are rare.
	patience = 2 * time.Second
	// confirm is how long the server must be seen waiting for us: what it has sent may
	// be on its way.
	confirm = time.Second
	// busyEvery is how often a statement that the server is at is asked about.
	busyEvery = 2 * time.Second
	// lookLimit bounds a look: the connection that it is made over may be dead, too.
	lookLimit = 3 * time.Second
)

// A watch looks after the connections of a pool.
type watch struct {
	looks  driver.Connector
	doubts *atomic.Int64 // all pools' to this address
	log    *zap.Logger
	done   chan struct{}
	ended  chan struct{}

	mu    sync.Mutex
	wires map[*wire]bool

	// Of the goroutine that looks.
	look   *session // nil: none is open
	next   int64    // when to ask again
	failed bool     // the last look did
}

func newWatch(addr string, looks driver.Connector, log *zap.Logger) *watch {
	doubts, _ := allDoubts.LoadOrStore(addr, new(atomic.Int64))
	return &watch{
		looks: looks, doubts: doubts.(*atomic.Int64), log: log, wires: map[*wire]bool{},
		done: make(chan struct{}), ended: make(chan struct{}),
	}
}

// allDoubts has, by address, a moment: a connection there that was heard last before it may
// be dead, because another one was silent from then on.
var allDoubts sync.Map

var begun = time.Now()

// now is our own clock, in nanoseconds; nobody can set it. It is never 0.
func now() int64 { return int64(time.Since(begun)) + 1 }

func (w *watch) wire(conn net.Conn) *wire {
	c := &wire{Conn: conn, watch: w}
	c.heard.Store(now())
	return c
}

// watched begins to watch a connection whose session is known.
func (c *wire) watched(id int64, at host) {
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.id, c.server = id, at
	c.watch.wires[c] = true
}

func (w *watch) forget(c *wire) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.wires, c)
}

// doubt notes that a connection has been silent since a moment.
func (w *watch) doubt(since int64) {
	for {
		was := w.doubts.Load()
		if was >= since || w.doubts.CompareAndSwap(was, since) {
			return
		}
	}
}

// doubtful says of an idle connection that nothing was heard of it since another one was
// silent for long: it is not worth a try.
func (w *watch) doubtful(c *wire) bool { return c.heard.Load() < w.doubts.Load() }

// run looks until close.
func (w *watch) run() {
	defer close(w.ended)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			w.hangUp()
			return
		case <-tick.C:
			w.pass()
		}
	}
}

func (w *watch) close() {
	close(w.done)
	<-w.ended
}

// A question is about one connection.
type question struct {
	wire  *wire
	id    int64
	at    host
	asked int64
}

// pass asks about the connections that have waited for long, if it is time to.
func (w *watch) pass() {
	all := w.questions()
	if len(all) == 0 {
		w.hangUp()
		return
	}
	begin := now()
	if begin < w.next {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	seen, at, err := w.ask(ctx, all)
	if err != nil {
		w.hangUp()
		if !w.failed {
			w.log.Warn("ask the store about a connection that does not answer", zap.Int64("connection", all[0].id), zap.Error(err))
		}
		w.failed = true
		return
	}
	w.failed = false
	w.next = begin + int64(busyEvery)
	for _, q := range all {
		if q.at != at {
			continue // another server answers here than there
		}
		if w.judge(ctx, q, seen[q.id]) {
			w.next = begin + int64(confirm)
		}
	}
}

// questions are the connections that have waited for more than patience.
func (w *watch) questions() []question {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []question
	fresh := false
	for c := range w.wires {
		asked := c.asked.Load()
		if asked == 0 || time.Duration(now()-asked) < patience {
			continue
		}
		fresh = fresh || c.seenIn != asked
		c.seenIn = asked
		all = append(all, question{wire: c, id: c.id, at: c.server, asked: asked})
	}
	if fresh {
		w.next = 0 // the others can be asked about as well
	}
	return all
}

// judge takes an answer in, and says whether the server waits for us, so that the
// connection is to be asked about again soon.
func (w *watch) judge(ctx context.Context, q question, is state) (again bool) {
	at := now()
	w.mu.Lock()
	c := q.wire
	switch {
	case c.asked.Load() != q.asked: // an answer came
		w.mu.Unlock()
		return false
	case !is.waitsForUs():
		c.quietIn = 0
		w.mu.Unlock()
		return false
	case c.quietIn != q.asked:
		c.quietIn, c.quietAt = q.asked, at
	}
	sure := time.Duration(at-c.quietAt) >= confirm
	w.mu.Unlock()
	if !sure {
		return true
	}
	why := &silent{id: q.id, waited: time.Duration(at - q.asked), found: is.String()}
	w.log.Warn("a connection to the store was ended", zap.Error(why))
	c.dead.Store(why)
	_ = c.Close() // and doubts the others
	if is.there {
		w.kill(ctx, q.id)
	}
	return false
}

// kill frees what a dead session holds at the server.
func (w *watch) kill(ctx context.Context, id int64) {
	_, err := w.look.ExecContext(ctx, fmt.Sprintf("KILL %d", id), nil)
	if err != nil && !server.IsErr(err, server.ErrNoSuchThread) {
		w.log.Warn("end a session that nobody reaches", zap.Int64("connection", id), zap.Error(err))
	}
}

// state is what the server is doing with a connection.
type state struct {
	there          bool
	command, state string
}

func (s state) String() string {
	if !s.there {
		return "which the server has ended"
	}
	return "for which the server waits: " + strings.ToLower(strings.TrimSpace(s.command+" "+s.state))
}

// waitsForUs says whether the server has nothing to do for the connection but to hear of
// us. MySQL calls it receiving and sending, MariaDB reading and writing.
func (s state) waitsForUs() bool {
	switch s.state {
	case "Reading from net", "Receiving from client", "Writing to net", "Sending to client":
		return true
	}
	return !s.there || s.command == "Sleep"
}

// An account sees its own connections. MySQL's information_schema.PROCESSLIST cannot be
// read (error 3854) while any statement in it has a character beyond the first plane of Unicode.
const (
	statesSQL      = `SELECT ID, COMMAND, COALESCE(STATE, '') FROM information_schema.PROCESSLIST WHERE ID IN (`
	statesMySQLSQL = `SELECT ID, COMMAND, COALESCE(STATE, '') FROM performance_schema.processlist WHERE ID IN (`
)

// ask asks what the server does with connections, and says which server was asked.
func (w *watch) ask(ctx context.Context, all []question) (map[int64]state, host, error) {
	if w.look == nil {
		conn, err := w.looks.Connect(ctx)
		if err != nil {
			return nil, host{}, err
		}
		w.look = &session{mysqlConn: conn.(mysqlConn), wire: &wire{}}
		if err := w.look.identify(ctx); err != nil {
			return nil, host{}, err
		}
	}
	query := statesSQL
	if !w.look.mariaDB() {
		query = statesMySQLSQL
	}
	ids := make([]string, len(all))
	for i, q := range all {
		ids[i] = fmt.Sprint(q.id)
	}
	rows, err := w.look.QueryContext(ctx, query+strings.Join(ids, ",")+")", nil)
	if err != nil {
		return nil, host{}, err
	}
	defer rows.Close()
	seen := map[int64]state{}
	for row := make([]driver.Value, 3); ; {
		if err := rows.Next(row); err == io.EOF {
			return seen, w.look.server, nil
		} else if err != nil {
			return nil, host{}, err
		}
		seen[integer(row[0])] = state{there: true, command: text(row[1]), state: text(row[2])}
	}
}

// hangUp closes the connection that looks are made over.
func (w *watch) hangUp() {
	if w.look != nil {
		_ = w.look.Close()
		w.look = nil
	}
}

// lookConfig is for connections that looks are made over.
func lookConfig(mc *mysql.Config) *mysql.Config {
	mc = mc.Clone()
	mc.ReadTimeout, mc.WriteTimeout, mc.DBName = lookLimit, lookLimit, ""
	return mc
}
