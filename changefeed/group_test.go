package changefeed

import (
	"errors"
	"math"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// at is an event of some size that ends at a position of 32 bits, as all do.
func at(size uint32, end uint64, e replication.Event) *replication.BinlogEvent {
	return &replication.BinlogEvent{Header: &replication.EventHeader{EventSize: size, LogPos: uint32(end)}, Event: e}
}

// TestFileBeyond4GiB: behind 4 GiB the positions of events begin again at 0. No
// group may end at one of them, and no feed go on as if it had.
func TestFileBeyond4GiB(t *testing.T) {
	const gib = uint64(1) << 30
	gtid, xid := &replication.MariadbGTIDEvent{}, &replication.XIDEvent{}
	other := &replication.GenericEvent{}
	rotate := func(file string) replication.Event {
		return &replication.RotateEvent{NextLogName: []byte(file), Position: 4}
	}
	artificial := func(e *replication.BinlogEvent) *replication.BinlogEvent {
		e.Header.Flags = flagArtificial
		return e
	}
	kind := func(k replication.EventType, e *replication.BinlogEvent) *replication.BinlogEvent {
		e.Header.EventType = k
		return e
	}
	for name, c := range map[string]struct {
		events []*replication.BinlogEvent
		end    position // when nothing is wrong
	}{
		"grows": {[]*replication.BinlogEvent{
			at(40, 3*gib+40, gtid), at(1<<29, 3*gib+gib/2+40, other), at(31, 3*gib+gib/2+71, xid),
		}, place("b.1", uint32(3*gib+gib/2+71))},
		"to the last byte": {[]*replication.BinlogEvent{at(40, 3*gib+40, gtid), at(31, math.MaxUint32, xid)}, place("b.1", math.MaxUint32)},
		"begins again at 0": {events: []*replication.BinlogEvent{
			at(40, 3*gib+40, gtid), at(1<<30-1, 4*gib+39, other), at(31, 4*gib+70, xid),
		}},
		"at the transaction's end": {events: []*replication.BinlogEvent{
			at(40, 4*gib-50, gtid), at(31, 4*gib+10, xid),
		}},
		// MariaDB 11.4: nothing is said before the end, which looks like progress.
		"unseen": {events: []*replication.BinlogEvent{
			at(40, gib, gtid), at(1<<30, 0, other), at(1<<30, 0, other), at(1<<30, 0, other), at(1<<30, 0, other), at(31, gib+31, xid),
		}},
		"nothing is said inside": {[]*replication.BinlogEvent{
			at(40, gib, gtid), at(1<<30, 0, other), at(1<<30, 0, other), at(31, 3*gib+31, xid),
		}, place("b.1", uint32(3*gib+31))},
		"next file": {[]*replication.BinlogEvent{
			at(40, 3*gib+40, gtid), at(31, 3*gib+71, xid), at(47, 3*gib+118, rotate("b.2")),
			artificial(at(47, 0, rotate("b.2"))), at(256, 260, other), at(40, 300, gtid), at(31, 331, xid),
		}, place("b.2", 331)},
		"made up": {[]*replication.BinlogEvent{
			at(40, 3*gib+40, gtid), artificial(at(100, 300, other)), kind(replication.HEARTBEAT_EVENT, at(40, 4, other)), at(31, 3*gib+71, xid),
		}, place("b.1", uint32(3*gib+71))},
	} {
		t.Run(name, func(t *testing.T) {
			g := &grouper{file: "b.1", last: place("b.1", 4), own: func(string, string) bool { return false }, emit: func(group) error { return nil }}
			var err error
			for _, e := range c.events {
				if err = g.event(e); err != nil {
					break
				}
			}
			var told *dxf.Error
			switch {
			case c.end.File != "" && err != nil:
				t.Fatal(err)
			case c.end.File != "" && g.last != c.end:
				t.Errorf("ended at %s, want %s", g.last, c.end)
			case c.end.File == "" && !errors.As(err, &told):
				t.Errorf("went on, to %s: %v", g.last, err)
			}
		})
	}
}

// place is a position in a file without a mark.
func place(file string, pos uint32) position {
	return position{Position: server.Position{File: file, Pos: pos}}
}
