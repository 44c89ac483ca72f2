package table

import (
	"fmt"
	"slices"
	"strings"
)

// Change is the difference between two definitions of a table.
type Change struct {
	Added   []Line // indexes of the target that the source has not
	Dropped []Line // and the reverse
	// Instant: nothing is left to build or to copy; the store changes names,
	// comments and defaults in its dictionary.
	Instant bool
	// Obstacle says why the change cannot be made to a copy of the table; ""
	// when it can.
	Obstacle string
}

// Compare says how source becomes target.
func Compare(source, target Definition) Change {
	c := Change{Obstacle: obstacle(source, target)}
	c.Added = missing(target.Indexes, source.Indexes)
	c.Dropped = missing(source.Indexes, target.Indexes)
	c.Instant = sameSet(source.Columns, target.Columns) && sameSet(source.Constraints, target.Constraints) &&
		source.Partitions == target.Partitions && onlyRenamed(c.Dropped, c.Added)
	return c
}

// Same says whether two definitions differ in nothing but the table's name and
// the order of indexes and constraints, which a rebuilt index changes.
func Same(a, b Definition) bool {
	return slices.Equal(a.Columns, b.Columns) && sameSet(a.Indexes, b.Indexes) && sameSet(a.Constraints, b.Constraints) &&
		a.Options == b.Options && a.Partitions == b.Partitions
}

// Identical says whether they differ in nothing but the table's name.
func Identical(a, b Definition) bool {
	return Same(a, b) && slices.Equal(a.Indexes, b.Indexes) && slices.Equal(a.Constraints, b.Constraints)
}

// OnlyAdded says whether b is a with more indexes.
func OnlyAdded(a, b Definition) bool {
	return OnlyIndexes(a, b) && len(missing(a.Indexes, b.Indexes)) == 0
}

// OnlyIndexes says whether two definitions differ in nothing but indexes.
func OnlyIndexes(a, b Definition) bool {
	return slices.Equal(a.Columns, b.Columns) && sameSet(a.Constraints, b.Constraints) &&
		a.Options == b.Options && a.Partitions == b.Partitions && a.AutoIncrement == b.AutoIncrement
}

// WithoutPresent leaves out of changes, as Difference makes them, the indexes of
// which the definition has one of the same name.
func (d Definition) WithoutPresent(changes []string) []string {
	return slices.DeleteFunc(slices.Clone(changes), func(c string) bool {
		text, adds := strings.CutPrefix(c, "ADD ")
		l := lineOf(text)
		return adds && l.Kind != ColumnLine && l.Name != "" && named(d.Indexes, l.Name)
	})
}

// AddsIndexes says whether changes, as Difference makes them, do nothing but add indexes.
func AddsIndexes(changes []string) bool {
	return !slices.ContainsFunc(changes, func(c string) bool {
		text, adds := strings.CutPrefix(c, "ADD ")
		return !adds || lineOf(text).Kind == ColumnLine
	})
}

// Present is the name of the first index that changes would add and that is there; "" for
// none, and where they drop one, which may be that.
func (d Definition) Present(changes []string) string {
	if slices.ContainsFunc(changes, func(c string) bool { return strings.HasPrefix(c, "DROP ") }) {
		return ""
	}
	for _, c := range changes {
		if len(d.WithoutPresent([]string{c})) == 0 {
			return lineOf(strings.TrimPrefix(c, "ADD ")).Name
		}
	}
	return ""
}

// missing lists the lines of a that b has not.
func missing(a, b []Line) []Line {
	var lines []Line
	for _, l := range a {
		if !slices.Contains(b, l) {
			lines = append(lines, l)
		}
	}
	return lines
}

func sameSet(a, b []Line) bool {
	return len(a) == len(b) && len(missing(a, b)) == 0 && len(missing(b, a)) == 0
}

// newContents lists the indexes of target whose contents no index of source
// has, under whatever name and comment.
func newContents(source, target []Line) []Line {
	var lines []Line
	for _, l := range target {
		if !slices.ContainsFunc(source, func(s Line) bool { return s.Kind == l.Kind && contents(s) == contents(l) }) {
			lines = append(lines, l)
		}
	}
	return lines
}

// onlyRenamed says whether each index that is added takes the place of one that is
// dropped and has the same columns. A second one of the same columns has to be built.
func onlyRenamed(dropped, added []Line) bool {
	dropped = slices.Clone(dropped)
	for _, l := range added {
		i := slices.IndexFunc(dropped, func(d Line) bool { return d.Kind == l.Kind && contents(d) == contents(l) })
		if i < 0 {
			return false
		}
		dropped = slices.Delete(dropped, i, i+1)
	}
	return true
}

// contents is the column list of an index line.
func contents(l Line) string {
	at := scanTo(l.Text, 0, "(")
	if at < 0 {
		return l.Text
	}
	end := scanTo(l.Text, at+1, ")")
	if end < 0 {
		return l.Text
	}
	return l.Text[at:end]
}

func obstacle(source, target Definition) string {
	for _, c := range source.Columns {
		i := slices.IndexFunc(target.Columns, func(t Line) bool { return strings.EqualFold(t.Name, c.Name) })
		if i < 0 {
			return fmt.Sprintf("column %s is dropped or renamed", c.Name)
		}
		if target.Columns[i].Text != c.Text {
			return fmt.Sprintf("column %s is changed", c.Name)
		}
	}
	for _, c := range target.Columns {
		added := !slices.ContainsFunc(source.Columns, func(s Line) bool { return strings.EqualFold(s.Name, c.Name) })
		if added && strings.Contains(c.Text, "AUTO_INCREMENT") {
			return fmt.Sprintf("column %s is to be filled by AUTO_INCREMENT", c.Name)
		}
		// MySQL writes CURRENT_TIMESTAMP without brackets.
		if def := defaultOf(c.Text); added && (strings.Contains(def, "(") || def == "CURRENT_TIMESTAMP") {
			return fmt.Sprintf("column %s is to be filled by an expression", c.Name)
		}
	}
	if !sameSet(source.Constraints, target.Constraints) {
		return "a constraint is added, dropped or changed"
	}
	if source.Partitions != target.Partitions {
		return "the partitioning is changed"
	}
	if optionOf(source.Options, "ENGINE") != optionOf(target.Options, "ENGINE") {
		return "the storage engine is changed"
	}
	// Columns that have the table's character set do not say so in their lines.
	for _, o := range []string{"CHARSET", "COLLATE"} {
		if optionOf(source.Options, o) != optionOf(target.Options, o) {
			return "the character set is changed"
		}
	}
	return ""
}

// defaultOf is what follows DEFAULT in a column's line: the rest of the line.
func defaultOf(column string) string {
	for p := 0; ; p++ {
		if p = scanTo(column, p, "D"); p < 0 {
			return ""
		}
		if rest, ok := strings.CutPrefix(column[p:], "DEFAULT "); ok {
			if end := scanTo(rest+" ", 0, "' "); end >= 0 && rest != "" && rest[min(end, len(rest)-1)] == '\'' {
				return "" // a constant
			}
			first, _, _ := strings.Cut(rest, " ")
			return first
		}
	}
}

// optionOf is the value of a table option; "" when it is not there.
func optionOf(options, name string) string {
	for _, f := range strings.Fields(options) {
		if v, ok := strings.CutPrefix(f, name+"="); ok {
			return v
		}
	}
	return ""
}
