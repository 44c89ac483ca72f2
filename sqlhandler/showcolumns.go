package sqlhandler

import (
	"context"
	"regexp"
	"strings"

	"dxfproxy/protocol"
)

// asksColumns says whether a text asks for the columns of one table.
func asksColumns(text []byte) bool {
	words := strings.Fields(strings.ToUpper(string(head(text, 64))))
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch word(0) {
	case "SHOW":
		if word(1) == "FULL" {
			words = words[1:]
		}
		return word(1) == "COLUMNS" || word(1) == "FIELDS"
	case "DESC", "DESCRIBE":
		return len(strings.Fields(string(text))) == 2
	}
	return false
}

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
