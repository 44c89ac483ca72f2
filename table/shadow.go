package table

import (
	"fmt"
	"slices"
	"strings"

	"dxfproxy/server"
)

// CreateLike is the first statement of a shadow: an empty table like this one.
// Foreign keys and triggers do not come along.
func CreateLike(t *Info, shadow string) string {
	return fmt.Sprintf("CREATE TABLE %s LIKE %s", server.Quote(t.Schema, shadow), t.Quoted())
}

// Indexes splits the index lines of a shadow into those that stay while rows
// are copied and those that are built afterwards: all but the copy key and one
// that an AUTO_INCREMENT column needs as long as it is one. That one is a plain
// key, or a unique one that the source has too: a unique index that is being
// added would turn away, or in the changefeed replace, rows of a table that has
// duplicates. Without either, ok is false, and the table cannot be copied. A line
// that is not clear stays too: it is not to be executed. So does one with a comment, which
// would be lost when it is built, and the key by which InnoDB
// keeps the rows, and whatever the server shows before one that stays.
func Indexes(source, target Definition, copyKey *Key, autoIncrement string) (stay, build []Line, ok bool) {
	need := autoIncrement != ""
	first, _ := target.clustered()
	for _, l := range target.Indexes {
		if l.Kind == PrimaryKey || l == first || (l.Kind == UniqueKey && strings.EqualFold(l.Name, copyKey.Name)) {
			stay = append(stay, l)
			need = need && !startsWith(l, autoIncrement)
		}
	}
	added := newContents(source.Indexes, target.Indexes)
	for _, fits := range []func(Line) bool{
		func(l Line) bool { return l.Kind == PlainKey && !slices.Contains(added, l) },
		func(l Line) bool { return l.Kind == PlainKey },
		func(l Line) bool { return l.Kind == UniqueKey && !slices.Contains(added, l) },
	} {
		i := slices.IndexFunc(target.Indexes, func(l Line) bool { return fits(l) && startsWith(l, autoIncrement) })
		if need && i >= 0 {
			stay, need = append(stay, target.Indexes[i]), false
		}
	}
	stay = append(stay, ahead(target, stay, added)...)
	for _, l := range target.Indexes {
		switch {
		case slices.Contains(stay, l):
		case !clear(l.Text), commented(l.Text):
			stay = append(stay, l)
		default:
			build = append(build, l)
		}
	}
	return stay, build, !need
}

// ahead are the indexes that the server shows before one of these of the same rank: built
// later they would come behind it. A unique one that is being added is built all the same.
func ahead(target Definition, stay, added []Line) (more []Line) {
	columns := readColumns(target)
	for i, l := range target.Indexes {
		before := slices.ContainsFunc(target.Indexes[i+1:], func(s Line) bool {
			return slices.Contains(stay, s) && rankOf(s, columns) == rankOf(l, columns)
		})
		if before && !slices.Contains(stay, l) && !(l.Kind == UniqueKey && slices.Contains(added, l)) {
			more = append(more, l)
		}
	}
	return more
}

func startsWith(index Line, column string) bool {
	names := index.Columns()
	return len(names) > 0 && strings.EqualFold(names[0], column)
}

// DropIndexes is the statement that takes the indexes off a table; "" for none.
func DropIndexes(schema, name string, indexes []Line) string {
	if len(indexes) == 0 {
		return ""
	}
	drops := make([]string, len(indexes))
	for i, l := range indexes {
		drops[i] = "DROP INDEX " + server.Quote(l.Name)
	}
	return "ALTER TABLE " + server.Quote(schema, name) + " " + strings.Join(drops, ", ")
}

// AddIndexes are the statements that put indexes on a table, given their lines.
// All plain and unique ones go into one statement, which reads the table once;
// InnoDB makes full-text and spatial ones one at a time. Lines that are not clear
// are left out.
func AddIndexes(schema, name string, lines []string) []string {
	var together, alone []string
	alter := "ALTER TABLE " + server.Quote(schema, name) + " "
	for _, l := range lines {
		switch kind := lineOf(l).Kind; {
		case !clear(l):
		case kind == FulltextKey || kind == SpatialKey || kind == VectorKey:
			alone = append(alone, alter+"ADD "+l)
		default:
			together = append(together, "ADD "+l)
		}
	}
	if together != nil {
		alone = slices.Insert(alone, 0, alter+strings.Join(together, ", "))
	}
	return alone
}

// Missing lists the index lines a definition has not.
func (d Definition) Missing(lines []string) []string {
	var missing []string
	for _, l := range lines {
		if !slices.ContainsFunc(d.Indexes, func(have Line) bool { return have.Text == l }) {
			missing = append(missing, l)
		}
	}
	return missing
}

// Texts are the lines as written.
func Texts(lines []Line) []string {
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.Text
	}
	return texts
}
