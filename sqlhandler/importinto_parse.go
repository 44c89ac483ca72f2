package sqlhandler

import (
	"strings"

	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"

	"dxfproxy/dxf"
)

// importStatement is an IMPORT INTO as it was written.
type importStatement struct {
	schema, table string // schema is "" if it was not named
	fields        []dxf.ImportField
	set           []dxf.ImportSet // the expressions are not checked yet, see checkSet
	location      string
	format        string // lower case; csv when there is none
	options       []importOption
	query         bool // FROM SELECT: location and format mean nothing

	columnsText, setText string // as tidb_import_jobs.parameters has them
	exprs                []ast.ExprNode
}

// Texts of the parser for what it understands and TiDB refuses in plain words.
var plainRefusals = []string{"Cannot use user variable(", "Cannot use SET clause "}

// parseImport reads an IMPORT INTO. text is UTF-8; sqlMode is the session's. Its
// errors are TiDB's.
func parseImport(text, sqlMode string) (*importStatement, error) {
	p := tidb.New()
	p.EnableWindowFunc(true)
	p.SetSQLMode(lexicalMode(sqlMode))
	nodes, _, err := p.ParseSQL(text, tidb.CharsetConnection("utf8mb4"), tidb.CollationConnection("utf8mb4_bin"))
	if err != nil {
		for _, plain := range plainRefusals {
			if i := strings.Index(err.Error(), plain); i >= 0 {
				return nil, dxf.Errorf("%s", strings.TrimRight(err.Error()[i:], " "))
			}
		}
		return nil, syntaxError(err)
	}
	var n *ast.ImportIntoStmt
	if len(nodes) == 1 {
		n, _ = nodes[0].(*ast.ImportIntoStmt)
	}
	if n == nil {
		return nil, dxf.Errorf("dxfproxy: this is no IMPORT INTO statement")
	}
	st := &importStatement{
		schema: n.Table.Schema.O, table: n.Table.Name.O,
		location: n.Path, format: "csv", query: n.Select != nil,
	}
	if n.Format != nil {
		st.format = strings.ToLower(*n.Format)
	}
	for _, o := range n.Options {
		st.options = append(st.options, readOption(o))
	}
	st.readFields(n.ColumnsAndUserVars)
	return st, st.readSet(n.ColumnAssignments, sqlMode)
}

// lexicalMode is what of an sql_mode changes how a statement is read. Modes that
// TiDB does not know read nothing differently.
func lexicalMode(sqlMode string) mysql.SQLMode {
	var m mysql.SQLMode
	for name := range strings.SplitSeq(sqlMode, ",") {
		switch name {
		case "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT", "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE":
			m |= mysql.Str2SQLMode[name]
		}
	}
	return m
}

func (st *importStatement) readFields(list []*ast.ColumnNameOrUserVar) {
	if len(list) == 0 {
		return
	}
	var b strings.Builder
	ctx := format.NewRestoreCtx(format.DefaultRestoreFlags, &b)
	for i, c := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		_ = c.Restore(ctx) // only names
		if c.ColumnName != nil {
			st.fields = append(st.fields, dxf.ImportField{Column: c.ColumnName.Name.O})
		} else {
			st.fields = append(st.fields, dxf.ImportField{Var: strings.ToLower(c.UserVar.Name)})
		}
	}
	st.columnsText = "(" + b.String() + ")"
}

// readSet takes the assignments, as text for people and as SQL that means the
// same in every sql_mode that reads backslashes as the session does.
func (st *importStatement) readSet(list []*ast.Assignment, sqlMode string) error {
	flags := format.RestoreStringSingleQuotes | format.RestoreKeyWordUppercase | format.RestoreNameBackQuotes | format.RestoreStringWithoutDefaultCharset
	if !strings.Contains(sqlMode, "NO_BACKSLASH_ESCAPES") {
		flags |= format.RestoreStringEscapeBackslash
	}
	var texts []string
	for _, a := range list {
		var shown, sql strings.Builder
		if err := a.Restore(format.NewRestoreCtx(format.DefaultRestoreFlags, &shown)); err != nil {
			return dxf.Errorf("read the SET clause: %s", err)
		}
		texts = append(texts, shown.String())
		node, _ := a.Expr.Accept(variableNames{})
		expr, ok := node.(ast.ExprNode)
		if !ok {
			return dxf.Errorf("read the SET clause: %T is no expression", node)
		}
		if err := expr.Restore(format.NewRestoreCtx(flags, &sql)); err != nil {
			return dxf.Errorf("read the SET clause: %s", err)
		}
		st.set = append(st.set, dxf.ImportSet{Column: a.Column.Name.O, Expr: sql.String()})
		st.exprs = append(st.exprs, expr)
	}
	st.setText = strings.Join(texts, ", ")
	return nil
}

// variableNames puts the names of user variables into lower case, as those of
// the column list are, and makes variables of TiDB's getvar('name').
type variableNames struct{}

func (variableNames) Enter(n ast.Node) (ast.Node, bool) {
	if v, ok := n.(*ast.VariableExpr); ok && !v.IsSystem {
		v.Name = strings.ToLower(v.Name)
	}
	return n, false
}

func (variableNames) Leave(n ast.Node) (ast.Node, bool) {
	if f, ok := n.(*ast.FuncCallExpr); ok && f.FnName.L == ast.GetVar && len(f.Args) == 1 {
		if v, ok := f.Args[0].(*driver.ValueExpr); ok && v.Kind() == driver.KindString {
			return &ast.VariableExpr{Name: strings.ToLower(v.GetString())}, true
		}
	}
	return n, true
}

// selectSpan finds the bytes of the query in an IMPORT INTO … FROM SELECT that
// TiDB's parser has read; options says whether it found any behind the query.
// The bytes are used instead of what the parser makes of them: the store is to
// judge what the client wrote.
func selectSpan(text []byte, m Mode, options bool) Span {
	toks, _ := tokens(text, m)
	var s Span
	depth := 0
	for i, t := range toks {
		switch {
		case t.kind == tokPunct && text[t.Start] == '(':
			depth++
		case t.kind == tokPunct && text[t.Start] == ')':
			depth--
		case depth > 0 || t.kind != tokWord:
		case s.Start == 0 && isWord(text, t, "FROM"):
			s.Start = toks[i+1].Start
		// The last WITH outside parentheses begins the options: they have none.
		case options && s.Start > 0 && isWord(text, t, "WITH"):
			s.End = toks[i-1].End
		}
	}
	if !options && len(toks) > 1 {
		s.End = toks[len(toks)-2].End
	}
	return s
}
