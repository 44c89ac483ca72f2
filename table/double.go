package table

import (
	"regexp"
	"slices"
	"strings"
)

// integers are the defaults of which the server's text is known.
var integers = regexp.MustCompile(`^(-?[0-9]+|'-?[0-9]+')$`)

// SurelyDouble finds a unique key of target that is made of new columns alone, which have
// one value in all rows that are there, and that value as the server names it.
func SurelyDouble(source, target Definition) (key, value string, ok bool) {
	from, to := readColumns(source), readColumns(target)
	for _, l := range missing(target.Indexes, source.Indexes) {
		if l.Kind != UniqueKey && l.Kind != PrimaryKey || inPart(l) {
			continue
		}
		var values []string
		for _, name := range l.Columns() {
			_, old := from[strings.ToLower(name)]
			text, known := to[strings.ToLower(name)].forAll()
			if old || !known {
				values = nil
				break
			}
			values = append(values, text)
		}
		if len(values) > 0 {
			return l.Name, strings.Join(values, "-"), true
		}
	}
	return "", "", false
}

// forAll is the text of the value that a new column has in the rows that are there, where
// that is known and not NULL.
func (c columnLine) forAll() (text string, known bool) {
	words := splitWords(c.Text)
	if c.expression != "" || slices.Contains(words, "AUTO_INCREMENT") {
		return "", false
	}
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		if c.defaultValue == "" && c.notNull {
			return "0", true
		}
		return strings.Trim(c.defaultValue, "'"), integers.MatchString(c.defaultValue) && !slices.Contains(words, "zerofill")
	case "varchar":
		if c.defaultValue == "" && c.notNull {
			return "", true
		}
		text := strings.TrimSuffix(strings.TrimPrefix(c.defaultValue, "'"), "'")
		return text, len(c.defaultValue) >= 2 && c.defaultValue[0] == '\'' && !strings.ContainsAny(text, `\'`)
	}
	return "", false
}
