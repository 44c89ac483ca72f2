package changefeed

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"sync"
	"time"

	binlog "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/semaphore"

	"dxfproxy/lifeline"
	"dxfproxy/server"
)

const (
	// heartbeat is how often the server speaks when it has nothing to say;
	// after silence the connection is taken for dead.
	heartbeat = 2 * time.Second
	silence   = 8 * time.Second
	// closeLimit is how long a good-bye (KILL of our dump thread on a second
	// connection) may take before the sockets are cut.
	closeLimit = 2 * time.Second
	// groupsAhead bounds how far the reader runs ahead of the applier in
	// transactions; the semaphore bounds it in bytes.
	groupsAhead = 1024
	// idleEvery is how often the reader tells of transactions that are nothing
	// to the feed.
	idleEvery = time.Second
)

// flavors are what the library calls the families. Under any other MariaDB sends
// dummies in place of its GTIDs.
var flavors = [...]string{server.MariaDB: binlog.MariaDBFlavor, server.MySQL: binlog.MySQLFlavor}

// A reader is one connection to the binlog. Groups come out of it in order; the
// last one carries the error that ended the stream.
type reader struct {
	groups chan group
	memory *semaphore.Weighted
	cap    int64

	grouper *grouper
	told    time.Time // when the last group or idle note went out

	ctx    context.Context
	cancel context.CancelFunc
	syncer *replication.BinlogSyncer
	dial   *dialer
	done   chan struct{}
}

// openReader connects and begins at a transaction boundary.
func openReader(
	ctx context.Context, dsn *mysql.Config, family server.Family, serverID uint32, g *grouper, from position, capacity int64,
) (*reader, error) {
	r := &reader{
		groups: make(chan group, groupsAhead), memory: semaphore.NewWeighted(capacity), cap: capacity,
		grouper: g, told: time.Now(), done: make(chan struct{}), dial: &dialer{net: dsn.Net, addr: dsn.Addr},
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	g.from, g.file, g.last, g.emit = from, from.File, from, r.send
	r.syncer = replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: serverID,
		Flavor:   flavors[family],
		Host:     dsn.Addr, User: dsn.User, Password: dsn.Passwd, TLSConfig: dsn.TLS, Dialer: r.dial.dial,
		Localhost:               "dxfproxy",
		TimestampStringLocation: time.UTC,
		HeartbeatPeriod:         heartbeat,
		ReadTimeout:             silence,
		// The library would go on in the middle of a transaction.
		DisableRetrySync:        true,
		RowsEventDecodeFunc:     r.decode,
		SynchronousEventHandler: r,
		Logger:                  slog.New(slog.DiscardHandler),
	})
	stream, err := r.syncer.StartSync(binlog.Position{Name: from.File, Pos: from.Pos})
	if err != nil {
		close(r.done)
		r.close()
		return nil, fmt.Errorf("read the binlog from %s: %w", from, err)
	}
	go func() {
		defer close(r.done)
		_, err := stream.GetEvent(r.ctx) // events go to HandleEvent; only errors come here
		if r.ctx.Err() != nil {
			return
		}
		select {
		case r.groups <- group{err: fmt.Errorf("read the binlog behind %s: %w", from, err)}:
		case <-r.ctx.Done():
		}
	}()
	return r, nil
}

// decode is called by the library for every row event. Rows of other tables are
// most of the stream and cost no more than their header.
func (r *reader) decode(e *replication.RowsEvent, data []byte) error {
	at, err := e.DecodeHeader(data)
	if err != nil || !r.grouper.wanted(e.Table) {
		return err
	}
	// Check the table before the rows: a type the library cannot decode (a
	// COMPRESSED column) should be reported as what it is.
	if r.grouper.isSource(e.Table) {
		if err := r.grouper.layout.check(e.Table); err != nil {
			e.Rows = [][]any{} // not nil: the grouper will see the table, and say it
			return nil
		}
	}
	return e.DecodeData(at, data)
}

// HandleEvent implements replication.EventHandler.
func (r *reader) HandleEvent(e *replication.BinlogEvent) error {
	if err := r.grouper.event(e); err != nil {
		return err
	}
	if time.Since(r.told) < idleEvery {
		return nil
	}
	if cur, ok := r.grouper.idle(); ok {
		select {
		case r.groups <- cur:
			r.told, r.grouper.foreign = time.Now(), false
		default: // the applier is busy, and will hear of a later one
		}
	}
	return nil
}

// send hands a group out, when there is room for it.
func (r *reader) send(cur group) error {
	if err := r.memory.Acquire(r.ctx, min(cur.size, r.cap)); err != nil {
		return err
	}
	r.told = time.Now()
	select {
	case r.groups <- cur:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// release is told by the applier that a group is no longer in memory.
func (r *reader) release(cur group) { r.memory.Release(min(cur.size, r.cap)) }

// close ends the connection and waits for everything that ran on it.
func (r *reader) close() {
	r.cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		r.syncer.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeLimit):
		r.dial.cut()
		<-closed
	}
	<-r.done
}

// A dialer connects to where the DSN says (the library guesses the network from
// the address), and can end everything it has opened.
type dialer struct {
	net, addr string

	mu    sync.Mutex
	conns []net.Conn
	over  bool
}

func (d *dialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := lifeline.Dial(ctx, d.net, d.addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		_ = c.Close()
		return nil, errors.New("the reader is closing")
	}
	d.conns = append(d.conns, c)
	return c, nil
}

func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	for _, c := range d.conns {
		_ = c.Close()
	}
}

// serverID is the replica id of a job's reader. A server ends the older one of two readers
// with the same id, which is what is wanted of the thread of a reader that was cut off without a word: it
// would stay for hours. Small numbers are what people give their replicas.
func serverID(meta string, job int64) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s/%d", meta, job)
	return h.Sum32()%0x4000_0000 + 0x8000_0000
}
