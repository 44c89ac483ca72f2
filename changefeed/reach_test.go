package changefeed

import (
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"dxfproxy/dxf"
	"dxfproxy/table"
)

// TestC1NamedBy: the names of a statement are all that it can reach, or it is not taken
// for understood.
func TestC1NamedBy(t *testing.T) {
	const latin1, gbk, quotes, oracle = "\x04\x08\x00\x08\x00\x08\x00", "\x04\x1c\x00\x1c\x00\x08\x00", "\x01\x04\x00\x00\x00\x00\x00\x00\x00", "\x01\x00\x02\x00\x00\x00\x00\x00\x00"
	for _, c := range []struct {
		vars, query string
		want        []tableName // nil: not understood
	}{
		{"", "INSERT INTO a VALUES (1, NOW(), NAME_CONST('v', 2))", []tableName{{"s", "a"}}},
		{"", "INSERT INTO a (x, y) SELECT b.x, MAX(y) FROM o.b AS b JOIN c USING (x) ON DUPLICATE KEY UPDATE x = VALUES(x)", []tableName{{"o", "b"}, {"s", "c"}, {"s", "a"}}},
		{"", "REPLACE INTO `a``b` SET x = (SELECT COUNT(*) FROM d)", []tableName{{"s", "a`b"}, {"s", "d"}}},
		{"", "UPDATE a, o.b SET a.x = b.x", []tableName{{"s", "a"}, {"o", "b"}}},
		{"", "DELETE FROM a WHERE x IN (SELECT x FROM b WHERE y = 'c')", []tableName{{"s", "a"}, {"s", "b"}}},
		{"", "CREATE TABLE new SELECT * FROM a", []tableName{{"s", "a"}}},
		{quotes, `UPDATE "a" SET x = 'b'`, []tableName{{"s", "a"}}},
		{latin1, "UPDATE a SET x = '\xe4'", []tableName{{"s", "a"}}},
		{"", "DO f()", nil},
		{"", "SELECT o.now()", nil},
		{"", "INSERT INTO a VALUES (now ())", nil},
		{"", "INSERT INTO a VALUES (Sum\n(1))", nil},
		{"", "UPDATE a SET x = F(1)", nil},
		{"", "UPDATE a SET x = 1 /*! , y = f() */", nil},
		{"", "UPDATE a SET x = 1 /*M! , y = f() */", nil},
		{"", "DELETE FROM a RETURNING f()", nil},
		{"", "CALL p()", nil},
		{"", "CREATE TABLE a (b INT)", nil},
		{"", "UPDATE a SET x = 1; UPDATE b SET x = 1", nil},
		{gbk, "UPDATE a SET x = 1", nil},
		{oracle, "UPDATE a SET x = 1", nil},
	} {
		got, ok := namedBy(&replication.QueryEvent{StatusVars: []byte(c.vars), Schema: []byte("s"), Query: []byte(c.query)})
		if ok != (c.want != nil) || ok && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v %v", c.query, got, ok)
		}
	}
}

// FuzzNamedBy: no statement of others may end the node.
func FuzzNamedBy(f *testing.F) {
	f.Add([]byte("UPDATE a SET x = ((((1))))"))
	f.Add([]byte("SELECT 1e999999, 0x, b''"))
	f.Fuzz(func(_ *testing.T, q []byte) { namedBy(&replication.QueryEvent{Schema: []byte("s"), Query: q}) })
}

// TestC1Doubt: a name is asked about later than it was used. Until the feed has read up
// to there its position stays in front of the statement, and who changes what the name
// means ends the feed.
func TestC1Doubt(t *testing.T) {
	query := func(text string) replication.Event {
		return &replication.QueryEvent{Schema: []byte("s"), Query: []byte(text)}
	}
	gtid, alone, xid := &replication.MariadbGTIDEvent{}, &replication.MariadbGTIDEvent{Flags: flagStandalone}, &replication.XIDEvent{}
	write := []replication.Event{gtid, query("UPDATE a SET x = 1"), xid} // from 100 to 400
	pass := []replication.Event{gtid, query("COMMIT"), gtid, query("COMMIT")}
	for name, c := range map[string]struct {
		plain  bool
		end    uint32 // of the binlog when the store is asked
		events []replication.Event
		err    bool
		asked  int
		safe   uint32 // of the last group
	}{
		"a view":            {events: write, err: true, asked: 1},
		"in doubt":          {plain: true, end: 700, events: slices.Concat(write, pass[:2]), asked: 1},
		"not any more":      {plain: true, end: 700, events: slices.Concat(write, pass), asked: 1, safe: 800},
		"at once":           {plain: true, end: 400, events: write, asked: 1, safe: 400},
		"known":             {plain: true, end: 400, events: slices.Concat(write, write, write), asked: 1, safe: 400},
		"its trigger":       {plain: true, end: 700, events: slices.Concat(write, []replication.Event{alone, query("DROP TRIGGER x")}), err: true, asked: 1},
		"renamed":           {plain: true, end: 700, events: slices.Concat(write, []replication.Event{alone, query("RENAME TABLE b TO c, c TO a")}), err: true, asked: 1},
		"another":           {plain: true, end: 700, events: slices.Concat(write, []replication.Event{alone, query("DROP TABLE b")}, pass), asked: 1, safe: 800},
		"another, then":     {plain: true, end: 400, events: slices.Concat(write, []replication.Event{alone, query("DROP TRIGGER x")}, write), asked: 2, safe: 400},
		"the table's, then": {plain: true, end: 400, events: slices.Concat(write, []replication.Event{alone, query("CREATE TRIGGER x BEFORE INSERT ON a FOR EACH ROW SET @a = 1")}, write), asked: 2, safe: 400},
	} {
		t.Run(name, func(t *testing.T) {
			var asked int
			var told group
			start := place("b.1", 100)
			g := &grouper{file: "b.1", last: start, names: names{schema: "shop", table: "orders"}, layout: &layout{source: &table.Info{Schema: "shop", Name: "orders"}}}
			g.own = func(string, string) bool { return false }
			g.emit = func(cur group) error { told = cur; return nil }
			g.reach.ask = func(n tableName) (bool, position, error) {
				if asked++; n != (tableName{"s", "a"}) {
					t.Errorf("asked for %v", n)
				}
				return c.plain, place("b.1", c.end), nil
			}
			var err error
			for i, e := range c.events {
				if err = g.event(at(100, uint64(200+100*i), e)); err != nil {
					break
				}
				if cur, ok := g.idle(); ok && g.reach.doubt.over.File != "" && (cur.safe != start || !cur.undecided) {
					t.Errorf("the position may go to %s", cur.safe)
				}
			}
			if _, told := err.(*dxf.Error); told != c.err || asked != c.asked {
				t.Fatalf("asked %d times, %v", asked, err)
			}
			if told.safe.Pos != c.safe || told.undecided {
				t.Errorf("told that %s is safe", told.safe)
			}
		})
	}
}
