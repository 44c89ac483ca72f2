package sqltext

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/sqltext/corpus"
	"dxfproxy/sysvars"
)

var updateGolden = flag.Bool("update-classify", false, "rewrite testdata/classify.txt")

var kindText = [...]string{
	Other: "other", AddIndex: "add index", OtherDDL: "ddl", SetVars: "set", SetLogBin: "set sql_log_bin", SelectVars: "select vars", ShowVariables: "show variables",
	ShowWarnings: "show warnings", ShowErrors: "show errors", ShowCountWarnings: "count warnings", ShowCountErrors: "count errors",
	AdminShowDDL: "show ddl", AdminShowDDLJobs: "show jobs", AdminShowDDLJobQueries: "show queries", AdminCancelDDLJobs: "cancel",
	AdminPauseDDLJobs: "pause", AdminResumeDDLJobs: "resume", AdminAlterDDLJobs: "alter jobs", AdminCheckTable: "check table",
	AdminCheckIndex: "check index", AdminChecksumTable: "checksum", AdminUnknown: "admin?", VirtualTables: "virtual", Expressions: "expressions",
	ImportInto: "import into", ShowImportJob: "show import job", ShowImportJobs: "show import jobs", CancelImportJob: "cancel import",
	PauseImportJob: "pause import", ResumeImportJob: "resume import", ImportUnknown: "import?",
}

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

// describe prints all Classify found, for the golden file.
func describe(text string, st Statement) string {
	var b strings.Builder
	src := []byte(text)
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("%s", kindText[st.Kind])
	if st.Table.Name != "" {
		p(" table=%s.%s<%s>", st.Table.Schema, st.Table.Name, st.Table.Span.Of(src))
	}
	if st.JobType != "" {
		p(" job=%q", st.JobType)
	}
	if st.Schema != "" {
		p(" schema=%s", st.Schema)
	}
	for i, t := range st.Tables {
		p(" t%d=%s.%s", i, t.Schema, t.Name)
		if i < len(st.NewTables) {
			p("->%s.%s", st.NewTables[i].Schema, st.NewTables[i].Name)
		}
	}
	if st.CreateIndex {
		p(" create-index")
	}
	if st.Algorithm+st.Lock != "" {
		p(" algorithm=%s<%s> lock=%s<%s>", st.Algorithm, st.AlgorithmSpan.Of(src), st.Lock, st.LockSpan.Of(src))
	}
	if st.Wait >= 0 {
		p(" wait=%d<%s>", st.Wait, st.WaitSpan.Of(src))
	}
	for flag, on := range map[string]bool{"if-exists": st.IfExists} {
		if on {
			p(" %s", flag)
		}
	}
	if st.Ignore {
		p(" ignore")
	}
	if st.Virtual {
		p(" virtual")
	}
	if st.Unique() {
		p(" unique")
	}
	if st.HasLimit {
		p(" limit=%d,%d", st.Offset, st.Limit)
	}
	if st.Form != sysvars.Plain {
		p(" form=%d", st.Form)
	}
	if st.HasLk {
		p(" like=%q", st.Like)
	}
	if st.Where.Has() {
		p(" where=<%s>", st.Where.Of(src))
	}
	if st.Count != 0 {
		p(" n=%d", st.Count)
	}
	if st.IDs != nil {
		p(" ids=%v", st.IDs)
	}
	if st.Index != "" {
		p(" index=%s", st.Index)
	}
	for _, o := range st.Options {
		p(" %s=%q/%d", o.Name, o.Value, o.Kind)
	}
	for _, s := range st.Specs {
		p("\n  %s <%s>", specText[s.Kind], s.Span.Of(src))
		if s.Name != "" {
			p(" name=%s", s.Name)
		}
		if s.Kind == SpecAddIndex || s.Kind == SpecAddPrimaryKey {
			p(" index=%q", s.Index)
		}
		for name, on := range map[string]bool{"unique": s.Unique && !s.FullText, "fulltext": s.FullText, "spatial": s.Spatial} {
			if on {
				p(" %s", name)
			}
		}
		if s.IfNotExists {
			p(" if-not-exists")
		}
		for _, part := range s.Parts {
			p(" (%s%s %d desc=%t)", part.Column, part.Expr.Of(src), part.Length, part.Desc)
		}
	}
	for _, a := range st.Assignments {
		p("\n  <%s> name=%s form=%d ours=%t kind=%d text=%q value=<%s>", a.Span.Of(src), a.Name, a.Form, a.Var != nil, a.Kind, a.Text, a.Value.Of(src))
	}
	for _, c := range st.Columns {
		p("\n  <%s> name=%s label=%s form=%d ours=%t", c.Span.Of(src), c.Name, c.Label, c.Form, c.Var != nil)
	}
	return b.String()
}

// TestClassifyGolden keeps what is found in each statement of the corpus. The
// file is rewritten with -update-classify, and the difference is to be read.
func TestClassifyGolden(t *testing.T) {
	var b strings.Builder
	for _, text := range corpus.Statements {
		st := Classify([]byte(text), Mode{})
		fmt.Fprintf(&b, "%s\n= %s\n\n", text, describe(text, st))
		if st.Kind != Other {
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
		require.Equal(t, kindText[Other], kindText[st.Kind], "%s", text)
	}
	long := "ALTER TABLE t ADD INDEX i (a) COMMENT '" + strings.Repeat("x", 1<<20) + "'"
	require.Equal(t, Other, Classify([]byte(long), Mode{}).Kind)
}

func TestClassifyModes(t *testing.T) {
	st := Classify([]byte(`ALTER TABLE "d"."t" ADD INDEX "i" ("a")`), Mode{AnsiQuotes: true})
	require.Equal(t, AddIndex, st.Kind)
	require.Equal(t, "d.t i a", st.Table.Schema+"."+st.Table.Name+" "+st.Specs[0].Index+" "+st.Specs[0].Parts[0].Column)
	require.Equal(t, Other, Classify([]byte(`ALTER TABLE "d"."t" ADD INDEX "i" ("a")`), Mode{}).Kind)

	text := []byte(`ALTER TABLE t ADD INDEX i (a) COMMENT 'x\'`)
	require.Equal(t, Other, Classify(text, Mode{}).Kind)
	require.Equal(t, AddIndex, Classify(text, Mode{NoBackslashEscapes: true}).Kind)
	require.Equal(t, AddIndex, Classify([]byte("ALTER TABLE t ADD INDEX i (a)\x00"), Mode{}).Kind)
}

// TestReplaceTable shows what the spans are for.
func TestReplaceTable(t *testing.T) {
	for text, want := range map[string]string{
		"ALTER TABLE /* x */ `d` . `t` ADD INDEX t (t)":      "ALTER TABLE /* x */ `n` ADD INDEX t (t)",
		"CREATE INDEX t ON t(t) WAIT 5 LOCK=NONE;":           "CREATE INDEX t ON `n`(t) WAIT 5 LOCK=NONE;",
		"alter online table if exists d.t nowait add key(a)": "alter online table if exists `n` nowait add key(a)",
	} {
		s := Classify([]byte(text), Mode{}).Table.Span
		require.Equal(t, want, text[:s.Start]+"`n`"+text[s.End:])
	}
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
		require.Equal(t, want, Classify([]byte(text), Mode{}).Conditional, text)
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
		for _, s := range st.Specs {
			if !s.Span.Has() {
				t.Fatalf("empty change in %q", text)
			}
		}
		if st.Kind == AddIndex {
			// The table's bytes can be replaced, and nothing else changes.
			other := string(text[:st.Table.Span.Start]) + "`x`" + string(text[st.Table.Span.End:])
			again := Classify([]byte(other), mode)
			if again.Kind != AddIndex || again.Table.Name != "x" || again.Table.Schema != "" || len(again.Specs) != len(st.Specs) {
				t.Fatalf("%q: with another table %q it is %s", text, other, describe(other, again))
			}
		}
		if len(st.Vars) > 0 {
			src := bytes.TrimSuffix(text, []byte{0})
			edits := SelectLabels(src, st.Vars, mode)
			for _, r := range st.Vars {
				edits = append(edits, Edit{r.Span, "1"})
			}
			written := Apply(src, edits)
			if again := Classify(written, mode); len(again.Vars) > 0 || st.Bare != again.Bare {
				t.Fatalf("%q with values is %q", text, written)
			}
		}
		if out, changed := RewriteBareTables(text, mode, "dxf", "mysql"); changed {
			if again, twice := RewriteBareTables(out, mode, "dxf", "mysql"); twice {
				t.Fatalf("%q rewritten twice: %q, %q", text, out, again)
			}
		}
		out, changed := RewriteTables(text, mode, "dxf")
		if changed {
			if again, twice := RewriteTables(out, mode, "dxf"); twice {
				t.Fatalf("%q rewritten twice: %q, %q", text, out, again)
			}
		}
	})
}
