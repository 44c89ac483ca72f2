package changefeed

import (
	"slices"
	"strings"
)

// A verdict says what a Query event means for the source table.
type verdict int

const (
	harmless verdict = iota
	altered          // the table's definition may have changed, or its rows without row events
	written          // a statement-format write
	unclear          // a statement-format write of other tables, by their names
)

// names is what a statement is searched for.
type names struct {
	schema, table string
	fold          bool // the server compares names without regard to case
	utf8          bool // the statement is in UTF-8, as the names are
	spelled       spelling
}

func (n names) same(a, b string) bool {
	if n.fold {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// judge reads the text of a Query event; schema is the session's. It does not
// parse: it looks at the first words, and for the table's name where those have the
// names of tables that they change. Other people may name their columns, indexes and
// schemas as they like.
func (n names) judge(schema, query []byte) verdict {
	words := n.spelled.lex(query)
	words = told(words)
	if len(words) == 0 {
		return harmless
	}
	first := words[0]
	second := word{}
	if len(words) > 1 {
		second = words[1]
	}
	switch {
	case first.is(quiet...):
		return harmless
	case first.is("INSERT", "REPLACE"):
		if !n.target(string(schema), words, "INTO") {
			return unclear
		}
		return written
	case first.is("UPDATE", "DELETE", "LOAD", "CALL", "DO", "SELECT", "WITH"):
		if !n.found(string(schema), words) {
			return unclear
		}
		return written
	case first.is("CREATE", "DROP", "ALTER") && second.is("DATABASE", "SCHEMA"):
		if first.is("DROP") && n.schemaAt(words, 2) {
			return altered
		}
		return harmless
	case first.is("CREATE", "DROP", "ALTER", "RENAME", "TRUNCATE"):
		if n.changed(string(schema), words) {
			return altered
		}
		if first.is("CREATE") && fills(words) {
			return unclear
		}
		return harmless
	}
	if n.found(string(schema), words) {
		return altered
	}
	return unclear
}

// quiet are the first words of statements that change no table's rows, among those
// that get into the binlog.
var quiet = []string{
	"GRANT", "REVOKE", "ANALYZE", "OPTIMIZE", "CHECK", "REPAIR", "FLUSH", "SAVEPOINT", "RELEASE", "BEGIN", "START", "COMMIT", "ROLLBACK", "XA",
	"SET", "INSTALL", "UNINSTALL",
}

// fills says whether a CREATE TABLE has a query, which other than in statement format
// is not in the binlog.
func fills(words []word) bool {
	for i, w := range words {
		switch {
		case w.is("VIEW", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", "TRIGGER"):
			return false
		case w.is("TABLE"):
			return slices.ContainsFunc(words[i+1:], func(w word) bool { return w.is("SELECT", "WITH", "TABLE", "VALUES") })
		}
	}
	return false
}

// defines says whether a statement may give a name another meaning.
func defines(words []word) bool {
	return len(words) > 1 && words[0].is("CREATE", "DROP", "ALTER", "RENAME") && !words[1].is("TEMPORARY")
}

// told is what SET STATEMENT … FOR … is about, or the statement itself.
func told(words []word) []word {
	if len(words) > 1 && words[0].is("SET") && words[1].is("STATEMENT") {
		for i, w := range words {
			if w.is("FOR") {
				return words[i+1:]
			}
		}
	}
	return words
}

// changed says whether DDL changes the table: it is a target, or another table's
// foreign key begins to refer to it, or its rows are exchanged with another table's.
func (n names) changed(schema string, words []word) bool {
	if words[0].is("TRUNCATE") && len(words) > 1 && !words[1].is("TABLE") {
		return n.targets(schema, words, 1)
	}
	for i := 1; i < len(words); i++ {
		switch w := words[i]; {
		// A temporary table only hides the table from its own session, and what a view
		// or a routine is made of does not matter to the table.
		case w.is("TEMPORARY", "VIEW", "PROCEDURE", "FUNCTION", "EVENT", "USER", "ROLE", "PACKAGE", "SERVER", "SEQUENCE", "TABLESPACE"):
			return false
		case w.is("TABLE", "TABLES"):
			return n.targets(schema, words, i+1) || n.partner(schema, words[i:])
		case w.is("INDEX", "TRIGGER"):
			return n.behindOn(schema, words[i:])
		}
	}
	return false
}

// targets says whether the table is the one named at words[i], or in a list or a chain
// of renames that begins there.
func (n names) targets(schema string, words []word, i int) bool {
	for i < len(words) && words[i].is("IF", "NOT", "EXISTS") {
		i++
	}
	for list := words[0].is("DROP", "RENAME"); i < len(words); {
		ours, next := n.named(schema, words, i)
		if ours {
			return true
		}
		i = next
		for i < len(words) && words[i].is("WAIT", "NOWAIT") { // of MariaDB's RENAME
			if i++; words[i-1].is("WAIT") {
				i++
			}
		}
		if !list || i >= len(words) || !words[i].is("TO") && words[i].text != "," {
			return false
		}
		i++
	}
	return false
}

// partner says whether an ALTER or CREATE TABLE has the table as another one: behind
// REFERENCES, WITH TABLE (of EXCHANGE PARTITION), CONVERT TABLE and TO TABLE.
func (n names) partner(schema string, words []word) bool {
	for i := 1; i < len(words); i++ {
		if words[i].is("REFERENCES") || words[i].is("TABLE") && words[i-1].is("WITH", "CONVERT", "TO") {
			if ours, _ := n.named(schema, words, i+1); ours {
				return true
			}
		}
	}
	return false
}

// behindOn says whether the table is the one of an index or a trigger.
func (n names) behindOn(schema string, words []word) bool {
	for i, w := range words {
		if i > 1 && w.is("ON") {
			ours, _ := n.named(schema, words, i+1)
			return ours
		}
	}
	return false
}

// named says whether the name that begins at words[i], with or without a schema, is the
// table's, and where it ends.
func (n names) named(schema string, words []word, i int) (ours bool, next int) {
	if i+2 < len(words) && words[i+1].dot() {
		return n.at(schema, words, i+2), i + 3
	}
	return n.at(schema, words, i), i + 1
}

// schemaAt says whether the schema is the one named at words[i].
func (n names) schemaAt(words []word, i int) bool {
	for i < len(words) && words[i].is("IF", "EXISTS") {
		i++
	}
	return i < len(words) && words[i].name && n.same(words[i].text, n.schema)
}

// statementWords are what an error may say of a statement that somebody else has made.
var statementWords = []string{
	"ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE", "TABLE", "TABLES", "INDEX", "TRIGGER", "DATABASE", "SCHEMA",
	"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "CALL", "DO", "SELECT", "WITH",
}

// verb says what a statement is, in words of ours: ALTER TABLE. Its text is not shown,
// for the one whose job it ends need not be the one whose statement it is.
func verb(query []byte, s spelling) string {
	words := s.lex(query)
	var said []string
	for i, w := range words[:min(len(words), 12)] {
		known := slices.IndexFunc(statementWords, func(k string) bool { return w.is(k) })
		if known >= 0 && (len(said) == 0 || len(said) == 1 && known >= 5 && known < 11) {
			said = append(said, statementWords[known])
		}
		if len(said) == 2 || len(said) == 1 && i > 8 {
			break
		}
	}
	if len(said) == 0 {
		return "a statement"
	}
	return strings.Join(said, " ")
}

// found says whether the table is named anywhere.
func (n names) found(schema string, words []word) bool {
	for i := range words {
		if n.at(schema, words, i) {
			return true
		}
	}
	return false
}

// at says whether words[i] names the table: on its own in its schema, or behind
// the schema's name. A name behind another one is a column or somebody else's table.
func (n names) at(schema string, words []word, i int) bool {
	if i >= len(words) {
		return false
	}
	w := words[i]
	if !w.name || !n.same(w.text, n.table) && (n.utf8 || !foreignText(w.text, n.table)) {
		return false
	}
	if i >= 2 && words[i-1].text == "." {
		return n.same(words[i-2].text, n.schema)
	}
	return n.same(schema, n.schema)
}

// foreignText says that a name cannot be compared: the table's name is not ASCII
// and the statement may be in another character set.
func foreignText(text, table string) bool {
	ascii := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0 }
	return !ascii(table) && !ascii(text)
}

// target says whether the first name behind the word after (or behind the first
// words of the statement, without it) is the table.
func (n names) target(schema string, words []word, after string) bool {
	i := 1
	for j, w := range words[:min(len(words), 12)] {
		if w.is(after) {
			i = j + 1
			break
		}
	}
	for i < len(words) && words[i].is("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "IF", "NOT", "EXISTS") {
		i++
	}
	if i+2 < len(words) && words[i+1].text == "." {
		i += 2
	}
	return i < len(words) && n.at(schema, words, i)
}
