package sysvars_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/sysvars"
)

// testdata/sysvars.out is what a TiDB v8.5.0 answered. The test replays it on
// the package alone, with two maps for a server's global and session values.

var (
	setStmt    = regexp.MustCompile(`^SET (.+)$`)
	assignment = regexp.MustCompile(`^(?:@@)?(?:(?i)(GLOBAL|SESSION)[ .])?(\w+) = (.+)$`)
	reference  = regexp.MustCompile(`^@@(?:(global|session)\.)?(\w+)$`)
	showStmt   = regexp.MustCompile(`^SHOW (GLOBAL |SESSION )?VARIABLES (?:LIKE|WHERE variable_name =) '(.+)'$`)
)

// differs lists the answers that are not TiDB's, with the reason.
var differs = map[string]string{
	"SET GLOBAL tidb_max_dist_task_nodes = 2": "v8.5.0 does not have it yet; later 8.5 releases and we do",
}

type server struct {
	global, session map[string]string
}

func (s *server) set(stmt string) string {
	var warnings []string
	pending := map[string]string{}
	sess := map[string]string{}
	for item := range strings.SplitSeq(stmt, ", ") {
		m := assignment.FindStringSubmatch(item)
		form := map[string]sysvars.Form{"": sysvars.Plain, "GLOBAL": sysvars.FormGlobal, "SESSION": sysvars.FormSession}[strings.ToUpper(m[1])]
		v, ok := sysvars.Lookup(m[2])
		if !ok {
			return sysvars.Unknown(m[2]).String()
		}
		scope, e := v.CheckSet(form)
		if e != nil {
			return e.String()
		}
		text, kind := m[3], sysvars.WordValue
		switch {
		case text == "default":
			kind = sysvars.DefaultValue
		case text == "true":
			kind = sysvars.BoolValue
		case text == "200 * 1024 * 1024 * 1024":
			text, kind = "214748364800", sysvars.StringValue
		case text[0] == '\'':
			text, kind = strings.Trim(text, "'"), sysvars.StringValue
		case strings.Trim(text, "-.0123456789") == "":
			kind = sysvars.NumberValue
		}
		norm, w, e := v.Check(text, kind)
		if e != nil {
			return e.String()
		}
		if w != nil {
			warnings = append(warnings, fmt.Sprintf("warning %d: %s", w.Number, w.Message))
		}
		if scope == sysvars.Session {
			if kind == sysvars.DefaultValue && v.Scope&sysvars.Global != 0 {
				norm = s.global[v.Name]
			}
			sess[v.Name] = norm
		} else {
			pending[v.Name] = norm
		}
	}
	maps.Copy(s.global, pending)
	maps.Copy(s.session, sess)
	return strings.Join(append([]string{fmt.Sprintf("ok warnings=%d", len(warnings))}, warnings...), "\n")
}

func (s *server) read(list string) string {
	var cols, row []string
	for item := range strings.SplitSeq(list, ", ") {
		m := reference.FindStringSubmatch(item)
		form := map[string]sysvars.Form{"": sysvars.Plain, "global": sysvars.FormGlobal, "session": sysvars.FormSession}[m[1]]
		v, ok := sysvars.Lookup(m[2])
		if !ok {
			return sysvars.Unknown(m[2]).String()
		}
		scope, e := v.CheckRead(form)
		if e != nil {
			return e.String()
		}
		value := s.global[v.Name]
		if scope == sysvars.Session {
			value = s.session[v.Name]
		}
		c := v.Column()
		typ := map[sysvars.ColumnType]string{sysvars.BigInt: "BIGINT", sysvars.BigIntUnsigned: "BIGINT UNSIGNED", sysvars.VarChar: "VARCHAR"}[c.Type]
		cols = append(cols, fmt.Sprintf("%s %s(%d)", item, typ, c.Length))
		row = append(row, v.Select(value))
	}
	return "columns: " + strings.Join(cols, ", ") + "\nrow: " + strings.Join(row, " | ")
}

func (s *server) show(global bool, pattern string) string {
	var rows []string
	name, value := 0, 0
	for _, v := range sysvars.All() {
		prefix, wild := strings.CutSuffix(pattern, "%")
		if !v.InShow(global) || v.Name != pattern && !(wild && strings.HasPrefix(v.Name, prefix)) {
			continue
		}
		shown := v.Show(s.global[v.Name])
		rows = append(rows, "row: "+v.Name+" | "+shown)
		name, value = max(name, len(v.Name)), max(value, len(shown))
	}
	return fmt.Sprintf("columns: Variable_name VARCHAR(%d), Value VARCHAR(%d)\n", sysvars.ShowWidth(name), sysvars.ShowWidth(value)) + strings.Join(rows, "\n")
}

func TestOracle(t *testing.T) {
	data, err := os.ReadFile("testdata/sysvars.out")
	require.NoError(t, err)
	s := &server{global: map[string]string{}, session: map[string]string{}}
	for _, v := range sysvars.All() {
		s.global[v.Name], s.session[v.Name] = v.Default, v.Default
	}
	affected := regexp.MustCompile(`^ok affected=\d+ `)
	seen := 0
	for _, block := range strings.Split(string(data), "\n> ")[1:] {
		stmt, want, _ := strings.Cut(strings.TrimSpace(block), "\n")
		want = affected.ReplaceAllString(want, "ok ") // a count of rows written by TiDB itself
		var got string
		switch show := showStmt.FindStringSubmatch(stmt); {
		case strings.Contains(stmt, "VARIABLES_INFO"):
			got, want = info(), want[strings.Index(want, "row: "):]
		case strings.HasPrefix(stmt, "SET"):
			got = s.set(setStmt.FindStringSubmatch(stmt)[1])
		case strings.HasPrefix(stmt, "SELECT"):
			got = s.read(strings.TrimPrefix(stmt, "SELECT "))
		case show != nil:
			got = s.show(show[1] == "GLOBAL ", show[2])
			if strings.Contains(stmt, "WHERE") { // TiDB measures the columns before it filters
				got, want = got[strings.Index(got, "row: "):], want[strings.Index(want, "row: "):]
			}
		default:
			t.Fatalf("the test does not know %s", stmt)
		}
		if reason, ok := differs[stmt]; ok {
			require.NotEqual(t, want, got, "no longer differs: %s", reason)
			continue
		}
		require.Equal(t, strings.TrimSpace(want), strings.TrimSpace(got), stmt)
		seen++
	}
	require.Greater(t, seen, 90)
}

// info prints the rows of VARIABLES_INFO the oracle asked for.
func info() string {
	asked := []string{
		sysvars.EnableDistTask, sysvars.ServiceScope, sysvars.DDLReorgWorkerCnt, sysvars.DDLReorgBatchSize,
		sysvars.DDLReorgPriority, sysvars.DDLErrorCountLimit, sysvars.DDLEnableFastReorg, sysvars.DDLDiskQuota,
	}
	slices.Sort(asked)
	var rows []string
	for _, name := range asked {
		v, _ := sysvars.Lookup(name)
		lo, hi, values := "NULL", "NULL", "NULL"
		if v.Type == sysvars.Unsigned || v.Type == sysvars.Int {
			lo, hi = fmt.Sprint(v.Min), fmt.Sprint(v.Max)
		}
		if v.Type == sysvars.Enum {
			values = strings.Join(v.Values, ",")
		}
		rows = append(rows, fmt.Sprintf("row: %s | %s | %s | %s | %s | %s | NO", v.Name, v.Scope, v.Default, lo, hi, values))
	}
	return strings.Join(rows, "\n")
}
