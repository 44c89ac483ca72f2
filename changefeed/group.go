package changefeed

import (
	"bytes"
	"errors"
	"math"
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"

	"dxfproxy/dxf"
)

// A group is what one binlog transaction means for the feed. A transaction that
// is too large to be kept whole comes in several pieces, all but the last partial.
type group struct {
	changes []change
	markers []marker
	size    int64

	partial bool // more of the same transaction follows
	broken  bool // the pieces handed out before were rolled back
	// end is where the transaction ends; safe is how far the position may go
	// when everything up to end is applied: in front of the oldest undecided XA
	// transaction, if there is one (undecided).
	end, safe position
	undecided bool

	err error // instead of everything else: the stream is over
}

// grouper turns events into groups. It has no I/O: the reader feeds it.
type grouper struct {
	job    int64
	layout *layout
	names  names
	meta   string // schema of the marker table
	own    func(schema, table string) bool

	piece int64 // size above which a transaction is handed out in pieces
	limit int64 // of all rows of undecided XA transactions

	from    position // where the reader began
	server  uint32   // server_id of whom it asked
	file    string
	mark    string   // of file
	high    uint32   // where the last event ended that said so
	unsaid  uint64   // bytes of the events since
	last    position // end of the last group
	foreign bool     // something else than our own bookkeeping was in the groups since emitted

	// The group being read.
	open       bool
	standalone bool
	cur        group
	handed     int    // changes of it that were handed out in pieces
	xid        string // of XA END
	savepoints []savepoint
	checked    map[uint64]*replication.TableMapEvent

	prepared  map[string]prepared
	order     []string // xids of prepared, oldest first
	undecided int64    // size of prepared

	reach reach
	emit  func(group) error
}

// MariaDB's GTID event flags. The library has no name for the last two.
const (
	flagStandalone = 1
	flagPrepared   = 64
)

const (
	flagArtificial = 0x20 // LOG_EVENT_ARTIFICIAL_F of an event's header

	eventIncident = 26 // LOG_EVENT type INCIDENT_EVENT
)

// wanted says whether rows of the table are to be decoded.
func (g *grouper) wanted(t *replication.TableMapEvent) bool {
	return g.isSource(t) || g.isMarker(t)
}

func (g *grouper) isSource(t *replication.TableMapEvent) bool {
	return g.names.same(string(t.Table), g.names.table) && g.names.same(string(t.Schema), g.names.schema)
}

// event takes the next event of the stream. An error ends the feed when it is (or
// wraps) a *dxf.Error, else the stream.
func (g *grouper) event(e *replication.BinlogEvent) error {
	if err := g.place(e.Header); err != nil {
		return err
	}
	switch ev := e.Event.(type) {
	case *replication.RotateEvent:
		// The one at the beginning of a stream is made up and only names the file.
		g.file, g.mark, g.high, g.unsaid = string(ev.NextLogName), "", 0, 0
		if !g.open && e.Header.LogPos != 0 {
			return g.passed(g.at(uint32(max(ev.Position, 4))))
		}
		return nil
	case *replication.FormatDescriptionEvent:
		return g.opened(e.Header)
	case *replication.MariadbGTIDEvent:
		g.begin(ev.Flags)
		return nil
	case *replication.GTIDEvent: // MySQL's, anonymous ones too
		g.begin(flagStandalone) // until BEGIN or XA START follows
		return nil
	case *replication.TransactionPayloadEvent:
		return dxf.Errorf("a session with binlog_transaction_compression = ON wrote to the binlog; the changefeed of job %d cannot follow; "+
			"run the statement again", g.job)
	case *replication.TableMapEvent:
		if !g.foreign && !g.own(string(ev.Schema), string(ev.Table)) {
			g.foreign = true
		}
		return nil
	case *replication.RowsEvent:
		return g.rows(ev)
	case *replication.QueryEvent:
		return g.query(ev, e.Header.LogPos)
	case *replication.XIDEvent:
		return g.commit(e.Header.LogPos)
	case *replication.BeginLoadQueryEvent, *replication.ExecuteLoadQueryEvent:
		return g.unattributed("LOAD DATA")
	}
	switch e.Header.EventType {
	case replication.XA_PREPARE_LOG_EVENT:
		return g.prepare(e)
	case eventIncident:
		return dxf.Errorf("the binlog reports lost events after %s (incident event): row changes of %s may be missing; run the statement again",
			g.last, g.layout.source.Quoted())
	}
	return nil
}

// place follows the events through the file. A transaction is never cut in two,
// so one of gigabytes makes a file of more than 4 GiB, while the position in an
// event's header (and in the command that asks for events) has 32 bits and begins
// again at 0 there. Such a position names another place in the file, and whoever
// resumed from it would apply changes twice or not at all. Events that are made
// up for the reader have no position, or the one of the event before.
func (g *grouper) place(h *replication.EventHeader) error {
	switch {
	case h.EventType == replication.HEARTBEAT_EVENT, h.Flags&flagArtificial != 0:
		return nil
	case h.LogPos == 0:
		if g.open { // MariaDB 11.4 tells no positions inside of transactions
			g.unsaid += uint64(h.EventSize)
		}
		return nil
	case h.LogPos < g.high || g.unsaid+uint64(h.EventSize) > math.MaxUint32:
		return dxf.Errorf("the binlog file %s has grown beyond 4 GiB by one transaction, and positions in it have no meaning behind that: "+
			"the changefeed of job %d cannot go on; run the statement again",
			g.file, g.job)
	}
	g.high, g.unsaid = h.LogPos, 0
	return nil
}

func (g *grouper) begin(flags byte) {
	g.open, g.standalone = true, flags&flagStandalone != 0
	g.cur, g.handed, g.xid, g.savepoints = group{}, 0, "", g.savepoints[:0]
	if flags&flagPrepared != 0 {
		g.xid = "?" // told by XA END; until then: not to be handed out in pieces
	}
}

func (g *grouper) rows(e *replication.RowsEvent) error {
	if e.Table == nil || e.Rows == nil {
		return nil
	}
	if g.isMarker(e.Table) {
		return g.marks(e)
	}
	if !g.isSource(e.Table) {
		return nil
	}
	if g.checked[e.TableID] != e.Table {
		if err := g.layout.check(e.Table); err != nil {
			return err
		}
		g.checked = map[uint64]*replication.TableMapEvent{e.TableID: e.Table}
	}
	n := len(g.cur.changes)
	var err error
	if g.cur.changes, err = g.layout.changes(g.cur.changes, e); err != nil {
		var de *dxf.Error
		if errors.As(err, &de) {
			return err
		}
		return g.fatal("a row change cannot be read: " + err.Error())
	}
	for _, c := range g.cur.changes[n:] {
		g.cur.size += c.size()
	}
	switch {
	case g.xid != "":
		if g.undecided+g.cur.size > g.limit {
			return dxf.Errorf("prepared XA transactions hold more than %d MiB of changes of %s: commit them or roll them back, "+
				"then run the statement again", g.limit>>20, g.layout.source.Quoted())
		}
	case g.cur.size >= g.piece:
		piece := g.cur
		piece.partial = true
		g.handed += len(piece.changes)
		g.cur = group{}
		return g.send(piece)
	}
	return nil
}

func (g *grouper) query(e *replication.QueryEvent, pos uint32) error {
	q := string(bytes.TrimSpace(e.Query[:min(len(e.Query), 2048)]))
	switch {
	case q == "BEGIN":
		g.standalone = false
		return nil
	case strings.HasPrefix(q, "XA START "): // MySQL's
		g.standalone, g.xid = false, "?"
		return nil
	case q == "COMMIT":
		return g.commit(pos)
	case q == "ROLLBACK":
		// Only rows of engines without transactions survive it, and ours is InnoDB.
		return g.rollback(pos)
	case strings.HasPrefix(q, "SAVEPOINT "):
		g.savepoints = append(g.savepoints, savepoint{q[len("SAVEPOINT "):], g.handed + len(g.cur.changes), len(g.cur.markers)})
		return nil
	case strings.HasPrefix(q, "ROLLBACK TO "):
		return g.rollbackTo(strings.TrimPrefix(q[len("ROLLBACK TO "):], "SAVEPOINT "))
	case strings.HasPrefix(q, "XA END "):
		g.xid = q[len("XA END "):]
		return nil
	case strings.HasPrefix(q, "XA COMMIT "):
		return g.decide(q[len("XA COMMIT "):], true, pos)
	case strings.HasPrefix(q, "XA ROLLBACK "):
		return g.decide(q[len("XA ROLLBACK "):], false, pos)
	}
	g.foreign = true
	n := g.names
	n.utf8, n.spelled = inUTF8(e.StatusVars), spellingOf(e.StatusVars)
	switch n.judge(e.Schema, e.Query) {
	case altered:
		return dxf.SchemaChanged(verb(e.Query, n.spelled))
	case written:
		return g.fatal("a session with binlog_format other than ROW executed " + verb(e.Query, n.spelled))
	case unclear:
		if err := g.statement(e, n); err != nil {
			return err
		}
	default:
		if words := told(n.spelled.lex(e.Query)); defines(words) && g.reach.redefined(string(e.Schema), words, n) {
			return g.unattributed("a statement")
		}
	}
	if g.standalone {
		return g.commit(pos)
	}
	return nil
}

// commit ends the group that is being read.
func (g *grouper) commit(pos uint32) error {
	cur := g.cur
	g.cur, g.open = group{}, false
	cur.end = g.at(pos)
	if len(cur.changes) == 0 && len(cur.markers) == 0 && g.handed == 0 {
		return g.passed(cur.end)
	}
	return g.finish(cur)
}

func (g *grouper) rollback(pos uint32) error {
	broken := g.handed > 0
	g.cur, g.open = group{}, false
	if !broken {
		return g.passed(g.at(pos))
	}
	return g.finish(group{broken: true, end: g.at(pos)})
}

// passed notes the end of a group that is nothing to the feed.
func (g *grouper) passed(end position) error {
	g.last = end
	if g.reach.passed(end) { // somebody may be waiting for that
		return g.send(group{end: end})
	}
	return nil
}

func (g *grouper) finish(cur group) error {
	g.last = cur.end
	g.reach.passed(cur.end)
	return g.send(cur)
}

func (g *grouper) send(cur group) error {
	if !cur.partial {
		cur.safe, cur.undecided = g.safe(cur.end)
		g.foreign = false
	}
	return g.emit(cur)
}

// idle is an empty group that tells how far the stream has come; ok is false when
// there is nothing to tell.
func (g *grouper) idle() (cur group, ok bool) {
	if g.open || !g.foreign || g.last.File == "" {
		return group{}, false
	}
	cur.end = g.last
	cur.safe, cur.undecided = g.safe(g.last)
	return cur, true
}

// safe is how far the position may go when everything up to end is applied: not
// beyond what is not decided, or in doubt.
func (g *grouper) safe(end position) (_ position, undecided bool) {
	if len(g.order) > 0 {
		end, undecided = g.prepared[g.order[0]].start, true
	}
	if since := g.reach.doubt.since; since.File != "" {
		if undecided = true; since.Before(end.Position) {
			end = since
		}
	}
	return end, undecided
}

func (g *grouper) fatal(what string) error {
	return dxf.Errorf("table %s changed in a way that the changefeed of job %d cannot follow: %s; run the statement again",
		g.layout.source.Quoted(), g.job, what)
}
