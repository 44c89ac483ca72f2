package sqltext

import "strings"

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
// a table that was rewritten follow the table. It costs no memory but for what it
// finds, however long the text is.
func RewriteTables(text []byte, mode Mode, metaSchema string) ([]byte, bool) {
	l, found := Lexer{src: text, mode: mode}, refReader{text: text}
	for t := l.Next(); ; t = l.Next() {
		if t.Kind == TokenBad || l.executable {
			return text, false
		}
		found.add(t)
		if t.Kind == TokenEOF {
			break
		}
	}
	refs := found.all()
	if len(refs) == 0 {
		return text, false
	}
	var edits []Edit
	for _, r := range refs {
		edits = append(edits, r.in(metaSchema))
	}
	return apply(text, edits), true
}

// virtualRef is a reference to a virtual table: the bytes of schema, dot and
// table, or of the table alone where it only qualifies a column.
type virtualRef struct {
	Span
	table     string
	qualified bool
}

// isTable says whether the reference stands in a table's place.
func (r virtualRef) isTable() bool { return r.qualified }

// in makes the reference one to the table in the meta schema.
func (r virtualRef) in(metaSchema string) Edit {
	name := quote(r.table)
	if r.qualified {
		name = quote(metaSchema) + "." + name
	}
	return Edit{r.Span, name}
}

// A refReader finds the references with a schema, and what qualifies columns of the same
// tables, as the tokens come.
type refReader struct {
	text         []byte
	refs, bare   []virtualRef
	prev, a, dot Token // the window before the token at hand
}

func (r *refReader) add(t Token) {
	if isName(r.a) && isDot(r.text, r.dot) && !isDot(r.text, r.prev) {
		if isName(t) {
			if table, ok := virtualTable(r.text, r.a, t); ok {
				r.refs = append(r.refs, virtualRef{Span{r.a.Start, t.End}, table, true})
			}
		}
		if table, ok := lower(r.text, r.a); ok && anyVirtual(table) {
			r.bare = append(r.bare, virtualRef{r.a.Span, table, false})
		}
	}
	r.prev, r.a, r.dot = r.a, r.dot, t
}

// all are the references in text order.
func (r *refReader) all() []virtualRef {
	if len(r.refs) == 0 {
		return nil
	}
	named := map[string]bool{}
	for _, ref := range r.refs {
		named[ref.table] = true
	}
	return mergeBare(r.refs, r.bare, named)
}

// mergeBare adds the bare qualifiers of rewritten tables, in text order.
func mergeBare(refs, bare []virtualRef, named map[string]bool) []virtualRef {
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
