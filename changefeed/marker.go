package changefeed

import (
	"fmt"

	"github.com/go-mysql-org/go-mysql/replication"

	"dxfproxy/dxf"
)

const markerTable = "changefeed_marker"

// A marker is a row of changefeed_marker of our job.
type marker struct {
	id   int64
	kind dxf.MarkerKind
}

func (g *grouper) isMarker(t *replication.TableMapEvent) bool {
	return string(t.Table) == markerTable && string(t.Schema) == g.meta
}

// marks reads marker rows. Columns: id, job_id, kind, and whatever follows.
func (g *grouper) marks(e *replication.RowsEvent) error {
	if e.Type() != replication.EnumRowsEventTypeInsert {
		return nil
	}
	number := integer(false, 64)
	for _, row := range e.Rows {
		if len(row) < 3 {
			return fmt.Errorf("a marker with %d columns", len(row))
		}
		job, err := number(nil, row[1])
		if err != nil || string(job) != fmt.Sprint(g.job) {
			continue
		}
		m := marker{}
		if b, err := number(nil, row[0]); err == nil {
			_, _ = fmt.Sscan(string(b), &m.id)
		}
		switch k := row[2].(type) {
		case string:
			m.kind = dxf.MarkerKind(k)
		case []byte:
			m.kind = dxf.MarkerKind(k)
		case int64: // ENUM('sync','pause','seal')
			kinds := []dxf.MarkerKind{"", dxf.MarkSync, dxf.MarkPause, dxf.MarkSeal}
			if k > 0 && int(k) < len(kinds) {
				m.kind = kinds[k]
			}
		}
		switch m.kind {
		case dxf.MarkSync, dxf.MarkPause, dxf.MarkSeal:
		default:
			return fmt.Errorf("marker %d of unknown kind %v", m.id, row[2])
		}
		g.cur.markers = append(g.cur.markers, m)
	}
	return nil
}
