package table

import "strings"

// A columnLine is what a column's line of SHOW CREATE TABLE says, as far as it
// decides what the column holds in rows that are there already.
type columnLine struct {
	Line
	Type         string // lower case, without length: int, timestamp, …
	unsigned     bool
	notNull      bool
	expression   string // of a generated column, in brackets; "" for others
	stored       bool   // a generated column that is kept in the rows
	defaultValue string // the word behind DEFAULT, a quoted text with its quotes; "" for none
	check        string // a CHECK of the column's own, in brackets; "" for none
}

func readColumn(l Line) columnLine {
	c := columnLine{Line: l}
	words := splitWords(behindIdentifier(l.Text))
	for i, w := range words {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch {
		case i == 0:
			c.Type, _, _ = strings.Cut(strings.ToLower(w), "(")
		case strings.EqualFold(w, "unsigned"):
			c.unsigned = true
		case w == "NOT" && next == "NULL":
			c.notNull = true
		case w == "AS":
			c.expression = next
		case w == "STORED" || w == "PERSISTENT":
			c.stored = c.expression != ""
		case w == "DEFAULT":
			c.defaultValue = next
		case w == "CHECK":
			c.check = next
		}
	}
	return c
}

// splitWords cuts a line at its blanks, but for those in quotes and brackets.
func splitWords(line string) []string {
	var words []string
	for at := 0; at < len(line); {
		if line[at] == ' ' {
			at++
			continue
		}
		end := scanTo(line, at, " ")
		if end < 0 {
			end = len(line)
		}
		words = append(words, line[at:end])
		at = end
	}
	return words
}

// isTemporal says whether a column of the type is a point in time.
func (c columnLine) isTemporal() bool {
	switch c.Type {
	case "date", "datetime", "timestamp", "time", "year":
		return true
	}
	return false
}

// isNow says whether rows that are there get the time of the change.
func (c columnLine) isNow() bool {
	def := strings.ToLower(c.defaultValue)
	return strings.HasPrefix(def, "current_timestamp") || strings.HasPrefix(def, "curdate") ||
		strings.HasPrefix(def, "curtime") || strings.HasPrefix(def, "now(")
}

func readColumns(d Definition) map[string]columnLine {
	all := make(map[string]columnLine, len(d.Columns))
	for _, l := range d.Columns {
		all[strings.ToLower(l.Name)] = readColumn(l)
	}
	return all
}
