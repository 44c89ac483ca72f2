package sqltext

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/sqltext/corpus"
)

var updateGolden = flag.Bool("update-classify", false, "rewrite testdata/classify.txt")

var specText = [...]string{
	SpecOther: "other", SpecAddIndex: "+index", SpecAddPrimaryKey: "+primary", SpecAddVectorIndex: "+vector", SpecAddForeignKey: "+fk",
	SpecAddCheck: "+check", SpecAddColumn: "+column", SpecAddPartition: "+partition", SpecDropColumn: "-column", SpecDropIndex: "-index",
	SpecDropPrimaryKey: "-primary", SpecDropForeignKey: "-fk", SpecDropConstraint: "-constraint", SpecDropPartition: "-partition",
	SpecTruncatePartition: "truncate partition", SpecExchangePartition: "exchange", SpecReorganizePartition: "reorganize",
	SpecPartitionBy: "partition by", SpecRemovePartitioning: "remove partitioning", SpecOtherPartition: "partition", SpecModify: "modify",
	SpecChange: "change", SpecSetDefault: "default", SpecRenameColumn: "rename column", SpecRenameIndex: "rename index",
	SpecRenameTable: "rename table", SpecIndexVisibility: "visibility", SpecConvert: "convert", SpecTableOption: "option",
	SpecTableCharset: "charset", SpecTableComment: "comment", SpecAutoIncrement: "auto_increment", SpecOption: "how",
}

// kind is the name of a statement's type.
func kind(st Statement) string { return strings.TrimPrefix(fmt.Sprintf("%T", st), "*sqltext.") }

// long is the statement if it is one that may take long, else nil.
func long(st Statement) *AlterTable {
	if alter, ok := st.(*AlterTable); ok && alter.Long() {
		return alter
	}
	return nil
}

// describe prints all Classify found, for the golden file.
func describe(text string, st Statement) string {
	var b strings.Builder
	src := []byte(text)
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	limit := func(l *Limit) {
		if l != nil {
			p(" limit=%d,%d", l.Offset, l.Count)
		}
	}
	filter := func(f Filter) {
		if f.Like != nil {
			p(" like=%q", *f.Like)
		}
		if f.Where != "" {
			p(" where=<%s>", f.Where)
		}
	}
	p("%s", kind(st))
	switch st := st.(type) {
	case *AlterTable:
		describeDDL(&b, &st.DDL)
		describeAlter(&b, st, src)
	case *DDL:
		describeDDL(&b, st)
	case *SetVariables:
		for _, a := range st.Assignments {
			p("\n  <%s> name=%s form=%d ours=%t kind=%d text=%q value=<%s>", st.Of(a.Span), a.Name, a.Form, a.Var != nil, a.Kind, a.Text, st.Of(a.Value))
			for _, r := range st.In(a.Value) {
				p(" var=<%s>", st.Of(r.Span))
			}
		}
	case *SelectVariables:
		limit(st.Limit)
		for _, c := range st.Columns {
			p("\n  <%s> name=%s label=%s form=%d ours=%t", st.Of(c.Span), c.Name, c.Label, c.Form, c.Var != nil)
		}
	case *ShowVariables:
		p(" form=%d", st.Form)
		filter(st.Filter)
	case *ShowDiagnostics:
		p(" errors=%t count=%t", st.Errors, st.Count)
		limit(st.Limit)
	case *ShowDDLJobs:
		p(" n=%d", st.Count)
		filter(Filter{Where: st.Where})
	case *ShowDDLJobQueries:
		p(" ids=%v", st.IDs)
		limit(st.Limit)
	case *ChangeDDLJobs:
		p(" %s ids=%v", st.Verb, st.IDs)
	case *AlterDDLJob:
		p(" id=%d", st.ID)
		for _, o := range st.Options {
			p(" %s=%q/%d", o.Name, o.Value, o.Kind)
		}
	case *ShowImportJob:
		p(" id=%d", st.ID)
	case *ShowImportJobs:
		filter(st.Filter)
	case *ChangeImportJob:
		p(" %s id=%d", st.Verb, st.ID)
	case *Mixed:
		for _, v := range st.Vars {
			p(" var=<%s>", st.Of(v.Span))
		}
		for _, e := range st.In("dxf", "mysql", "") {
			p(" <%s> %s", st.Of(e.Span), e.Text)
		}
		p(" columns=%t", st.AsksColumns)
	}
	return b.String()
}

func describeDDL(b *strings.Builder, st *DDL) {
	fmt.Fprintf(b, " job=%q conditional=%t", st.JobType, st.Conditional)
	if st.Schema != "" {
		fmt.Fprintf(b, " schema=%s", st.Schema)
	}
	for _, t := range st.Tables {
		fmt.Fprintf(b, " %s.%s<%s>", t.Schema, t.Name, st.Of(t.Span))
	}
	if len(st.Changes) > 0 {
		fmt.Fprintf(b, " changes=%q", st.Changes)
	}
}

func describeAlter(b *strings.Builder, st *AlterTable, src []byte) {
	p := func(format string, args ...any) { fmt.Fprintf(b, format, args...) }
	p(" long=%t", st.Long())
	if st.CreateIndex {
		p(" create-index")
	}
	if st.Algorithm+st.Lock != "" {
		p(" algorithm=%s lock=%s", st.Algorithm, st.Lock)
	}
	if st.Wait >= 0 {
		p(" wait=%d", st.Wait)
	}
	if st.IfExists {
		p(" if-exists")
	}
	if st.Ignore {
		p(" ignore")
	}
	for _, s := range st.Specs {
		p("\n  %s <%s>", specText[s.Kind], s.Span.Of(src))
		if s.Name != "" {
			p(" name=%s", s.Name)
		}
		if s.To != "" {
			p(" to=%s", s.To)
		}
		if s.Adds() {
			p(" index=%q", s.Index)
		}
	}
}

// TestClassifyGolden keeps what is found in each statement of the corpus. The
// file is rewritten with -update-classify, and the difference is to be read.
func TestClassifyGolden(t *testing.T) {
	var b strings.Builder
	for _, text := range corpus.Statements {
		st := Classify([]byte(text), Mode{})
		fmt.Fprintf(&b, "%s\n= %s\n\n", text, describe(text, st))
		if _, other := st.(*Other); !other {
			require.True(t, Match([]byte(text)), "Match lets pass %s", text)
		}
	}
	const file = "testdata/classify.txt"
	if *updateGolden {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

func TestClassifyRefusesDoubt(t *testing.T) {
	for _, text := range []string{
		"", ";", ";ALTER TABLE t ADD INDEX i (a)",
		"ALTER TABLE t ADD INDEX i (a); SELECT 1",
		"ALTER TABLE t ADD INDEX i (a) ; ; x",
		"ALTER TABLE t /*!50000 ADD INDEX i (a) */",
		"ALTER TABLE t ADD INDEX i (a) /*M!100301 WAIT 3 */",
		"ALTER TABLE t ADD INDEX i (a); /*! x */",
		"ALTER TABLE t ADD INDEX i (a", "ALTER TABLE t ADD INDEX i (a))", "ALTER TABLE t ADD INDEX i (a) FROBNICATE",
		"ALTER TABLE t ADD INDEX i (a) PARTITION BY HASH(a)", "ALTER TABLE t ADD INDEX i", "ALTER TABLE t ADD INDEX i ()",
		"ALTER TABLE t ADD INDEX i (a,)", "ALTER TABLE t ADD INDEX i (a),", "ALTER TABLE a.b.c ADD INDEX i (a)",
		"ALTER TABLE t ADD INDEX i (a), ALGORITHM=FAST", "ALTER TABLE t ADD UNIQUE u (a, b WITHOUT OVERLAPS)",
		"ALTER TABLE t ADD COLUMN (a INT, INDEX (a)), ADD INDEX i (b)", "ALTER TABLE 't' ADD INDEX i (a)",
		"ALTER TABLE t ADD INDEX i (a) COMMENT 'x", "CREATE INDEX ON t (a)", "ALTER TABLE t ADD INDEX TYPE BTREE (a)", "CREATE INDEX i ON t (a) extra", "CREATE INDEX i (a) ON t",
		"CREATE TEMPORARY TABLE t (a INT)", "CREATE PROCEDURE p() SELECT 1",
		"SET STATEMENT max_statement_time = 1 FOR SET GLOBAL tidb_enable_dist_task = ON",
		"SET GLOBAL tidb_enable_dist_task", "SET GLOBAL tidb_enable_dist_task =", "SET tidb_no_such = 1", "SET NAMES utf8, tidb_redact_log = ON",
		"SELECT @@tidb_no_such", "SELECT @@version", "SELECT @@tidb_no_such + 1", "SET @a = @@tidb_no_such", "DROP TABLE t, @@tidb_redact_log",
		"SELECT @@ tidb_redact_log", "SELECT '@@tidb_redact_log', @tidb_redact_log", "SHOW VARIABLES LIKE tidb", "SHOW VARIABLES WHERE", "SHOW TABLES",
		"KILL USER x", "KILL QUERY ID 5", "KILL 1+1", "DROP TEMPORARY TABLE t",
		"INSERT INTO t VALUES ('mysql.tidb_global_task')", "SELECT tidb_global_task FROM t",
		"DROP TABLE t1,", "ALTER TABLE mysql.tidb_global_task",
	} {
		st := Classify([]byte(text), Mode{})
		require.IsType(t, &Other{}, st, "%s", text)
	}
	tooLong := "ALTER TABLE t ADD INDEX i (a) COMMENT '" + strings.Repeat("x", 1<<20) + "'"
	require.IsType(t, &Other{}, Classify([]byte(tooLong), Mode{}))
}

func TestClassifyModes(t *testing.T) {
	st := long(Classify([]byte(`ALTER TABLE "d"."t" ADD INDEX "i" ("a")`), Mode{AnsiQuotes: true}))
	require.NotNil(t, st)
	require.Equal(t, "d.t i", st.Table.Schema+"."+st.Table.Name+" "+st.Specs[0].Index)
	require.IsType(t, &Other{}, Classify([]byte(`ALTER TABLE "d"."t" ADD INDEX "i" ("a")`), Mode{}))

	text := []byte(`ALTER TABLE t ADD INDEX i (a) COMMENT 'x\'`)
	require.IsType(t, &Other{}, Classify(text, Mode{}))
	require.NotNil(t, long(Classify(text, Mode{NoBackslashEscapes: true})))
	require.NotNil(t, long(Classify([]byte("ALTER TABLE t ADD INDEX i (a)\x00"), Mode{})))
}

// TestReplaceTable shows what the spans are for.
func TestReplaceTable(t *testing.T) {
	for text, want := range map[string]string{
		"ALTER TABLE /* x */ `d` . `t` ADD INDEX t (t)":      "ALTER TABLE /* x */ `n` ADD INDEX t (t)",
		"CREATE INDEX t ON t(t) WAIT 5 LOCK=NONE;":           "CREATE INDEX t ON `n`(t) WAIT 5 LOCK=NONE;",
		"alter online table if exists d.t nowait add key(a)": "alter online table if exists `n` nowait add key(a)",
	} {
		st := long(Classify([]byte(text), Mode{}))
		require.Equal(t, want, string(st.With([]Edit{{st.Table.Span, "`n`"}})))
	}
}

// TestTables are those that the history tells of.
func TestTables(t *testing.T) {
	for text, want := range map[string]string{
		"RENAME TABLE a TO b, c TO d.e": "b,d.e",
		"DROP TABLE a, d.b":             "a,d.b",
		"ALTER TABLE d.t DROP COLUMN c": "d.t",
		"CREATE TABLE t (a INT)":        "t",
		"DROP DATABASE d":               "",
	} {
		var names []string
		for _, n := range ddlOf(t, text).Tables {
			if n.Schema != "" {
				n.Name = n.Schema + "." + n.Name
			}
			names = append(names, n.Name)
		}
		require.Equal(t, want, strings.Join(names, ","), text)
	}
}

func ddlOf(t *testing.T, text string) *DDL {
	t.Helper()
	switch st := Classify([]byte(text), Mode{}).(type) {
	case *AlterTable:
		return &st.DDL
	case *DDL:
		return st
	}
	t.Fatalf("%s is no DDL", text)
	return nil
}

// TestConditional tells the statements that may do nothing.
func TestConditional(t *testing.T) {
	for text, want := range map[string]bool{
		"DROP TABLE IF EXISTS t":                  true,
		"DROP TABLE t":                            false,
		"CREATE TABLE IF NOT EXISTS t (a INT)":    true,
		"CREATE DATABASE IF NOT EXISTS d":         true,
		"ALTER TABLE t DROP INDEX IF EXISTS i":    true,
		"DROP INDEX IF EXISTS i ON t":             true,
		"ALTER TABLE t ADD COLUMN `if` INT":       false,
		"CREATE TABLE t (a INT COMMENT 'IF NOT')": false,
	} {
		require.Equal(t, want, ddlOf(t, text).Conditional, text)
	}
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, ";": false, "SELECT 1": false, "select * from dist_framework_met": false, "SET autocommit=0": false,
		"SET GLOBAL TIDB_enable_dist_task=1": true, "select @@dxf_native_ddl_max_size": true, "-- c\n/* x */ alter table t": true,
		"SELECT * FROM information_schema.DDL_JOBS": true, "select * from mysql.Dist_Framework_Meta": true,
		"SELECT * FROM mysql.global_variables": true, "BEGIN": false, "COMMIT": false, "/*!40101 SET tidb_x=1 */": false,
		";;drop table t": true, "alters": false, "/* open": false,
		"pause import job 7": true, "/* x */ RESUME IMPORT JOB 7": true, "PREPARE s FROM 'SELECT 1'": false, "RESET QUERY CACHE": false, "resumes": false,
		"SELECT '" + strings.Repeat("x", 5000) + "', @@tidb_enable_dist_task": false,
		"(SELECT * FROM mysql.tidb_global_task)":                              true,
	} {
		require.Equal(t, want, Match([]byte(text)), "%.60s", text)
	}
}

// everyday are the statements of sysbench's OLTP tests.
var everyday = []string{
	"SELECT c FROM sbtest1 WHERE id=50123",
	"SELECT c FROM sbtest1 WHERE id BETWEEN 50123 AND 50222",
	"SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN 50123 AND 50222",
	"SELECT c FROM sbtest1 WHERE id BETWEEN 50123 AND 50222 ORDER BY c",
	"SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 50123 AND 50222 ORDER BY c",
	"UPDATE sbtest1 SET k=k+1 WHERE id=50123",
	"UPDATE sbtest1 SET c='83868641912-28773972837-60736120486-75162659906-27563526494-20381887404-41576422241-93426793964-56405065102-33518432330' WHERE id=50123",
	"DELETE FROM sbtest1 WHERE id=50123",
	"INSERT INTO sbtest1 (id, k, c, pad) VALUES (50123, 49929, '83868641912-28773972837-60736120486-75162659906-27563526494-20381887404-41576422241-93426793964-56405065102-33518432330', '67847967377-48000963322-62604785301-91415491898-96926520291')",
	"BEGIN", "COMMIT",
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, s := range append(everyday, corpus.Statements...) {
		text := []byte(s)
		require.Zero(t, testing.AllocsPerRun(10, func() { Match(text) }), s)
	}
	for _, s := range everyday {
		require.False(t, Match([]byte(s)), s)
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, i := range []int{0, 6, 8} {
		text := []byte(everyday[i])
		b.Run(fmt.Sprintf("%s-%dB", everyday[i][:6], len(text)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Match(text)
			}
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, s := range []string{"ALTER TABLE t ADD INDEX i (a)", "SHOW TABLES", "SELECT * FROM mysql.tidb_global_task"} {
		text := []byte(s)
		b.Run(s[:11], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Classify(text, Mode{})
			}
		})
	}
}

func FuzzClassify(f *testing.F) {
	for _, s := range corpus.Statements {
		f.Add([]byte(s), false, false)
	}
	f.Add([]byte("SELECT DISTINCT 1 + @@tidb_redact_log, (@@global.tidb_redact_log) x FROM tidb_ddl_job, mysql.tidb_ddl_job"), false, false)
	f.Fuzz(func(t *testing.T, text []byte, noBackslash, ansi bool) {
		mode := Mode{noBackslash, ansi}
		Match(text)
		st := Classify(text, mode)
		describe(string(text), st) // slices every span
		switch st := st.(type) {
		case *AlterTable:
			for _, s := range st.Specs {
				if !s.Span.Has() {
					t.Fatalf("empty change in %q", text)
				}
			}
			// The table's bytes can be replaced, and nothing else changes.
			other := st.With([]Edit{{st.Table.Span, "`x`"}})
			again, ok := Classify(other, mode).(*AlterTable)
			if !ok || again.Table.Name != "x" || again.Table.Schema != "" || len(again.Specs) != len(st.Specs) || again.Long() != st.Long() {
				t.Fatalf("%q: with another table %q it is %v", text, other, again)
			}
		case *Mixed:
			fuzzMixed(t, text, mode, st)
		}
		out, changed := RewriteTables(text, mode, "dxf")
		if changed {
			if again, twice := RewriteTables(out, mode, "dxf"); twice {
				t.Fatalf("%q rewritten twice: %q, %q", text, out, again)
			}
		}
	})
}

// fuzzMixed demands that a statement with all its names written has none of ours left.
func fuzzMixed(t *testing.T, text []byte, mode Mode, st *Mixed) {
	edits := slices.Clone(st.Labels)
	for _, r := range st.Vars {
		edits = append(edits, Edit{r.Span, "1"})
	}
	valued := st.With(edits)
	again, _ := Classify(valued, mode).(*Mixed)
	if again == nil && st.Tables() || again != nil && (len(again.Vars) > 0 || st.Bare() != again.Bare()) {
		t.Fatalf("%q with values is %q", text, valued)
	}
	for _, current := range []string{"mysql", "information_schema"} {
		for _, jobs := range []string{"", "(SELECT 1 AS JOB_ID)"} {
			written := st.With(slices.Concat(edits, st.In("dxf", current, jobs)))
			if again, ok := Classify(written, mode).(*Mixed); ok && len(again.In("dxf", current, jobs)) > 0 {
				t.Fatalf("%q in %s became %q, where %v", text, current, written, again.In("dxf", current, jobs))
			}
		}
	}
}
