package sqlhandler

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/stretchr/testify/require"

	"dxfproxy/importinto"
	"dxfproxy/sqltext"
)

var (
	fuzzModes    = []string{"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT", "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE"}
	fuzzCharsets = []string{"utf8mb4", "latin1", "gbk", "sjis", "cp1251", "binary", "big5", "gb18030"}
)

// FuzzImportStatement: whatever bytes a client sends, in whatever mode and character
// set, what is kept of an import for later is expressions of the allow-list, and
// survives being kept.
func FuzzImportStatement(f *testing.F) {
	for i, text := range []string{
		"IMPORT INTO `d`.t (@v1, a, @) SET b=@V1*10, c = CONCAT(getvar('V1'), 'a\\'b\\\\') FROM '/x/*.csv' FORMAT 'CSV' WITH Thread=3",
		"IMPORT INTO t (@a) SET b = NOT @a BETWEEN 1 AND 2, c = @a || 'x''y' FROM 's3://b/k?secret-access-key=S'",
		`IMPORT INTO "t" (@"a b", @` + "`c``d`" + `) SET e = -  -1 - -@'a b' FROM 'f' WITH fields_terminated_by = '\t'`,
		"IMPORT INTO t SET a = _latin1'\\xe9', b = x'ff', c = b'01', d = 0xFF, e = 1e1000, f = .5, g = N'x', h = _binary '\xff' FROM 'f'",
		"IMPORT INTO t SET a = CASE 1 WHEN 2 THEN 3 ELSE NULL END, b = CAST(1 AS DECIMAL(5,2)), c = 1 COLLATE utf8mb4_bin FROM 'f'",
		"IMPORT INTO t SET a = TRIM(BOTH 'x' FROM 'xyx'), b = EXTRACT(DAY FROM '2020-01-01'), c = DATE '2020-01-01' + INTERVAL 1 DAY FROM 'f'",
		"IMPORT INTO t SET a = 'x' LIKE 'y' ESCAPE '|', b = 1 IN (1, 2), c = 'a' REGEXP 'b', d = CONVERT('x' USING utf8mb4), e = CHAR(65 USING latin1) FROM 'f'",
		"IMPORT INTO t SET a = IF(1, 2, 3), b = INTERVAL(1, 2, 3), c = LEFT('a', 1), d = INSERT('a', 1, 1, 'b'), e = POSITION('a' IN 'b') FROM 'f'",
		"IMPORT INTO t SET a = NOW(6), b = UTC_TIMESTAMP, c = GET_FORMAT(DATE, 'EUR'), d = WEIGHT_STRING('a' AS CHAR(3)), e = JSON_VALUE('{}', '$.a') FROM 'f'",
		"IMPORT INTO t SET a = 'x\xbf\x27, b = SLEEP(1) -- ' FROM 'f'",
		"IMPORT INTO t SET a = (SELECT 1), b = @@version, c = LOAD_FILE('/etc/passwd') FROM 'f'",
		"IMPORT INTO t FROM SELECT 1 UNION SELECT 2 WITH thread=1",
		"IMPORT INTO t SET a = 1 /*T! , b = SLEEP(1) */ FROM 'f'",
		"IMPORT INTO t SET a = TIMESTAMPDIFF(DAY, @a, ROW(1,2) = ROW(2,1)), b = 1 IS NOT TRUE, c = !1, d = ~1, e = 5 DIV 2 MOD 3 << 1 ^ 2 & 1 | 4 XOR 1 FROM 'f'",
	} {
		f.Add([]byte(text), uint8(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, sql []byte, bits, set uint8) {
		var modes []string
		for i, m := range fuzzModes {
			if bits>>i&1 == 1 {
				modes = append(modes, m)
			}
		}
		facts := sessionFacts{sqlMode: strings.Join(modes, ","), charset: fuzzCharsets[int(set)%len(fuzzCharsets)]}
		text, _, err := importText(sql, facts)
		if err != nil {
			return
		}
		st, err := parseImport(text, facts.sqlMode)
		if err != nil || st.Query || checkSet(st) != nil {
			return
		}
		if err := checkBoth(st, facts.sqlMode); err != nil {
			t.Fatalf("%q in %s: %v: %+v", text, facts.sqlMode, err, st.Set)
		}
		for _, a := range st.Set {
			onlyExpression(t, a.Expr, facts.sqlMode)
		}
		kept := importinto.Meta{Location: st.Location, Fields: st.Fields, Set: st.Set}
		meta, err := json.Marshal(kept)
		require.NoError(t, err)
		var read importinto.Meta
		require.NoError(t, json.Unmarshal(meta, &read))
		require.Equal(t, kept, read)
	})
}

// onlyExpression demands that an expression, where LOAD DATA and INSERT have it, is
// just that: it adds no table, no statement and nothing behind it.
func onlyExpression(t *testing.T, expr, sqlMode string) {
	nodes, err := sqltext.Parse([]byte("LOAD DATA LOCAL INFILE 'x' INTO TABLE `d`.`t` (`a`) SET `b` = "+expr+", `c` = 7"), sqlMode)
	require.NoError(t, err, expr)
	require.Len(t, nodes, 1)
	load := nodes[0].(*ast.LoadDataStmt)
	require.Equal(t, "d.t", load.Table.Schema.O+"."+load.Table.Name.O)
	require.Len(t, load.ColumnAssignments, 2, expr)
	nodes, err = sqltext.Parse([]byte("INSERT INTO `d`.`t` (`b`, `c`) VALUES (("+expr+"), 7)"), sqlMode)
	require.NoError(t, err, expr)
	require.Len(t, nodes, 1)
	insert := nodes[0].(*ast.InsertStmt)
	require.Len(t, insert.Lists, 1, expr)
	require.Len(t, insert.Lists[0], 2, expr)
	require.Empty(t, insert.OnDuplicate, expr)
	for _, e := range []ast.ExprNode{load.ColumnAssignments[0].Expr, insert.Lists[0][0]} {
		st := &sqltext.Import{Exprs: []ast.ExprNode{e}}
		c := setChecker{outside: map[string]int{}}
		st.Exprs[0].Accept(&c)
		require.Nil(t, c.err, expr)
	}
}
