package sqltext

import (
	"slices"
	"strings"
)

// quote quotes a name.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// virtualTables are the names a TiDB client reads the framework under, schema
// by schema, in lower case as the meta schema spells them. No store has a table
// of these names in these schemas (MariaDB's mysql.global_priv and MySQL's
// performance_schema.global_variables are others).
var virtualTables = map[string]map[string]bool{
	"mysql": {
		"tidb_global_task":                true,
		"tidb_global_task_history":        true,
		"tidb_background_subtask":         true,
		"tidb_background_subtask_history": true,
		"dist_framework_meta":             true,
		"tidb_ddl_job":                    true,
		"tidb_ddl_history":                true,
		"tidb_ddl_reorg":                  true,
		"tidb_import_jobs":                true,
		"global_variables":                true,
	},
	"information_schema": {"ddl_jobs": true, "variables_info": true},
}

// longestVirtual bounds what is put into lower case to be looked up.
const longestVirtual = len("tidb_background_subtask_history")

// RewriteTables returns the text with every reference to one of TiDB's
// framework tables, such as mysql.tidb_global_task or
// information_schema.DDL_JOBS, made one to the table of the same name in the
// meta schema, and whether there was any. Quoting, case and blanks around the
// dot do not matter; strings and comments are left alone. A reference to a
// column (mysql.tidb_global_task.id) and a bare qualifier (DDL_JOBS.job_id) of
// a table that was rewritten follow the table.
//
// A name without its schema, as after USE mysql, is RewriteBareTables' business.
func RewriteTables(text []byte, mode Mode, metaSchema string) ([]byte, bool) {
	refs, ok := virtualRefs(text, mode)
	if !ok || len(refs) == 0 {
		return text, false
	}
	var edits []Edit
	for _, r := range refs {
		name := quote(r.table)
		if r.qualified {
			name = quote(metaSchema) + "." + name
		}
		edits = append(edits, Edit{r.Span, name})
	}
	return Apply(text, edits), true
}

// RewriteBareTables is RewriteTables for names without a schema, in a session
// whose schema is current (in lower case). Only names that stand where a table
// does are taken: after FROM, JOIN, INTO and the like, and in the list of a FROM.
func RewriteBareTables(text []byte, mode Mode, metaSchema, current string) ([]byte, bool) {
	toks, _ := tokens(text, mode)
	refs := bareRefs(text, toks)
	named := map[string]bool{}
	for _, r := range refs {
		if r.qualified && virtualTables[current][r.table] {
			named[r.table] = true
		}
	}
	var edits []Edit
	for _, r := range refs {
		switch name := quote(r.table); {
		case !named[r.table]:
		case r.qualified:
			edits = append(edits, Edit{r.Span, quote(metaSchema) + "." + name})
		default:
			edits = append(edits, Edit{r.Span, name})
		}
	}
	return Apply(text, edits), len(named) > 0
}

func hasBare(text []byte, toks []Token) bool {
	return slices.ContainsFunc(bareRefs(text, toks), func(r virtualRef) bool { return r.qualified })
}

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

// virtualRef is a reference to a virtual table: the bytes of schema, dot and
// table, or of the table alone where it only qualifies a column.
type virtualRef struct {
	Span
	table     string
	qualified bool
}

// virtualRefs finds the references. It reports false for a text that is not
// understood: an unfinished quote or an executable comment.
func virtualRefs(text []byte, mode Mode) ([]virtualRef, bool) {
	l := Lexer{src: text, mode: mode}
	var refs []virtualRef
	named := map[string]bool{}
	bare := []virtualRef{}
	var prev, a, dot Token // the window before the token at hand
	for {
		t := l.Next()
		if t.Kind == TokenBad || l.executable {
			return nil, false
		}
		if isName(a) && isDot(text, dot) && !isDot(text, prev) {
			if isName(t) {
				if table, ok := virtualTable(text, a, t); ok {
					refs = append(refs, virtualRef{Span{a.Start, t.End}, table, true})
					named[table] = true
				}
			}
			if table, ok := lower(text, a); ok {
				bare = append(bare, virtualRef{a.Span, table, false})
			}
		}
		if t.Kind == TokenEOF {
			break
		}
		prev, a, dot = a, dot, t
	}
	return mergeBare(refs, bare, named), true
}

// mergeBare adds the bare qualifiers of rewritten tables, in text order.
func mergeBare(refs, bare []virtualRef, named map[string]bool) []virtualRef {
	if len(refs) == 0 {
		return nil
	}
	var all []virtualRef
	for _, b := range bare {
		for len(refs) > 0 && refs[0].Start <= b.Start {
			all, refs = append(all, refs[0]), refs[1:]
		}
		if named[b.table] && (len(all) == 0 || all[len(all)-1].End <= b.Start) {
			all = append(all, b)
		}
	}
	return append(all, refs...)
}

func isName(t Token) bool { return t.Kind == TokenWord || t.Kind == TokenName }

func isDot(text []byte, t Token) bool { return t.Kind == TokenPunct && text[t.Start] == '.' }

func virtualTable(text []byte, schema, table Token) (string, bool) {
	s, ok := lower(text, schema)
	if !ok || virtualTables[s] == nil {
		return "", false
	}
	t, ok := lower(text, table)
	return t, ok && virtualTables[s][t]
}

func lower(text []byte, t Token) (string, bool) {
	if t.End-t.Start > longestVirtual+2 {
		return "", false
	}
	return strings.ToLower(Identifier(text, t)), true
}
