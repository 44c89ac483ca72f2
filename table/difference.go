package table

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"dxfproxy/server"
)

// ErrDifference: the change is of a kind that is not made of two definitions.
// Who asked for it can still make it himself.
var ErrDifference = errors.New("this change cannot be told from the definitions of the table")

// Difference says with which clauses of an ALTER TABLE source becomes target.
// Every clause is made of the server's own words in the two definitions, so
// whatever the statement was that has made target, the clauses change this one
// table and reach for no other: kinds of changes that could (foreign keys,
// partitions, engines and all other options but a few, functions in a column's
// default, and what is not clear) are ErrDifference. renamed are the new names of columns by their old
// ones in lower case; two definitions alone do not tell a renamed column from
// one that was dropped beside one that was added.
func Difference(source, target Definition, renamed map[string]string) ([]string, error) {
	if source.Partitions != target.Partitions {
		return nil, fmt.Errorf("%w: the partitioning differs", ErrDifference)
	}
	constraintsGone, constraintsNew, err := constraintClauses(source, target)
	if err != nil {
		return nil, err
	}
	columns, err := columnClauses(source, target, renamed)
	if err != nil {
		return nil, err
	}
	indexesGone, indexesNew := indexClauses(followNames(source.Indexes, renamed), target)
	options, err := optionClauses(source, target)
	if err != nil {
		return nil, err
	}
	clauses := slices.Concat(constraintsGone, indexesGone, columns, indexesNew, constraintsNew, options)
	if i := slices.IndexFunc(clauses, func(c string) bool { return !clear(c) }); i >= 0 {
		return nil, fmt.Errorf("%w: a comment in %.40s", ErrDifference, clauses[i])
	}
	return clauses, nil
}

// followNames are index lines after columns were renamed: the server does that by itself.
func followNames(lines []Line, renamed map[string]string) []Line {
	if len(renamed) == 0 {
		return lines
	}
	followed := make([]Line, len(lines))
	for i, l := range lines {
		at := len(l.Text) - len(l.behindName())
		text := l.Text[:at]
		for rest := l.Text[at:]; rest != ""; {
			name, n := unquote(rest)
			if n == 0 {
				if n = 1; rest[0] == '\'' { // a comment
					n = max(skipQuoted(rest, 0), 1)
				}
				text, rest = text+rest[:n], rest[n:]
				continue
			}
			if to, ok := renamed[strings.ToLower(name)]; ok {
				name = to
			}
			text, rest = text+server.Quote(name), rest[n:]
		}
		followed[i] = lineOf(text)
	}
	return followed
}

// indexClauses drops, renames and adds indexes. One that differs from a dropped
// one by its name alone is renamed, which costs nothing, unless that would leave it
// before others that it comes behind.
func indexClauses(source []Line, target Definition) (gone, added []string) {
	dropped, fresh := missing(source, target.Indexes), missing(target.Indexes, source)
	var names []string // RENAME INDEX
	kept, left, rest := slices.Clone(source), slices.Clone(dropped), []Line(nil)
	for _, l := range fresh {
		i := slices.IndexFunc(left, func(d Line) bool { return isRenamed(d, l) && !named(source, l.Name) && !named(target.Indexes, d.Name) })
		if i < 0 {
			rest = append(rest, l)
			continue
		}
		names = append(names, "RENAME INDEX "+server.Quote(left[i].Name)+" TO "+server.Quote(l.Name))
		kept[slices.Index(kept, left[i])] = l
		left = slices.Delete(left, i, i+1)
	}
	kept = slices.DeleteFunc(kept, func(l Line) bool { return slices.Contains(left, l) })
	if len(names) > 0 && inOrder(kept, rest, target) {
		gone, dropped, fresh = names, left, rest
	}
	for _, l := range dropped {
		if l.Kind == PrimaryKey {
			gone = append(gone, "DROP PRIMARY KEY")
		} else {
			gone = append(gone, "DROP INDEX "+server.Quote(l.Name))
		}
	}
	for _, l := range fresh {
		added = append(added, "ADD "+l.Text)
	}
	return gone, added
}

func isRenamed(a, b Line) bool {
	return a.Kind == b.Kind && a.Kind != PrimaryKey && a.behindName() == b.behindName()
}

// behindName is the line from its column list on.
func (l Line) behindName() string { return l.Text[max(scanTo(l.Text, 0, "("), 0):] }

func named(lines []Line, name string) bool {
	return slices.ContainsFunc(lines, func(l Line) bool { return strings.EqualFold(l.Name, name) })
}

// columnClauses goes through the columns of the target in their order and puts
// each in its place, as the server does with one clause after the other.
func columnClauses(source, target Definition, renamed map[string]string) ([]string, error) {
	var clauses []string
	now := make([]Line, 0, len(source.Columns)) // the columns, as the clauses so far leave them
	names := make([]string, 0, len(now))        // what they will be called
	for _, c := range source.Columns {
		name := c.Name
		if to, ok := renamed[strings.ToLower(name)]; ok {
			name = to
		}
		if !named(target.Columns, name) {
			clauses = append(clauses, "DROP COLUMN "+server.Quote(c.Name))
			continue
		}
		now, names = append(now, c), append(names, name)
	}
	primary := newPrimary(source, target)
	for i, want := range target.Columns {
		at := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, want.Name) })
		if at < 0 {
			if err := safeColumn(want); err != nil {
				return nil, err
			}
			clauses = append(clauses, "ADD COLUMN "+want.Text+place(target.Columns, i, i == len(names)))
			now, names = slices.Insert(now, i, want), slices.Insert(names, i, want.Name)
			continue
		}
		have := now[at]
		moved := at != i
		if moved {
			now, names = slices.Insert(slices.Delete(now, at, at+1), i, want), slices.Insert(slices.Delete(names, at, at+1), i, want.Name)
		}
		switch {
		case have.Text == want.Text && !moved:
		case !moved && have.Name == want.Name && primary[strings.ToLower(want.Name)] && nullable(have.Text) == nullable(want.Text):
			// A primary key makes its columns NOT NULL by itself.
		case !moved && behindIdentifier(have.Text) == behindIdentifier(want.Text):
			clauses = append(clauses, "RENAME COLUMN "+server.Quote(have.Name)+" TO "+server.Quote(want.Name))
		default:
			if err := safeColumn(want); err != nil {
				return nil, err
			}
			clauses = append(clauses, "CHANGE COLUMN "+server.Quote(have.Name)+" "+want.Text+place(target.Columns, i, !moved))
		}
	}
	return clauses, nil
}

// place says where column i of columns goes; nothing where it goes by itself.
func place(columns []Line, i int, byItself bool) string {
	switch {
	case byItself:
		return ""
	case i == 0:
		return " FIRST"
	}
	return " AFTER " + server.Quote(columns[i-1].Name)
}

// newPrimary are the columns of a primary key that only the target has.
func newPrimary(source, target Definition) map[string]bool {
	columns := map[string]bool{}
	for _, l := range missing(target.Indexes, source.Indexes) {
		if l.Kind == PrimaryKey {
			for _, c := range l.Columns() {
				columns[strings.ToLower(c)] = true
			}
		}
	}
	return columns
}

// nullable is a column's line without what it says about NULL.
func nullable(line string) string {
	rest := behindIdentifier(line)
	for _, words := range []string{" NOT NULL", " DEFAULT NULL", " NULL"} {
		if at := strings.Index(rest, words); at >= 0 && !inQuotes(rest, at) {
			rest = rest[:at] + rest[at+len(words):]
		}
	}
	return rest
}

func behindIdentifier(line string) string {
	_, n := unquote(line)
	return line[n:]
}

// safeColumn refuses a column whose definition could reach for something else
// than its table: a default that is no constant and not the current time
// (MariaDB's may be the next value of somebody's sequence). Of other expressions
// the servers allow only what looks at the row itself.
func safeColumn(c Line) error {
	if def := defaultOf(c.Text); def == "" || constant.MatchString(def) {
		return nil
	}
	return fmt.Errorf("%w: the default of column %s is an expression", ErrDifference, c.Name)
}

// constant is a default that is the same for everybody, but for the time.
var constant = regexp.MustCompile(`(?i)^(NULL|[-+]?[0-9]*\.?[0-9]+(E[-+]?[0-9]+)?|B'[01]*'|X'[0-9A-F]*'|CURRENT_TIMESTAMP(\([0-6]?\))?)$`)

// constraintClauses drops and adds CHECK constraints, and drops foreign keys.
func constraintClauses(source, target Definition) (gone, added []string, err error) {
	for _, l := range missing(source.Constraints, target.Constraints) {
		switch l.Kind {
		case CheckLine:
			gone = append(gone, "DROP CONSTRAINT "+server.Quote(l.Name))
		case ForeignLine:
			gone = append(gone, "DROP FOREIGN KEY "+server.Quote(l.Name))
		default:
			return nil, nil, fmt.Errorf("%w: %.40s", ErrDifference, l.Text)
		}
	}
	for _, l := range missing(target.Constraints, source.Constraints) {
		if l.Kind != CheckLine {
			return nil, nil, fmt.Errorf("%w: %.40s", ErrDifference, l.Text)
		}
		added = append(added, "ADD "+l.Text)
	}
	return gone, added, nil
}

// optionClauses sets the comment and the counter where they differ. Another
// character set is none of ours: the definitions do not tell a new default for
// columns to come from a conversion of those that are there.
func optionClauses(source, target Definition) ([]string, error) {
	from, to := splitOptions(source.Options), splitOptions(target.Options)
	var clauses []string
	if c, ok := to["COMMENT"]; !ok && from["COMMENT"] != "" {
		clauses = append(clauses, "COMMENT=''")
	} else if c != from["COMMENT"] {
		clauses = append(clauses, "COMMENT="+c)
	}
	delete(from, "COMMENT")
	delete(to, "COMMENT")
	if !maps.Equal(from, to) {
		return nil, fmt.Errorf("%w: the table's options differ", ErrDifference)
	}
	if target.AutoIncrement != "" && target.AutoIncrement != source.AutoIncrement {
		clauses = append(clauses, "AUTO_INCREMENT="+target.AutoIncrement)
	}
	if len(clauses) == 0 {
		return nil, nil
	}
	return []string{strings.Join(clauses, " ")}, nil
}

// SetsCounter says whether clauses of Difference set AUTO_INCREMENT.
func SetsCounter(clauses []string) bool {
	return len(clauses) > 0 && counterOption.MatchString(clauses[len(clauses)-1]) // the options come last
}

var counterOption = regexp.MustCompile(`(?s)^(COMMENT='.*' )?AUTO_INCREMENT=[0-9]+$`)

// splitOptions takes ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='x y'"
// apart. Every option of SHOW CREATE TABLE is name=value.
func splitOptions(options string) map[string]string {
	all := map[string]string{}
	for at := 0; at < len(options); {
		eq := scanTo(options, at, "=")
		if eq < 0 {
			if rest := strings.TrimSpace(options[at:]); rest != "" {
				all[rest] = ""
			}
			return all
		}
		end := scanTo(options, eq+1, " \n")
		if end < 0 {
			end = len(options)
		}
		all[strings.TrimSpace(options[at:eq])] = options[eq+1 : end]
		at = end
	}
	return all
}
