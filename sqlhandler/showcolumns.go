package sqlhandler

import (
	"context"
	"regexp"
	"strings"

	"dxfproxy/protocol"
)

// displayWidth is what MariaDB adds to a type's name and TiDB does not.
var displayWidth = regexp.MustCompile(`^(bigint|int)\(\d+\)| /\* mariadb-5\.3 \*/$`)

// showColumns shows the columns of a framework table as TiDB would: ours are left
// out, and types go by its names.
func showColumns(ctx context.Context, c *protocol.Conn, text []byte) (protocol.Reply, error) {
	rs, err := c.Query(ctx, string(text))
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, col := range rs.Columns {
		at[col.Name] = i
		rs.Columns[i] = protocol.Column{Name: col.Name}
	}
	name, typ, def, extra := at["Field"], at["Type"], at["Default"], at["Extra"]
	rows := rs.Rows[:0]
	for i, r := range rs.Rows {
		if strings.Contains(field(rs, i, extra), "INVISIBLE") {
			continue
		}
		r[typ] = displayWidth.ReplaceAllString(field(rs, i, typ), "$1")
		if n := field(rs, i, name); n == "modify_params" || n == "summary" && r[typ] == "longtext" {
			r[typ] = "json" // MariaDB's JSON is a LONGTEXT
		}
		if d := field(rs, i, def); strings.HasPrefix(d, "current_timestamp") {
			r[def] = strings.ToUpper(d)
		}
		rows = append(rows, r)
	}
	rs.Rows = rows
	announce(rs.Columns, rows)
	return rs, nil
}
