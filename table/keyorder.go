package table

import (
	"slices"
	"strings"
)

// The server sorts a table's keys when it makes the table: the primary key, unique keys
// without NULL, other unique keys, the rest, full-text keys; alike ones stay in the order
// of the statement. It shows them in that order, and InnoDB, where there is no primary
// key, keeps the rows in the order of the first unique key that has no NULL.

// rankOf is where the server sorts a key among others; columns are its table's.
func rankOf(l Line, columns map[string]columnLine) int {
	switch l.Kind {
	case PrimaryKey:
		return 0
	case FulltextKey, SpatialKey, VectorKey:
		return 6
	case UniqueKey:
		rank := 1
		for _, c := range l.Columns() {
			if !columns[strings.ToLower(c)].notNull {
				rank = 3
			}
		}
		if inPart(l) {
			rank++
		}
		return rank
	}
	return 5
}

// inPart says whether a key has columns in part: `a`(10).
func inPart(l Line) bool { return strings.Contains(contents(l), "`(") }

// clustered is the key by which InnoDB keeps the rows; ok is false when it is none of
// the table's.
func (d Definition) clustered() (key Line, ok bool) {
	columns := readColumns(d)
	for _, l := range d.Indexes {
		if l.Kind == PrimaryKey || rankOf(l, columns) == 1 {
			return l, true
		}
	}
	return Line{}, false
}

// inOrder says whether the server shows the keys in the order of target when it adds
// some behind those that are there.
func inOrder(kept, added []Line, target Definition) bool {
	columns := readColumns(target)
	all := slices.Concat(kept, added)
	slices.SortStableFunc(all, func(a, b Line) int { return rankOf(a, columns) - rankOf(b, columns) })
	return slices.EqualFunc(all, target.Indexes, func(a, b Line) bool { return a.Text == b.Text })
}
