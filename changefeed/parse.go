package changefeed

import (
	"bytes"
	"regexp"

	"github.com/go-mysql-org/go-mysql/replication"
	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the parser's literals

	"dxfproxy/table"
)

const (
	// maxParsed bounds the statements that are looked into: the parser needs a hundred
	// times their size.
	maxParsed = 64 << 10
	// modeOracle is MariaDB's sql_mode=ORACLE, under which other grammar is read.
	modeOracle = 512
	// modeLexical are the bits of sql_mode that the parser knows, and reads by.
	modeLexical = uint64(mysql.ModePipesAsConcat | mysql.ModeANSIQuotes | mysql.ModeIgnoreSpace |
		mysql.ModeHighNotPrecedence | mysql.ModeNoBackslashEscapes)
)

// parsers are how many statements are parsed at once on this node.
var parsers = make(chan struct{}, 2)

// A tableName is a table or a view as a statement names it.
type tableName struct{ schema, name string }

// namedBy lists the tables and views that a statement that changes rows reads and
// writes by their names. ok is false for one that may do more than that: call a stored
// function, or what is not understood.
func namedBy(e *replication.QueryEvent) (tables []tableName, ok bool) {
	text, sqlMode := e.Query, uint64(0)
	sqlMode, _ = status(e.StatusVars)
	if len(text) > maxParsed || sqlMode&modeOracle != 0 || hasCode(text) {
		return nil, false
	}
	if !inUTF8(e.StatusVars) {
		// Of other character sets no letter may look like a quote; and a name that
		// has one will not be found.
		if spellingOf(e.StatusVars).doubled != nil {
			return nil, false
		}
		text = bytes.Map(func(r rune) rune { return min(r, 0x7f) }, text)
	}
	if sqlMode&uint64(mysql.ModeIgnoreSpace) == 0 && spaced.Match(text) {
		return nil, false
	}
	parsers <- struct{}{}
	defer func() { <-parsers }()
	defer func() {
		if recover() != nil { // as it does of a number of hundreds of digits
			tables, ok = nil, false
		}
	}()
	p := tidb.New()
	p.EnableWindowFunc(true)
	p.SetSQLMode(mysql.SQLMode(sqlMode & modeLexical))
	nodes, _, err := p.ParseSQL(string(text), tidb.CharsetConnection("utf8mb4"), tidb.CollationConnection("utf8mb4_bin"))
	if err != nil || len(nodes) != 1 {
		return nil, false
	}
	c := &collector{schema: string(e.Schema)}
	switch n := nodes[0].(type) {
	case *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.SelectStmt, *ast.SetOprStmt, *ast.DoStmt:
		n.Accept(c)
	case *ast.CreateTableStmt: // the table itself is new
		if n.Select == nil {
			return nil, false
		}
		n.Select.Accept(c)
	default:
		return nil, false
	}
	return c.tables, !c.more
}

// hasCode says whether there may be a comment that one of the servers executes.
func hasCode(text []byte) bool {
	for _, mark := range []string{"/*!", "/*M", "/*T"} {
		if bytes.Contains(text, []byte(mark)) {
			return true
		}
	}
	return false
}

// A collector looks for names of tables and calls of functions.
type collector struct {
	schema string // of names without one
	tables []tableName
	more   bool // something may do more than the names say
}

// Enter implements ast.Visitor.
func (c *collector) Enter(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.TableName:
		t := tableName{n.Schema.O, n.Name.O}
		if t.schema == "" {
			t.schema = c.schema
		}
		c.tables = append(c.tables, t)
	case *ast.FuncCallExpr:
		c.more = c.more || n.Schema.O != "" || !table.RowFunctions[n.FnName.L] && !sessionFunctions[n.FnName.L]
	}
	return n, c.more
}

// Leave implements ast.Visitor.
func (c *collector) Leave(n ast.Node) (ast.Node, bool) { return n, !c.more }

// spaced finds functions that are the server's own only where the parenthesis follows
// at once (manuals, "Function Name Parsing and Resolution"): NOW () may be a stored one.
var spaced = regexp.MustCompile(`(?i)\b(adddate|bit_and|bit_or|bit_xor|cast|count|curdate|curtime|date_add|date_sub|extract|group_concat|` +
	`json_arrayagg|json_objectagg|max|mid|min|now|position|session_user|st_collect|std|stddev|stddev_pop|stddev_samp|` +
	`subdate|substr|substring|sum|sysdate|system_user|trim|variance|var_pop|var_samp)\s+\(`)

// sessionFunctions are functions that every store has of its own, beside
// table.RowFunctions: those that tell of the session, and wait.
var sessionFunctions = table.Words(`
	benchmark coercibility connection_id current_role current_user database found_rows get_lock is_free_lock is_used_lock last_insert_id
	name_const release_lock row_count schema session_user sleep system_user user values version`)
