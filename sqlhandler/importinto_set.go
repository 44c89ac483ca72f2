package sqlhandler

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"

	"dxfproxy/dxf"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// checkSet says whether the SET clause is one that a node can compute for each
// row: from the row's fields, literals and functions that know nothing of the
// session, the server and other tables. Executors run it with the rights of the
// framework's account, so what is not known to be harmless is refused. The
// errors are TiDB's; indexes count from 0.
func checkSet(st *sqltext.Import) error { return checkExprs(st.Exprs, st.Fields) }

// checkBoth checks the SET clause as the client wrote it, and as it is written down.
func checkBoth(st *sqltext.Import, sqlMode string) error {
	if err := checkSet(st); err != nil {
		return err
	}
	exprs, err := st.Rewritten(sqlMode)
	if err != nil {
		return err
	}
	return checkExprs(exprs, st.Fields)
}

func checkExprs(exprs []ast.ExprNode, fields []sqltext.ImportField) error {
	c := setChecker{outside: map[string]int{}}
	for i, e := range exprs {
		c.index = i
		e.Accept(&c)
		if c.err != nil {
			return c.err
		}
	}
	for _, f := range fields {
		delete(c.outside, f.Var)
	}
	if len(c.outside) == 0 {
		return nil
	}
	var at []string
	for _, i := range slices.Sorted(maps.Values(c.outside)) {
		at = append(at, strconv.Itoa(i))
	}
	return dxf.Errorf("column assignment cannot use variables set outside IMPORT INTO statement, index %s", strings.Join(at, ","))
}

// setChecker walks over one expression after the other, innermost parts first.
type setChecker struct {
	index   int
	outside map[string]int // user variables and the last expression each is in
	err     *dxf.Error
}

func (c *setChecker) Enter(n ast.Node) (ast.Node, bool) {
	if _, ok := n.(*ast.SubqueryExpr); ok { // whatever is in it
		c.refuse("subquery")
		return n, true
	}
	return n, false
}

func (c *setChecker) refuse(what string) {
	if c.err == nil {
		c.err = dxf.Errorf("%s is not supported in IMPORT INTO column assignment, index %d", what, c.index)
	}
}

func (c *setChecker) Leave(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.ColumnNameExpr:
		c.refuse("COLUMN reference")
	case *ast.VariableExpr:
		switch {
		case n.IsSystem:
			c.refuse("system variable")
		case n.Value != nil:
			if c.err == nil {
				c.err = dxf.Errorf("setting a variable in IMPORT INTO column assignment is not supported, index %d", c.index)
			}
		default:
			c.outside[strings.ToLower(n.Name)] = c.index
		}
	case *ast.DefaultExpr:
		c.refuse("FUNCTION default")
	case *ast.WindowFuncExpr:
		c.refuse("window FUNCTION " + n.Name)
	case *ast.AggregateFuncExpr:
		c.refuse("aggregate FUNCTION " + n.F)
	case *ast.FuncCallExpr:
		c.function(n)
	case *ast.ColumnName: // in one of the above
	case *driver.ValueExpr, *ast.BinaryOperationExpr, *ast.UnaryOperationExpr, *ast.ParenthesesExpr, *ast.RowExpr,
		*ast.FuncCastExpr, *ast.CaseExpr, *ast.WhenClause, *ast.SetCollationExpr,
		*ast.BetweenExpr, *ast.PatternInExpr, *ast.PatternLikeOrIlikeExpr, *ast.PatternRegexpExpr, *ast.IsNullExpr, *ast.IsTruthExpr,
		*ast.TimeUnitExpr, *ast.TrimDirectionExpr, *ast.GetFormatSelectorExpr,
		// What is refused a level up is made of these.
		*ast.WindowSpec, *ast.PartitionByClause, *ast.OrderByClause, *ast.ByItem, *ast.FrameClause, *ast.FrameBound:
	default:
		c.refuse("this expression")
	}
	return n, c.err == nil
}

func (c *setChecker) function(n *ast.FuncCallExpr) {
	if n.FnName.L == ast.GetVar { // one of a constant is a variable by now
		if c.err == nil {
			c.err = dxf.Errorf("the argument of getvar should be a constant string in IMPORT INTO column assignment, index %d", c.index)
		}
		return
	}
	switch n.FnName.L {
	case ast.DateLiteral, ast.TimeLiteral, ast.TimestampLiteral:
		return
	}
	if n.Schema.L != "" || !table.RowFunctions[n.FnName.L] && !moreRowFunctions[n.FnName.L] {
		c.refuse("FUNCTION " + n.FnName.O)
	}
}

// moreRowFunctions are functions that a SET clause may call beside
// table.RowFunctions: of one family, or called otherwise by the parser. What reads
// files, takes locks, sleeps, or tells of the session and the server is not among them.
var moreRowFunctions = table.Words(`insert json_merge json_pretty random_bytes weight_string is_ipv4_compat is_ipv4_mapped`)
