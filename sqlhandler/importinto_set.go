package sqlhandler

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"

	"dxfproxy/dxf"
)

// checkSet says whether the SET clause is one that a node can compute for each
// row: from the row's fields, literals and functions that know nothing of the
// session, the server and other tables. Executors run it with the rights of the
// framework's account, so what is not known to be harmless is refused. The
// errors are TiDB's; indexes count from 0.
func checkSet(st *importStatement) error {
	c := setChecker{outside: map[string]int{}}
	for i, e := range st.exprs {
		c.index = i
		e.Accept(&c)
		if c.err != nil {
			return c.err
		}
	}
	for _, f := range st.fields {
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
		*ast.WindowSpec, *ast.PartitionByClause, *ast.OrderByClause, *ast.ByItem, *ast.FrameClause, *ast.FrameBound: // of what is refused a level up
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
	if n.Schema.L != "" || !rowFunctions[n.FnName.L] {
		c.refuse("FUNCTION " + n.FnName.O)
	}
}

// rowFunctions are the functions that a SET clause may call: those that every
// store has and that look at nothing but their arguments, the clock and chance.
// What reads files, takes locks, sleeps, or tells of the session and the server
// is not among them.
var rowFunctions = lowerWords(`
	abs acos asin atan atan2 ceil ceiling conv cos cot crc32 degrees exp floor ln log log10 log2 mod pi pow power
	radians rand round sign sin sqrt tan truncate greatest least interval
	ascii bin bit_length char_func char_length character_length concat concat_ws elt export_set field find_in_set
	format from_base64 hex insert insert_func instr lcase left length locate lower lpad ltrim make_set mid oct
	octet_length ord position quote regexp_instr regexp_replace regexp_substr repeat replace reverse right rpad rtrim
	soundex space strcmp substr substring substring_index to_base64 trim ucase unhex upper charset collation weight_string
	adddate addtime convert_tz curdate current_date current_time current_timestamp curtime date date_add date_format
	date_sub datediff day dayname dayofmonth dayofweek dayofyear extract from_days from_unixtime get_format hour last_day
	localtime localtimestamp makedate maketime microsecond minute month monthname now period_add period_diff quarter
	sec_to_time second str_to_date subdate subtime sysdate time time_format time_to_sec timediff timestamp timestampadd
	timestampdiff to_days to_seconds unix_timestamp utc_date utc_time utc_timestamp week weekday weekofyear year yearweek
	if ifnull nullif coalesce isnull cast convert binary
	bit_count md5 sha sha1 sha2 compress uncompress uncompressed_length aes_encrypt aes_decrypt random_bytes uuid uuid_short
	inet_aton inet_ntoa inet6_aton inet6_ntoa is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6
	json_array json_array_append json_array_insert json_contains json_contains_path json_depth json_extract json_insert
	json_keys json_length json_merge json_merge_patch json_merge_preserve json_object json_quote json_remove json_replace
	json_search json_set json_type json_unquote json_valid json_value
	json_pretty`)

func lowerWords(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}
