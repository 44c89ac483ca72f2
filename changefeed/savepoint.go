package changefeed

import (
	"strings"

	"dxfproxy/dxf"
)

// A savepoint is what the group had when it was set.
type savepoint struct {
	name    string
	changes int
	markers int
}

// rollbackTo takes back what has come since a savepoint, unless it was handed out already.
func (g *grouper) rollbackTo(name string) error {
	for i := len(g.savepoints) - 1; i >= 0; i-- {
		s := g.savepoints[i]
		if !strings.EqualFold(s.name, name) { // as the servers compare them
			continue
		}
		if s.changes < g.handed {
			return dxf.Errorf("a transaction with more than %d MiB of changes of %s was rolled back to a savepoint, which cannot be followed; "+
				"run the statement again", g.piece>>20, g.layout.source.Quoted())
		}
		for _, c := range g.cur.changes[s.changes-g.handed:] {
			g.cur.size -= c.size()
		}
		g.cur.changes, g.cur.markers = g.cur.changes[:s.changes-g.handed], g.cur.markers[:s.markers]
		g.savepoints = g.savepoints[:i+1]
		return nil
	}
	if len(g.cur.changes)+g.handed == 0 {
		return nil
	}
	return g.fatal("a transaction was rolled back to a savepoint that is not in the binlog")
}
