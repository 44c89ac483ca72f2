package changefeed

import (
	"fmt"

	"github.com/go-mysql-org/go-mysql/replication"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// A position is a place in the binlog between two transactions.
type position struct {
	server.Position
	mark string // of the file, see markOf; "" is not known
}

// markOf tells a binlog file from another one of its name, another server's or one
// begun anew: who has made it, and when. Its first event says so, and whoever reads
// from the middle of the file is sent that event too.
func markOf(h *replication.EventHeader) string { return fmt.Sprintf("%d@%d", h.ServerID, h.Timestamp) }

// at is a place in the file that is being read.
func (g *grouper) at(pos uint32) position {
	return position{server.Position{File: g.file, Pos: pos}, g.mark}
}

// opened meets the first event of a file.
func (g *grouper) opened(h *replication.EventHeader) error {
	first := g.mark == "" && g.file == g.from.File && g.last == g.from
	g.mark = markOf(h)
	switch {
	case !first:
		return nil
	case g.server != 0 && h.ServerID != g.server:
		return dxf.ServerChanged(g.job, fmt.Sprintf("server_id %d", g.server), fmt.Sprintf("server_id %d", h.ServerID))
	case g.from.mark != "" && g.from.mark != g.mark:
		return dxf.Errorf("the binlog file %s is not the one that job %d has read until now: it was begun anew (RESET MASTER), "+
			"or the store is another server; run the statement again",
			g.file, g.job)
	}
	g.last.mark = g.mark
	return nil
}
