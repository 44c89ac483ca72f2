package changefeed

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
)

// TestGroupsOfMySQL: its transactions begin with BEGIN or XA START behind the GTID;
// a statement that stands alone ends them.
func TestGroupsOfMySQL(t *testing.T) {
	gtid, xid := &replication.GTIDEvent{}, &replication.XIDEvent{}
	query := func(text string) replication.Event {
		return &replication.QueryEvent{Schema: []byte("other"), Query: []byte(text)}
	}
	var ended []uint32
	for name, c := range map[string]struct {
		events []replication.Event
		ends   []uint32 // where a group has ended, an event being 100 bytes long
	}{
		"transactions": {[]replication.Event{gtid, query("BEGIN"), xid, gtid, query("BEGIN"), query("COMMIT")}, []uint32{300, 600}},
		"DDL":          {[]replication.Event{gtid, query("ALTER TABLE elsewhere FORCE"), gtid, query("BEGIN"), xid}, []uint32{200, 500}},
		"statements inside": {[]replication.Event{
			gtid, query("BEGIN"), query("SAVEPOINT s"), query("CREATE TABLE elsewhere (a INT) START TRANSACTION"), xid,
		}, []uint32{500}},
		"XA": {[]replication.Event{
			gtid, query("XA START X'31',X'',1"), query("XA END X'31',X'',1"), &replication.GenericEvent{}, gtid, query("XA COMMIT X'31',X'',1"),
		}, []uint32{400, 600}},
	} {
		t.Run(name, func(t *testing.T) {
			ended = nil
			g := &grouper{file: "b.1", own: func(string, string) bool { return false }, emit: func(group) error { return nil }}
			g.names = names{schema: "shop", table: "orders"}
			for i, e := range c.events {
				end := uint32(100 * (i + 1))
				b := &replication.BinlogEvent{Header: &replication.EventHeader{EventSize: 100, LogPos: end}, Event: e}
				if _, ok := e.(*replication.GenericEvent); ok {
					b.Header.EventType = replication.XA_PREPARE_LOG_EVENT
				}
				if err := g.event(b); err != nil {
					t.Fatal(err)
				}
				if g.last.Pos == end {
					ended = append(ended, end)
				}
			}
			if len(ended) != len(c.ends) {
				t.Fatalf("groups end at %v, want %v", ended, c.ends)
			}
			for i := range ended {
				if ended[i] != c.ends[i] {
					t.Fatalf("groups end at %v, want %v", ended, c.ends)
				}
			}
		})
	}
}
