package table

import (
	"slices"
	"strings"
)

// SessionBound says whether what the change makes of the rows hangs on the session that
// makes it: on its time zone and its time, on how it divides and what it calls the months.
// Such a change is for the session of who asked for it. What a definition says is no
// such thing: it is read and written in UTC, and means the same everywhere.
func SessionBound(source, target Definition) bool {
	from, to := readColumns(source), readColumns(target)
	rebuilt := !OnlyIndexes(source, target)
	for name, c := range to {
		old, there := from[name]
		changed := !there || old.Text != c.Text
		switch {
		case c.expression != "" && !alike(c.expression, to):
			// ADD INDEX alone keeps what a stored column holds.
			if rebuilt && c.stored || changed && c.stored || !c.stored && newlyIndexed(name, source, target) {
				return true
			}
		case !changed:
		case c.check != "" && !alike(c.check, to):
			return true
		case !there && c.isNow() && c.Type != "timestamp": // a local time
			return true
		case there && old.Type != c.Type && (old.isTemporal() || c.isTemporal()):
			return true
		}
	}
	for _, l := range missing(target.Constraints, source.Constraints) {
		if l.Kind == CheckLine && !alike(l.Text[max(scanTo(l.Text, 0, "("), 0):], to) {
			return true
		}
	}
	return slices.ContainsFunc(missing(target.Indexes, source.Indexes), func(l Line) bool {
		return slices.Contains(l.Columns(), "") && !alike(l.behindName(), to) // MySQL's keys of expressions
	})
}

// newlyIndexed says whether an index on the column is to be made.
func newlyIndexed(column string, source, target Definition) bool {
	return slices.ContainsFunc(newContents(source.Indexes, target.Indexes), func(l Line) bool {
		return slices.ContainsFunc(l.Columns(), func(c string) bool { return strings.EqualFold(c, column) })
	})
}

// checkKept: rows written to the shadow get what the expression comes to now, in a
// session of ours, and not what the row holds.
func checkKept(_ *Info, target Definition, _ Conditions) Reason {
	columns := readColumns(target)
	for _, l := range target.Columns {
		c := columns[strings.ToLower(l.Name)]
		if c.expression != "" && (c.stored || hasIndex(target, c.Name)) && !alike(c.expression, columns) {
			return reasonf("what generated column %s holds hangs on who wrote the row", c.Name)
		}
	}
	return ""
}

// hasIndex says whether an index of the definition has the column.
func hasIndex(d Definition, column string) bool {
	return slices.ContainsFunc(d.Indexes, func(l Line) bool {
		return slices.ContainsFunc(l.Columns(), func(c string) bool { return strings.EqualFold(c, column) })
	})
}

// checkRows: what the server would refuse for the sake of rows that are there already,
// it has to refuse here as well. The copy does not ask it: rows come to the shadow as
// they are, and whoever wrote them was asked.
func checkRows(t *Info, target Definition, s Conditions) Reason {
	source, err := Parse(t.Create)
	if err != nil {
		return "its definition is of an unexpected form"
	}
	from, to := readColumns(source), readColumns(target)
	strict := s.strict()
	for _, l := range target.Columns {
		c := to[strings.ToLower(l.Name)]
		_, there := from[strings.ToLower(l.Name)]
		switch {
		case c.expression != "" && strict &&
			(!there && c.stored || !c.stored && newlyIndexed(c.Name, source, target) && keepsVirtual(source, target)):
			return reasonf("under this sql_mode every value of generated column %s has to be checked", c.Name)
		case there:
		case c.check != "" && c.expression == "":
			return reasonf("the rows that are there have to be checked for new column %s", c.Name)
		case c.notNull && c.defaultValue == "" && c.expression == "" &&
			(c.isTemporal() && c.Type != "year" && c.Type != "time" && strict && s.hasMode("NO_ZERO_DATE") || c.isGeometry()):
			return reasonf("new column %s has no value for the rows that are there", c.Name)
		}
	}
	return ""
}

// Judged says whether the build of the indexes has to look at values of virtual columns
// under the sql_mode of who asks.
func Judged(source, target Definition, s Conditions) bool {
	return s.strict() && slices.ContainsFunc(target.Columns, func(l Line) bool {
		c := readColumn(l)
		return c.expression != "" && !c.stored && newlyIndexed(c.Name, source, target)
	})
}

// keepsVirtual says whether an index of a virtual column is only built anew, which looks
// at no value again.
func keepsVirtual(source, target Definition) bool {
	return slices.ContainsFunc(target.Columns, func(l Line) bool {
		c := readColumn(l)
		return c.expression != "" && !c.stored && hasIndex(source, c.Name)
	})
}

func (s Conditions) strict() bool {
	return s.hasMode("STRICT_TRANS_TABLES") || s.hasMode("STRICT_ALL_TABLES")
}

func (c columnLine) isGeometry() bool {
	switch c.Type {
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return true
	}
	return false
}

func (s Conditions) hasMode(name string) bool {
	return slices.Contains(strings.Split(s.Mode, ","), name)
}
