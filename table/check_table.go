package table

import (
	"strings"

	"dxfproxy/server"
)

// checkEngine: without transactions a chunk and its checkpoint are not one.
func checkEngine(t *Info, _ Definition, _ Conditions) Reason {
	if !strings.EqualFold(t.Engine, "InnoDB") {
		return reasonf("its storage engine is %s", t.Engine)
	}
	return ""
}

// checkVersioned: a DELETE arrives in the binlog as an UPDATE of the row's end.
func checkVersioned(t *Info, _ Definition, _ Conditions) Reason {
	if t.Versioned {
		return "it is system-versioned"
	}
	return ""
}

// checkCompressed: their row events have a format of their own.
func checkCompressed(t *Info, _ Definition, _ Conditions) Reason {
	for _, c := range t.Columns {
		if c.Compressed {
			return reasonf("column %s is compressed", c.Name)
		}
	}
	return ""
}

// checkPeriods: MariaDB replaces no row of a table with such a key, which the changefeed
// would have to.
func checkPeriods(_ *Info, d Definition, _ Conditions) Reason {
	for _, l := range d.Indexes {
		if strings.HasSuffix(contents(l), " WITHOUT OVERLAPS") {
			return reasonf("key %s is of periods WITHOUT OVERLAPS", l.Name)
		}
	}
	return ""
}

// checkMySQL: MySQL's JSON is binary, and has no text that reads back as the same
// bytes in all cases; a CHECK constraint's name is unique in the schema, and the
// one on a copy would be another.
func checkMySQL(t *Info, d Definition, s Conditions) Reason {
	if s.Family != server.MySQL {
		return ""
	}
	for _, c := range t.Columns {
		if c.DataType == "json" && c.Generated == NotGenerated {
			return reasonf("column %s is JSON", c.Name)
		}
	}
	for _, l := range d.Constraints {
		if l.Kind == CheckLine {
			return "it has a CHECK constraint" // the copy's names are others
		}
	}
	return ""
}

// checkKey: ranges and row changes are told apart by a key.
func checkKey(t *Info, _ Definition, _ Conditions) Reason {
	if t.CopyKey == nil {
		return "it has no primary key or NOT NULL unique key that rows can be copied by"
	}
	return ""
}

// checkTriggers: they belong to the table and would go away with it.
func checkTriggers(t *Info, _ Definition, _ Conditions) Reason {
	if len(t.Triggers) > 0 {
		return reasonf("it has trigger %s", t.Triggers[0])
	}
	return ""
}

// checkForeignKeys: cascades into a child are not in the binlog; a child's own
// constraints would need other names on the shadow; and the children of a
// parent follow it when it is renamed.
func checkForeignKeys(t *Info, _ Definition, _ Conditions) Reason {
	for _, f := range t.Parents {
		for _, action := range []string{f.OnDelete, f.OnUpdate} {
			if action == "CASCADE" || strings.HasPrefix(action, "SET ") {
				return reasonf("foreign key %s changes rows (%s) without a trace in the binlog", f.Name, strings.ToLower(action))
			}
		}
	}
	switch {
	case len(t.Parents) > 0:
		return reasonf("it has foreign key %s", t.Parents[0].Name)
	case len(t.Children) > 0:
		f := t.Children[0]
		return reasonf("foreign key %s of %s.%s refers to it", f.Name, f.Schema, f.Table)
	}
	return ""
}
