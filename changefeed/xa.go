package changefeed

import "github.com/go-mysql-org/go-mysql/replication"

// prepared is an XA transaction that is neither committed nor rolled back; start is where
// its group began.
type prepared struct {
	cur   group
	start position
}

// prepare ends an XA group: its rows wait for the decision.
func (g *grouper) prepare(e *replication.BinlogEvent) error {
	if body := e.RawData[min(len(e.RawData), replication.EventHeaderSize):]; len(body) > 0 && body[0] != 0 {
		return g.commit(e.Header.LogPos) // XA COMMIT ... ONE PHASE
	}
	cur := g.cur
	g.cur, g.open = group{}, false
	start, end := g.last, g.at(e.Header.LogPos)
	if len(cur.changes) > 0 || len(cur.markers) > 0 {
		if g.prepared == nil {
			g.prepared = map[string]prepared{}
		}
		g.prepared[g.xid] = prepared{cur, start}
		g.order = append(g.order, g.xid)
		g.undecided += cur.size
	}
	return g.passed(end)
}

// decide ends what prepare has left: its rows come now, or never.
func (g *grouper) decide(xid string, commit bool, pos uint32) error {
	p, known := g.prepared[xid]
	if known {
		delete(g.prepared, xid)
		for i, x := range g.order {
			if x == xid {
				g.order = append(g.order[:i:i], g.order[i+1:]...)
				break
			}
		}
		g.undecided -= p.cur.size
	}
	g.cur, g.open = group{}, false
	end := g.at(pos)
	if !known {
		return g.passed(end)
	}
	if !commit {
		p.cur = group{} // tells that the position may go on
	}
	p.cur.end = end
	return g.finish(p.cur)
}
