package sqltext

import "strings"

// beforeTable are the words that a table's name follows.
var beforeTable = words("FROM JOIN STRAIGHT_JOIN INTO UPDATE TABLE DESC DESCRIBE EXPLAIN INSERT REPLACE IGNORE")

// afterFrom are the words that end the list of a FROM.
var afterFrom = words("SELECT SET WHERE GROUP HAVING ORDER LIMIT UNION EXCEPT INTERSECT VALUES WINDOW")

// bareRefs finds names of virtual tables, of whatever schema, that stand in a
// table's place without a schema (to be qualified), and those before a column's.
func bareRefs(text []byte, toks []Token) []virtualRef {
	var refs []virtualRef
	lists := []bool{false} // by depth of parentheses: this is a FROM's list
	expected := false      // a table's name
	for i, t := range toks {
		list := &lists[len(lists)-1]
		word := ""
		if t.Kind == TokenWord {
			word = strings.ToUpper(string(t.Of(text)))
		}
		if isName(t) && isDot(text, toks[i+1]) && (i == 0 || !isDot(text, toks[i-1])) {
			if table, ok := lower(text, t); ok && anyVirtual(table) {
				refs = append(refs, virtualRef{t.Span, table, false})
			}
		}
		switch {
		case expected && isName(t) && !beforeTable[word] && !isDot(text, toks[i+1]):
			if table, ok := lower(text, t); ok && anyVirtual(table) {
				refs = append(refs, virtualRef{t.Span, table, true})
			}
			expected = false
		case beforeTable[word]:
			*list = *list || word == "FROM" || word == "JOIN" || word == "STRAIGHT_JOIN" || word == "UPDATE"
			expected = true
		case afterFrom[word]:
			*list, expected = false, false
		case t.Kind == TokenPunct && text[t.Start] == '(':
			lists = append(lists, expected)
		case t.Kind == TokenPunct && text[t.Start] == ')':
			if len(lists) > 1 {
				lists = lists[:len(lists)-1]
			}
			expected = false
		case t.Kind == TokenPunct && text[t.Start] == ',':
			expected = *list
		default:
			expected = false
		}
	}
	return refs
}

func anyVirtual(table string) bool {
	for _, tables := range virtualTables {
		if tables[table] {
			return true
		}
	}
	return false
}
