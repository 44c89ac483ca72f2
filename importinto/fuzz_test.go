package importinto

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver"
	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// FuzzImportStatements: whatever the names, the values and the expressions of an
// import are, the statements that load its rows write these values into these columns
// of this table, and nothing else.
func FuzzImportStatements(f *testing.F) {
	f.Add("d", "t", "a", "b", "v", "@`v`", "x'y\\z", byte(0), byte(0))
	f.Add("d`d", "t`; DROP TABLE x -- ", "a`", "b' /*", "`~n", "CONCAT(@```~n`, 'a''b')", "\t\n\\N\x00\x1a", byte(1), byte(1))
	f.Add("d", "t", "a\\", "b\"", "v v", "1 + _utf8mb4 x'41'", "-1 -- ", byte(2), byte(2))
	f.Add("d", "t", "@a", "`", "", "NULL", "1); DELETE FROM x; -- ", byte(3), byte(7))
	f.Fuzz(func(t *testing.T, schema, name, a, b, variable, expr, value string, modes, shape byte) {
		for _, n := range []string{schema, name, a, b} {
			if n == "" || !utf8.ValidString(n) || strings.ContainsRune(n, 0) || strings.TrimSpace(n) != n {
				return // no server has such a name
			}
		}
		if strings.EqualFold(a, b) || !utf8.ValidString(variable) || strings.ContainsRune(variable, 0) {
			return
		}
		var mode mysql.SQLMode
		sqlMode := []string{}
		for i, m := range []string{"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT", "HIGH_NOT_PRECEDENCE"} {
			if modes>>i&1 == 1 {
				mode |= mysql.Str2SQLMode[m]
				sqlMode = append(sqlMode, m)
			}
		}
		read := func(text string) ast.StmtNode {
			p := parser.New()
			p.SetSQLMode(mode)
			nodes, _, err := p.ParseSQL(text)
			require.NoError(t, err, text)
			require.Len(t, nodes, 1, text)
			return nodes[0]
		}
		if !rendered(expr, mode) {
			return
		}
		types := []string{"int", "varchar", "blob", "bit"}
		columns := []*column{
			{Column: table.Column{Name: a, DataType: types[shape%4], Charset: "utf8mb4"}},
			{Column: table.Column{Name: b, DataType: "varchar", Charset: "utf8mb4"}},
		}
		for _, c := range columns {
			c.class, c.missing = classOf(c.Column), "DEFAULT("+server.Quote(c.Name)+")"
		}
		r := &run{meta: Meta{
			MetaHead: dxf.MetaHead{Schema: schema}, Staging: name, Fields: []sqltext.ImportField{{Column: a}, {Var: variable}, {}}, Set: []sqltext.ImportSet{{Column: b, Expr: expr}},
		}}
		p := &producer{run: r, columns: columns}
		l, err := p.layoutOf(nil, shape>>2&1 == 1, shape>>3&1 == 1)
		require.NoError(t, err)
		c := &chunk{layout: l}
		fields := []decode.Field{{Value: []byte(value)}, {Value: []byte(value)}, {Value: []byte(value)}}
		if err := c.add(decode.Row{Fields: fields[:1+int(shape>>4)%3]}); err != nil {
			return // its bytes are no text
		}
		load := read(l.loadStatement("dxf1", c.data)).(*ast.LoadDataStmt)
		require.Equal(t, [...]string{schema, name}, [...]string{load.Table.Schema.O, load.Table.Name.O})
		require.NotEqual(t, ast.OnDuplicateKeyHandlingReplace, load.OnDuplicate)
		var targets []string
		for _, to := range load.ColumnsAndUserVars {
			if to.ColumnName != nil {
				targets = append(targets, to.ColumnName.Name.O)
			}
		}
		for _, to := range load.ColumnAssignments {
			targets = append(targets, to.Column.Name.O)
		}
		require.Equal(t, []string{a, b}, targets)

		w := newInserts(l, strings.Join(sqlMode, ","))
		insert := read(string(w.appendRow([]byte(w.head), c.row(0)))).(*ast.InsertStmt)
		into := insert.Table.TableRefs.Left.(*ast.TableSource).Source.(*ast.TableName)
		require.Equal(t, [...]string{schema, name}, [...]string{into.Schema.O, into.Name.O})
		require.Equal(t, [...]string{a, b}, [...]string{insert.Columns[0].Name.O, insert.Columns[1].Name.O})
		require.Len(t, insert.Columns, 2)
		require.Len(t, insert.Lists, 1)
		require.Len(t, insert.Lists[0], 2)
		require.Empty(t, insert.OnDuplicate)
	})
}

// rendered says whether a text is an expression as sqlhandler writes it: one that it has
// parsed, and that is parsed to the same.
func rendered(expr string, mode mysql.SQLMode) bool {
	if len(expr) > 1000 || !utf8.ValidString(expr) {
		return false
	}
	p := parser.New()
	p.SetSQLMode(mode)
	var nodes []ast.StmtNode
	func() {
		defer func() {
			if recover() != nil { // a number of more than a hundred digits
				nodes = nil
			}
		}()
		nodes, _, _ = p.ParseSQL("SELECT " + expr)
	}()
	if len(nodes) != 1 {
		return false
	}
	s, ok := nodes[0].(*ast.SelectStmt)
	if !ok || s.Fields == nil || len(s.Fields.Fields) != 1 || s.Fields.Fields[0].Expr == nil || s.From != nil {
		return false
	}
	flags := format.RestoreStringSingleQuotes | format.RestoreKeyWordUppercase | format.RestoreNameBackQuotes | format.RestoreStringWithoutDefaultCharset
	if !mode.HasNoBackslashEscapesMode() {
		flags |= format.RestoreStringEscapeBackslash
	}
	var b strings.Builder
	err := s.Fields.Fields[0].Expr.Restore(format.NewRestoreCtx(flags, &b))
	return err == nil && b.String() == expr
}

// TestS22ExpressionOfLongValues: what would be longer than the server takes is not
// written at all.
func TestS22ExpressionOfLongValues(t *testing.T) {
	l := &layout{table: "`t`", targets: []target{{name: "v", holder: "@`v`"}}, set: []sqltext.ImportSet{{Column: "a", Expr: "CONCAT(" + strings.Repeat("@`v`, ", 5000) + "@`v`)"}}}
	w := newInserts(l, "")
	w.most = 16 << 20
	row := []byte(strings.Repeat("x", 1<<20))
	require.Less(t, len(w.appendRow(nil, row)), 1<<20)
	require.True(t, w.over)
	require.Greater(t, len(w.appendRow(nil, row[:100])), 5000*100)
	require.False(t, w.over)
}

// TestParseExpression finds variables, and nothing in texts that looks like one.
func TestParseExpression(t *testing.T) {
	for _, c := range []struct {
		text  string
		slash bool
		want  []string
	}{
		{"1", true, []string{"1"}},
		{"@`v`", true, []string{"", "v", ""}},
		{"CONCAT(@`v1`, 'a''@`x`', @`a``b`)", true, []string{"CONCAT(", "v1", ", 'a''@`x`', ", "a`b", ")"}},
		{"CONCAT('\\'@`x`', @``)", true, []string{"CONCAT('\\'@`x`', ", "", ")"}},
		{"CONCAT('\\', @`x`)", false, []string{"CONCAT('\\', ", "x", ")"}},
		{"- -@`a`+@`größe`", true, []string{"- -", "a", "+", "größe", ""}},
	} {
		require.Equal(t, c.want, parseExpression(c.text, c.slash).parts, c.text)
	}
}
