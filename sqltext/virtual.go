package sqltext

import (
	"iter"
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
// a table that was rewritten follow the table. It costs no memory but for what it
// finds, however long the text is.
func RewriteTables(text []byte, mode Mode, metaSchema string) ([]byte, bool) {
	l := NewLexer(text, mode)
	refs := virtualRefs(text, l.all())
	if l.failed || l.executable || len(refs) == 0 {
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

// in makes the reference one to the table in the meta schema.
func (r virtualRef) in(metaSchema string) Edit {
	name := quote(r.table)
	if r.qualified {
		name = quote(metaSchema) + "." + name
	}
	return Edit{r.Span, name}
}

// virtualRefs finds the references with a schema, and what qualifies columns of the same
// tables.
func virtualRefs(text []byte, toks iter.Seq[Token]) []virtualRef {
	var refs []virtualRef
	named := map[string]bool{}
	bare := []virtualRef{}
	var prev, a, dot Token // the window before the token at hand
	for t := range toks {
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
		prev, a, dot = a, dot, t
	}
	return mergeBare(refs, bare, named)
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
