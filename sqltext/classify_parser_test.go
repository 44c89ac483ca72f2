package sqltext

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver"
	"github.com/stretchr/testify/require"

	"dxfproxy/sqltext/corpus"
	"pgregory.net/rapid"
)

// TiDB's parser is the judge of what an ADD INDEX is: whatever it reads as one,
// Classify must read as the same one.

// parsed is what both sides must agree on.
type parsed struct {
	schema, table string
	indexes       []string // names of added indexes that are no primary key
	primary       int
}

// judge asks the parser. It reports false for text that is no single
// statement adding indexes of the kinds every store has.
func judge(text string) (found parsed, ok bool) {
	defer func() {
		if recover() != nil { // the parser panics on some broken text
			ok = false
		}
	}()
	stmts, _, err := parser.New().ParseSQL(text)
	if err != nil || len(stmts) != 1 {
		return parsed{}, false
	}
	switch s := stmts[0].(type) {
	case *ast.CreateIndexStmt:
		switch s.KeyType {
		case ast.IndexKeyTypeNone, ast.IndexKeyTypeUnique, ast.IndexKeyTypeFulltext, ast.IndexKeyTypeSpatial:
		default:
			return parsed{}, false
		}
		return parsed{s.Table.Schema.O, s.Table.Name.O, []string{s.IndexName}, 0}, true
	case *ast.AlterTableStmt:
		found = parsed{schema: s.Table.Schema.O, table: s.Table.Name.O}
		for _, spec := range s.Specs {
			if spec.Tp != ast.AlterTableAddConstraint {
				continue
			}
			switch spec.Constraint.Tp {
			case ast.ConstraintIndex, ast.ConstraintKey, ast.ConstraintUniq, ast.ConstraintUniqKey, ast.ConstraintUniqIndex, ast.ConstraintFulltext:
				found.indexes = append(found.indexes, spec.Constraint.Name)
			case ast.ConstraintPrimaryKey:
				found.primary++
			}
		}
		return found, len(found.indexes)+found.primary > 0
	}
	return parsed{}, false
}

func ours(st *AlterTable) parsed {
	p := parsed{st.Table.Schema, st.Table.Name, st.Indexes(), 0}
	for _, s := range st.Specs {
		if s.Kind == SpecAddPrimaryKey {
			p.primary++
		}
	}
	return p
}

// mariaOnly are statements of the corpus the parser refuses or reads otherwise.
func mariaOnly(text string) bool {
	up := strings.ToUpper(text)
	for _, w := range []string{
		"ONLINE", "IGNORE", "IF EXISTS", "WAIT 5", "WAIT 10", "NOWAIT", "CLUSTERING", "OR REPLACE", "UNIQUE INDEX IF NOT", "SPATIAL",
		"CONSTRAINT C UNIQUE KEY U", // the parser prefers the constraint's name, the stores the index's
		"ADD COLUMN (A INT",
		"(LOWER(B))",
	} {
		if strings.Contains(up, w) {
			return true
		}
	}
	return false
}

func TestClassifyAgreesWithParser(t *testing.T) {
	both := 0
	for _, text := range corpus.Statements {
		want, ok := judge(text)
		st := long(Classify([]byte(text), Mode{}))
		if mariaOnly(text) {
			continue
		}
		require.Equal(t, ok, st != nil, "%s", text)
		if ok {
			require.Equal(t, want, ours(st), "%s", text)
			both++
		}
	}
	require.Greater(t, both, 30)
}

// indexPart draws a column as it stands in an index: cut to a length, in an expression,
// in an order.
func indexPart(column *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := column.Draw(t, "column")
		switch rapid.IntRange(0, 3).Draw(t, "part") {
		case 0:
			s += "(" + fmt.Sprint(rapid.IntRange(1, 99).Draw(t, "length")) + ")"
		case 1:
			s = "(" + s + " + (1))"
		}
		return s + rapid.SampledFrom([]string{"", " ASC", " desc"}).Draw(t, "order")
	})
}

// statements draws ADD INDEX statements in many spellings.
func statements() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		blank := rapid.SampledFrom([]string{" ", "  ", "\t", "\n", " /* , ( ' */ ", " # x' \n", " -- \" \n", "/**/ "})
		maybe := rapid.SampledFrom([]string{"", " ", "/*x*/"})
		plain := rapid.SampledFrom([]string{"t", "a1", "T_x", "$u", "größe", "wait", "type", "lock", "algorithm", "visible", "comment"})
		quoted := rapid.SampledFrom([]string{"`t`", "`a b`", "`x``y`", "`select`", "`a,b`", "`(`", "`it's`", "`1`"})
		name := rapid.OneOf(plain, quoted)
		column := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "c_1"}), quoted)
		table := rapid.Custom(func(t *rapid.T) string {
			n := name.Draw(t, "table")
			if rapid.Bool().Draw(t, "qualified") {
				return name.Draw(t, "schema") + "." + n
			}
			return n
		})
		part := indexPart(column)
		parts := func() string {
			return "(" + strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "parts"), maybe.Draw(t, "gap")+",") + ")"
		}
		options := func() string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
				" COMMENT 'x, (y'", " USING BTREE", " KEY_BLOCK_SIZE = 8", " INVISIBLE", " VISIBLE", " COMMENT \"it''s\"", " WITH PARSER p",
			}), 0, 2).Draw(t, "options"), "")
		}
		word := func(s string) string {
			if rapid.Bool().Draw(t, "lower") {
				s = strings.ToLower(s)
			}
			return s
		}
		b := func() string { return blank.Draw(t, "blank") }
		end := rapid.SampledFrom([]string{"", ";", " ; ", "\n"}).Draw(t, "end")

		if rapid.Bool().Draw(t, "create") {
			return b() + word("CREATE") + b() + word(rapid.SampledFrom([]string{"", "UNIQUE ", "FULLTEXT "}).Draw(t, "kind")) +
				word("INDEX") + b() + word(rapid.SampledFrom([]string{"", "IF NOT EXISTS "}).Draw(t, "if")) + name.Draw(t, "index") + b() +
				word("ON") + b() + table.Draw(t, "ref") + maybe.Draw(t, "gap") + parts() + options() +
				rapid.SampledFrom([]string{"", " ALGORITHM=INPLACE", " LOCK NONE", " LOCK=SHARED ALGORITHM DEFAULT"}).Draw(t, "how") + end
		}
		spec := func() string {
			return rapid.SampledFrom([]func() string{
				func() string { return word("ADD INDEX") + b() + name.Draw(t, "index") + b() + parts() + options() },
				func() string { return word("ADD KEY") + b() + parts() + options() },
				func() string {
					return word("ADD UNIQUE") + b() + word(rapid.SampledFrom([]string{"", "INDEX ", "KEY "}).Draw(t, "u")) + name.Draw(t, "index") + parts()
				},
				func() string { return word("ADD INDEX IF NOT EXISTS") + b() + name.Draw(t, "index") + parts() },
				func() string {
					return word("ADD CONSTRAINT") + b() + name.Draw(t, "c") + b() + word("UNIQUE") + parts()
				},
				func() string { return word("ADD PRIMARY KEY") + parts() },
				func() string { return word("ADD FULLTEXT INDEX") + b() + name.Draw(t, "index") + parts() },
				func() string {
					return word("ADD COLUMN") + b() + column.Draw(t, "new") + " DECIMAL(10,2) DEFAULT 1 COMMENT 'ADD INDEX i (a)'"
				},
				func() string { return word("DROP INDEX") + b() + name.Draw(t, "old") },
				func() string { return word("MODIFY") + b() + column.Draw(t, "mod") + " ENUM('a,b', 'c)')" },
				func() string { return "ALGORITHM=INPLACE" },
				func() string { return "LOCK = NONE" },
				func() string { return "ENGINE=InnoDB COMMENT='x'" },
				func() string { return "ADD CONSTRAINT f FOREIGN KEY (a, b) REFERENCES p (x, y)" },
				func() string { return "RENAME COLUMN a TO b" },
				func() string { return "ALTER COLUMN a SET DEFAULT 5" },
			}).Draw(t, "spec")()
		}
		specs := make([]string, rapid.IntRange(1, 4).Draw(t, "n"))
		for i := range specs {
			specs[i] = spec()
		}
		return word("ALTER") + b() + word("TABLE") + b() + table.Draw(t, "ref") + b() + strings.Join(specs, maybe.Draw(t, "gap")+",") + end
	})
}

func TestClassifyAgreesWithParserOnDrawnStatements(t *testing.T) {
	found, accepted, drawn := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := statements().Draw(t, "text")
		drawn++
		want, ok := judge(text)
		st := long(Classify([]byte(text), Mode{}))
		if !ok {
			// No index among the changes, or no statement to the parser; then
			// a wrong one costs an error the store words itself.
			if _, _, err := parser.New().ParseSQL(text); err == nil && st != nil {
				t.Fatalf("%q is no ADD INDEX to the parser", text)
			}
			return
		}
		accepted++
		if st == nil {
			t.Fatalf("%q is %s", text, kind(Classify([]byte(text), Mode{})))
		}
		got := ours(st)
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("%q: want %v, got %v", text, want, got)
		}
		if len(got.indexes) > 0 {
			found++
		}
	})
	t.Logf("%d drawn, %d understood by the parser, %d with an index", drawn, accepted, found)
	if drawn >= 100 && accepted < drawn/3 {
		t.Fatalf("only %d of %d statements were understood by the parser", accepted, drawn)
	}
}

// FuzzClassifyParser compares on printable ASCII, where both lexers follow the
// same manual.
func FuzzClassifyParser(f *testing.F) {
	for _, s := range corpus.Statements {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 || strings.Contains(text, "/*") || mariaOnly(text) {
			return // TiDB's parser has no say in it
		}
		for _, c := range []byte(text) {
			if c < ' ' || c > '~' {
				return // the parser folds what we compare by its bytes
			}
		}
		want, ok := judge(text)
		if !ok || want.table == "" || parserOnly(text) {
			return // refused by the parser, or accepted by it alone
		}
		st := long(Classify([]byte(text), Mode{}))
		if st == nil {
			t.Fatalf("%q is %s", text, kind(Classify([]byte(text), Mode{})))
		}
		if got := ours(st); fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("%q: want %v, got %v", text, want, got)
		}
	})
}

// parserOnly are spellings only TiDB takes: the stores refuse them, so they
// are relayed.
func parserOnly(text string) bool {
	up := strings.ToUpper(text)
	for _, w := range []string{"WHERE", "COLUMNAR", "STATS_EXTENDED", "CONSTRAINT", "GLOBAL", "@", "\\", "PRE_SPLIT", ";", "X'", "B'", "N'", "\"", "."} {
		if strings.Contains(up, w) {
			return true
		}
	}
	return false
}
