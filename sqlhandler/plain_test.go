package sqlhandler

import (
	"bytes"
	"strings"
	"testing"

	"dxfproxy/sqltext"
	"dxfproxy/sqltext/corpus"
	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/stretchr/testify/require"
)

const copyName = "`dxf_scratch`.`scratch_x`"

// plainOf is the way of a statement to its trial: classified under the session's
// sql_mode, and written in plain notation about the copy.
func plainOf(text []byte, sqlMode, charset string) (plain, mode string, st *sqltext.AlterTable, ok bool) {
	st = longDDL(text, sqltext.ModeOf(sqlMode))
	mode, known := plainMode(sqlMode)
	if st == nil || !known || ambiguous[charset] || !st.Understood() {
		return "", "", st, false
	}
	plain, err := st.Plain(copyName, decoder(charset))
	return plain, mode, st, err == nil
}

// longDDL is the statement that a text is, nil if it is no long DDL.
func longDDL(text []byte, m sqltext.Mode) *sqltext.AlterTable {
	if st, ok := sqltext.Classify(text, m).(*sqltext.AlterTable); ok && st.Long() {
		return st
	}
	return nil
}

func TestPlainText(t *testing.T) {
	for _, c := range []struct{ mode, charset, text, want string }{
		{"", "utf8mb4", "ALTER TABLE t ADD INDEX i (a)", "ALTER TABLE # ADD INDEX i (a)"},
		{"", "utf8mb4", "/* x */ alter -- y\n table `d`. `t``1`/**/add # z\n index`i``x`(a(3)desc) ;; ",
			"alter table # add index`i``x`(a(3)desc)"},
		{"", "utf8mb4", `ALTER TABLE t ADD INDEX i (a) COMMENT "it's \" \\ \n \% ""x"`, "ALTER TABLE # ADD INDEX i (a) COMMENT 'it''s \" \\\\ \n \\\\% \"x'"},
		{"ANSI_QUOTES", "utf8mb4", `ALTER TABLE "d"."t" ADD INDEX "i""` + "`" + `" ("a") COMMENT '\''''`, "ALTER TABLE # ADD INDEX `i\"``` (`a`) COMMENT ''''''"},
		{"ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "utf8mb4", `ALTER TABLE t ADD INDEX "\" ("a") COMMENT '\'`, "ALTER TABLE # ADD INDEX `\\` (`a`) COMMENT '\\\\'"},
		{"", "latin1", "CREATE INDEX e2 ON t (id) COMMENT '\xe9t\xe9'", "CREATE INDEX e2 ON # (id) COMMENT 'été'"},
		{"", "latin1", "ALTER TABLE t\xe9 ADD INDEX \xef(\xfc)", "ALTER TABLE # ADD INDEX `ï` ( `ü` )"},
		{"", "utf8mb4", "ALTER TABLE t ADD INDEX i (a), ADD COLUMN c INT DEFAULT -/**/-5",
			"ALTER TABLE # ADD INDEX i (a), ADD COLUMN c INT DEFAULT - -5"},
		{"", "utf8mb4", "ALTER TABLE t ADD INDEX i (a), ADD COLUMN c INT DEFAULT --5",
			"ALTER TABLE # ADD INDEX i (a), ADD COLUMN c INT DEFAULT - -5"},
		{"", "utf8mb4", `ALTER TABLE t ADD INDEX i (a), ADD COLUMN c CHAR(9) DEFAULT 'a'"b"`, "ALTER TABLE # ADD INDEX i (a), ADD COLUMN c CHAR(9) DEFAULT 'a' 'b'"},
		{"", "utf8mb4", "ALTER TABLE t ADD INDEX i (a), ADD COLUMN c BINARY(1) DEFAULT x'41', ADD COLUMN d BIT DEFAULT b'1'",
			"ALTER TABLE # ADD INDEX i (a), ADD COLUMN c BINARY(1) DEFAULT x'41', ADD COLUMN d BIT DEFAULT b'1'"},
		// What has no plain notation.
		{"", "utf8mb4", "ALTER TABLE t ADD INDEX i (a) COMMENT '\xe9'", ""},
		{"", "utf8mb3", "ALTER TABLE t ADD INDEX i (a) COMMENT '😀'", ""},
		{"", "latin2", "ALTER TABLE t ADD INDEX i (a) COMMENT '\xe9'", "ALTER TABLE # ADD INDEX i (a) COMMENT 'é'"},
		{"", "binary", "ALTER TABLE t ADD INDEX i (a) COMMENT '\xe9'", ""},
		{"", "swe7", "ALTER TABLE t ADD INDEX i (a)", ""},
		{"", "gbk", "ALTER TABLE t ADD INDEX i (a)", ""},
		{"ORACLE", "utf8mb4", "ALTER TABLE t ADD INDEX i (a)", ""},
		{"SOMETHING_NEW", "utf8mb4", "ALTER TABLE t ADD INDEX i (a)", ""},
		{"", "utf8mb4", "ALTER TABLE t ADD INDEX i (a), ADD COLUMN c INT DEFAULT @x", ""},
		{"", "utf8mb4", "ALTER TABLE t ADD INDEX i (a), ADD COLUMN c CHAR(9) DEFAULT _latin1'é'", ""},
		{"NO_BACKSLASH_ESCAPES", "utf8mb4", "ALTER TABLE t ADD INDEX i (a), ADD CHECK (a LIKE 'x%')", ""},
	} {
		plain, _, _, ok := plainOf([]byte(c.text), c.mode, c.charset)
		require.Equal(t, c.want != "", ok, "%s: %s", c.text, plain)
		if ok {
			require.Equal(t, strings.ReplaceAll(c.want, "#", copyName), plain, c.text)
			samePlain(t, []byte(c.text), plain, c.mode, c.charset)
		}
	}
}

// samePlain demands that the plain text has the tokens of the original, one by one.
func samePlain(t *testing.T, text []byte, plain, sqlMode, charset string) {
	t.Helper()
	m := sqltext.ModeOf(sqlMode)
	st := longDDL(text, m)
	toks := tokens(t, bytes.TrimRight(text, "\x00"), m)
	again := tokens(t, []byte(plain), sqltext.Mode{})
	decode := decoder(charset)
	value := func(text []byte, k sqltext.Token, m sqltext.Mode, decode func([]byte) (string, bool)) string {
		switch {
		case k.Kind == sqltext.TokenString:
			s, _ := decode([]byte(sqltext.StringValue(text, k, m)))
			return "string " + s
		case k.Kind == sqltext.TokenName, k.Kind == sqltext.TokenWord && !ascii(k.Of(text)):
			s, _ := decode([]byte(sqltext.Identifier(text, k)))
			return "name " + s
		}
		return string(k.Of(text))
	}
	utf := func(b []byte) (string, bool) { return string(b), true }
	var want, got []string
	for _, k := range toks {
		if k.Start == st.Table.Span.Start && k.Kind != sqltext.TokenEOF {
			want = append(want, "name dxf_scratch", ".", "name scratch_x")
		}
		if k.Start < st.Table.Span.Start || k.Start >= st.Table.Span.End {
			want = append(want, value(text, k, m, decode))
		}
	}
	for _, k := range again {
		got = append(got, value([]byte(plain), k, sqltext.Mode{}, utf))
	}
	require.Equal(t, want, got, "%q became %q", text, plain)
}

// tokens are those of a statement, up to and with the end or a semicolon.
func tokens(t *testing.T, text []byte, m sqltext.Mode) (all []sqltext.Token) {
	for l := sqltext.NewLexer(text, m); ; {
		k := l.Next()
		require.NotEqual(t, sqltext.TokenBad, k.Kind, "%q", text)
		if string(k.Of(text)) == ";" {
			k = sqltext.Token{Kind: sqltext.TokenEOF}
		}
		if all = append(all, k); k.Kind == sqltext.TokenEOF {
			return all
		}
	}
}

// named collects the tables a statement names.
type namedTables struct{ names []string }

func (v *namedTables) Enter(n ast.Node) (ast.Node, bool) {
	switch x := n.(type) {
	case *ast.TableName:
		v.names = append(v.names, x.Schema.O+"."+x.Name.O)
	case *ast.SubqueryExpr:
		v.names = append(v.names, "a query")
	}
	return n, false
}
func (v *namedTables) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// FuzzPlain goes from what a client sends to what is tried: the text is one
// statement that changes the copy, says token by token what the client's says,
// and, where TiDB's parser can read it, names no other table.
func FuzzPlain(f *testing.F) {
	modes := []string{"", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY,ANSI",
		"STRICT_TRANS_TABLES,NO_ZERO_DATE", "ORACLE,ANSI_QUOTES", "HIGH_NOT_PRECEDENCE"}
	charsets := []string{"utf8mb4", "utf8mb3", "latin1", "ascii", "binary", "gbk", "sjis", "cp1251", "swe7"}
	for i, s := range corpus.Statements {
		f.Add([]byte(s), uint8(i), uint8(i))
	}
	shift := "RENAME TABLE victim.secret TO mine.stolen"
	f.Add([]byte("/*"+strings.Repeat("\xe9", 40)+"*//*A*/ -- B*/ "+shift+" /*\nALTER TABLE mine.t ADD INDEX i1 (a) -- */"), uint8(0), uint8(0))
	f.Add([]byte(`ALTER TABLE mine.x RENAME COLUMN a TO "\", RENAME TO victim.planted -- ", ADD INDEX i (a)`), uint8(1), uint8(0))
	f.Add([]byte("ALTER TABLE m ADD INDEX i (pw), COLLATE utf8mb4_general_ci ENGINE=MRG_MYISAM UNION=(victim.msec)"), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, text []byte, mode, set uint8) {
		sqlMode, charset := modes[int(mode)%len(modes)], charsets[int(set)%len(charsets)]
		plain, tryMode, _, ok := plainOf(text, sqlMode, charset)
		if !ok {
			return
		}
		if head := strings.ToUpper(plain); !strings.HasPrefix(head, "ALTER") && !strings.HasPrefix(head, "CREATE") {
			t.Fatalf("%q became %q", text, plain)
		}
		samePlain(t, text, plain, sqlMode, charset)
		again := longDDL([]byte(plain), sqltext.Mode{})
		if again == nil || again.Table.Schema+"."+again.Table.Name != "dxf_scratch.scratch_x" {
			t.Fatalf("%q became %q", text, plain)
		}
		p := tidb.New()
		p.SetSQLMode(parserMode(tryMode))
		stmts, _, err := p.ParseSQL(plain)
		if err != nil {
			return
		}
		if len(stmts) != 1 {
			t.Fatalf("%q became %d statements: %q", text, len(stmts), plain)
		}
		var v namedTables
		stmts[0].Accept(&v)
		for _, n := range v.names {
			if n != "dxf_scratch.scratch_x" {
				t.Fatalf("%q became %q, which names %s", text, plain, n)
			}
		}
	})
}

func parserMode(sqlMode string) (m mysql.SQLMode) {
	for name := range strings.SplitSeq(sqlMode, ",") {
		m |= mysql.Str2SQLMode[name]
	}
	return m
}
