package sqltext

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"

	"dxfproxy/dxf"
)

// Import is an IMPORT INTO as it was written.
type Import struct {
	Schema, Table string // Schema is "" if it was not named
	Fields        []ImportField
	Set           []ImportSet // the expressions as SQL; whether they are harmless is not known here
	Location      string
	Format        string // lower case; csv when there is none
	Options       []ImportOption
	Query         bool // FROM SELECT: Location and Format mean nothing

	ColumnsText, SetText string         // as tidb_import_jobs.parameters has them
	Exprs                []ast.ExprNode // those of Set
}

// Texts of the parser for what it understands and TiDB refuses in plain words.
var plainRefusals = []string{"Cannot use user variable(", "Cannot use SET clause "}

// parsers are how many texts TiDB's parser reads at once on this node: one needs
// up to 10 MB for what parsable lets through, and a processor.
var parsers = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))

// Parse gives a text to TiDB's parser, the only place that does: what is too much
// for its memory is refused, and so is what it panics of, such as a number of more than
// a hundred digits.
func Parse(text []byte, sqlMode string) (nodes []ast.StmtNode, err error) {
	if err := parsable(text, ModeOf(sqlMode)); err != nil {
		return nil, err
	}
	parsers <- struct{}{}
	defer func() { <-parsers }()
	defer func() {
		if v := recover(); v != nil {
			nodes, err = nil, fmt.Errorf("the statement cannot be read: %v", v)
		}
	}()
	p := tidb.New()
	p.EnableWindowFunc(true)
	p.SetSQLMode(lexicalMode(sqlMode))
	nodes, _, err = p.ParseSQL(string(text), tidb.CharsetConnection("utf8mb4"), tidb.CollationConnection("utf8mb4_bin"))
	return nodes, err
}

// ParseImport reads an IMPORT INTO, but for the query of one that has it. text is
// UTF-8; sqlMode is the session's. Its errors are TiDB's; one that is no *dxf.Error is of the syntax, and
// may quote a secret of the location.
func ParseImport(text []byte, sqlMode string) (*Import, error) {
	o, _ := OutlineImport(text, ModeOf(sqlMode))
	nodes, err := Parse(o.WithoutQuery(text), sqlMode)
	var own *dxf.Error
	if errors.As(err, &own) {
		return nil, own
	}
	if err != nil {
		for _, plain := range plainRefusals {
			if i := strings.Index(err.Error(), plain); i >= 0 {
				return nil, dxf.Errorf("%s", strings.TrimRight(err.Error()[i:], " "))
			}
		}
		return nil, err
	}
	var n *ast.ImportIntoStmt
	if len(nodes) == 1 {
		n, _ = nodes[0].(*ast.ImportIntoStmt)
	}
	if n == nil {
		return nil, ErrNoImport
	}
	st := &Import{
		Schema: n.Table.Schema.O, Table: n.Table.Name.O,
		Location: n.Path, Format: "csv", Query: n.Select != nil,
	}
	if n.Format != nil {
		st.Format = strings.ToLower(*n.Format)
	}
	for _, o := range n.Options {
		st.Options = append(st.Options, readOption(o))
	}
	if err := o.sameTarget(st); err != nil {
		return nil, err
	}
	st.readFields(n.ColumnsAndUserVars)
	return st, st.readSet(n.ColumnAssignments, sqlMode)
}

// SQLMode is the inverse of ModeOf.
func (m Mode) SQLMode() string {
	var names []string
	if m.AnsiQuotes {
		names = append(names, "ANSI_QUOTES")
	}
	if m.NoBackslashEscapes {
		names = append(names, "NO_BACKSLASH_ESCAPES")
	}
	return strings.Join(names, ",")
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

func (st *Import) readFields(list []*ast.ColumnNameOrUserVar) {
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
			st.Fields = append(st.Fields, ImportField{Column: c.ColumnName.Name.O})
		} else {
			st.Fields = append(st.Fields, ImportField{Var: strings.ToLower(c.UserVar.Name)})
		}
	}
	st.ColumnsText = "(" + b.String() + ")"
}

// readSet takes the assignments, as text for people and as SQL that means the
// same in every sql_mode that reads backslashes as the session does.
func (st *Import) readSet(list []*ast.Assignment, sqlMode string) error {
	var texts []string
	for _, a := range list {
		var shown strings.Builder
		if err := a.Restore(format.NewRestoreCtx(format.DefaultRestoreFlags, &shown)); err != nil {
			return dxf.Errorf("read the SET clause: %s", err)
		}
		texts = append(texts, shown.String())
		node, _ := a.Expr.Accept(variableNames{})
		expr, ok := node.(ast.ExprNode)
		if !ok {
			return dxf.Errorf("read the SET clause: %T is no expression", node)
		}
		sql, err := writeExpression(expr, sqlMode)
		if err != nil {
			return err
		}
		st.Set = append(st.Set, ImportSet{Column: a.Column.Name.O, Expr: sql})
		st.Exprs = append(st.Exprs, expr)
	}
	st.SetText = strings.Join(texts, ", ")
	return nil
}

// writeExpression writes a tree as SQL, in which nothing is as the client typed it.
func writeExpression(expr ast.ExprNode, sqlMode string) (string, error) {
	flags := format.RestoreStringSingleQuotes | format.RestoreKeyWordUppercase | format.RestoreNameBackQuotes |
		format.RestoreStringWithoutDefaultCharset
	if !ModeOf(sqlMode).NoBackslashEscapes {
		flags |= format.RestoreStringEscapeBackslash
	}
	var sql strings.Builder
	if err := expr.Restore(format.NewRestoreCtx(flags, &sql)); err != nil {
		return "", dxf.Errorf("read the SET clause: %s", err)
	}
	return sql.String(), nil
}

// Rewritten reads once more what was written of the SET clause, since that and not
// the client's text is what runs later, with other rights: it must be the same
// expressions. They are returned as they were read this time.
func (st *Import) Rewritten(sqlMode string) (exprs []ast.ExprNode, err error) {
	if len(st.Set) == 0 {
		return nil, nil
	}
	text := []byte("SELECT ")
	for i, a := range st.Set {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(text, a.Expr...)
	}
	nodes, err := Parse(text, sqlMode)
	var fields []*ast.SelectField
	if err == nil && len(nodes) == 1 {
		s, ok := nodes[0].(*ast.SelectStmt)
		if ok && s.From == nil && s.Where == nil && s.Limit == nil && s.SelectIntoOpt == nil && s.With == nil {
			fields = s.Fields.Fields
		}
	}
	if len(fields) != len(st.Set) {
		return nil, errNotRewritten
	}
	for i, f := range fields {
		if f.Expr == nil || f.AsName.O != "" {
			return nil, errNotRewritten
		}
		sql, err := writeExpression(f.Expr, sqlMode)
		if err != nil || sql != st.Set[i].Expr {
			return nil, errNotRewritten
		}
		exprs = append(exprs, f.Expr)
	}
	return exprs, nil
}

// ErrNoImport refuses what no parser takes for an IMPORT INTO.
var ErrNoImport = dxf.Errorf("dxfproxy: this is no IMPORT INTO statement")

var errNotRewritten = dxf.Errorf("dxfproxy: the SET clause cannot be written so that the store reads the same")

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
