package dxftest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

const (
	oracleDir             = "../../testdata/oracle"
	oracleDifferencesFile = "oracle_differences.txt"
)

// TestOracle replays what a real TiDB was asked and compares the answers,
// statement by statement. An answer that differs must be listed, with a reason;
// one that is listed and does not differ is an error too. The list has the words
// of MariaDB 10.11's errors, so it is skipped on other servers (make test-stores).
func TestOracle(t *testing.T) {
	if v := srv.Version(); srv.Kind() != mariadbd.MariaDB || !strings.HasPrefix(v, "10.11.") {
		t.Skipf("the differences are listed as MariaDB 10.11 words them, this is %v %s", srv.Kind(), v)
	}
	known := readDifferences(t)
	for _, name := range []string{"sysvars", "add_index", "admin_ddl", "tables", "import_into"} {
		t.Run(name, func(t *testing.T) {
			n := startCluster(t, 1).Nodes[0]
			script, err := os.ReadFile(filepath.Join(oracleDir, name+".sql"))
			require.NoError(t, err)
			out, err := os.ReadFile(filepath.Join(oracleDir, name+".out"))
			require.NoError(t, err)
			want := answersIn(string(out))
			r := &replayer{t: t, addr: n.Addr, conns: map[string]*client.Conn{}, data: oracleFiles(t)}
			defer r.close()
			got := answersIn(r.run(string(script)))
			require.Equal(t, len(want), len(got), "statements")
			same := 0
			for i, w := range want {
				g := got[i]
				require.Equal(t, w.statement, g.statement)
				for _, m := range known.maps {
					w.lines = m.apply(w.lines)
				}
				expect, listed := known.take(name, w.statement, i+1)
				switch {
				case listed && equal(expect, w.lines):
					t.Errorf("%s: listed as a difference and is none", w.statement)
				case listed:
					if !equal(expect, g.lines) {
						t.Errorf("%s\nlisted as a difference:\n  %s\ngot:\n  %s", w.statement, strings.Join(expect, "\n  "), strings.Join(g.lines, "\n  "))
					}
				case !equal(w.lines, g.lines):
					t.Errorf("> %s\nwant:\n  %s\ngot:\n  %s", w.statement, strings.Join(w.lines, "\n  "), strings.Join(g.lines, "\n  "))
				default:
					same++
				}
			}
			t.Logf("%d of %d answers are TiDB's", same, len(want))
			for _, left := range known.left(name) {
				t.Errorf("%s: listed as a difference and never asked", left)
			}
		})
	}
}

// an answer is a statement and what the client saw.
type answer struct {
	statement string
	lines     []string
}

func answersIn(text string) []answer {
	var all []answer
	for _, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			all = append(all, answer{statement: line[2:]})
		case strings.HasPrefix(line, "#"), line == "":
		case len(all) > 0:
			last := &all[len(all)-1]
			last.lines = append(last.lines, line)
		}
	}
	return all
}

// equal compares answers. Ids in rows that begin with one differ from run to run.
func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equalLine(withoutIDs(a[i]), withoutIDs(b[i])) {
			return false
		}
	}
	return true
}

// equalLine compares lines; <any> in the first stands for any value of the second.
func equalLine(a, b string) bool {
	if !strings.Contains(a, "<any>") {
		return a == b
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(a), "<any>", "[^|]*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(b)
}

var (
	idRow  = regexp.MustCompile(`^row: \d+ \|`)
	number = regexp.MustCompile(`\b\d{1,6}\b`)
)

func withoutIDs(line string) string {
	line = strings.TrimRight(line, " ")
	if idRow.MatchString(line) {
		return number.ReplaceAllString(line, "N")
	}
	return line
}

// differences is oracle_differences.txt: below a "# reason", statements as in
// the script with the answer a node gives ("> …"), and replacements that make
// TiDB's answers ours everywhere ("~ /regexp/text/").
type differences struct {
	maps   []replacement
	listed map[string][]answer // by script
}

type replacement struct {
	re *regexp.Regexp
	to string
}

func (r replacement) apply(lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, r.re.ReplaceAllString(l, r.to))
	}
	return out
}

func readDifferences(t *testing.T) *differences {
	t.Helper()
	text, err := os.ReadFile(oracleDifferencesFile)
	require.NoError(t, err)
	d := &differences{listed: map[string][]answer{}}
	script, reason := "", false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "["):
			script, reason = strings.Trim(line, "[]"), false
		case strings.HasPrefix(line, "#"):
			reason = true
		case line == "":
			reason = false
		case strings.HasPrefix(line, "~ "):
			require.True(t, reason, "line %d: no reason is given", i+1)
			parts := strings.Split(line[2:], "/")
			require.Len(t, parts, 4, "line %d: ~ /regexp/text/", i+1)
			d.maps = append(d.maps, replacement{regexp.MustCompile(parts[1]), parts[2]})
		case strings.HasPrefix(line, "> "):
			require.True(t, reason, "line %d: no reason is given", i+1)
			d.listed[script] = append(d.listed[script], answer{statement: line[2:]})
		default:
			list := d.listed[script]
			require.NotEmpty(t, list, "line %d: an answer to nothing", i+1)
			last := &list[len(list)-1]
			last.lines = append(last.lines, line)
		}
	}
	return d
}

// take returns the answer listed for a statement, and strikes it off. The n-th
// statement of the script may be named by its number, as "> 12: …", where the
// same one is asked twice.
func (d *differences) take(script, statement string, n int) ([]string, bool) {
	for i, a := range d.listed[script] {
		if a.statement == statement || a.statement == fmt.Sprintf("%d: %s", n, statement) {
			d.listed[script] = append(d.listed[script][:i:i], d.listed[script][i+1:]...)
			return a.lines, true
		}
	}
	return nil, false
}

func (d *differences) left(script string) []string {
	var names []string
	for _, a := range d.listed[script] {
		names = append(names, a.statement)
	}
	return names
}

// A replayer runs a script as the notation in testdata/oracle says.
type replayer struct {
	t     *testing.T
	addr  string
	conns map[string]*client.Conn
	data  string // the folder that stands for oracleData
	out   strings.Builder
}

// oracleData is where the scripts' files were when TiDB was asked.
const oracleData = "/data"

// oracleFiles makes a folder with the files that the scripts name.
func oracleFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"ok.csv": "1,a\n2,b\n", "ok.txt": "1,a\n2,b\n", "ok.sql": "INSERT INTO t VALUES (1,'a');\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

var syntaxColumn = regexp.MustCompile(`line 1 column (\d+) near`)

// asked is what an answer to text would be if its files were in oracleData: a
// syntax error counts the bytes of names.
func (r *replayer) asked(text, answer string) string {
	return syntaxColumn.ReplaceAllStringFunc(strings.ReplaceAll(answer, r.data, oracleData), func(m string) string {
		column, err := strconv.Atoi(syntaxColumn.FindStringSubmatch(m)[1])
		require.NoError(r.t, err)
		before := text[:min(column, len(text))]
		return fmt.Sprintf("line 1 column %d near", column-strings.Count(before, r.data)*(len(r.data)-len(oracleData)))
	})
}

func (r *replayer) close() {
	for _, c := range r.conns {
		c.Close()
	}
}

var sessionPrefix = regexp.MustCompile(`^@(\w+)(?:\((\w+):(\w*)\))? `)

func (r *replayer) run(script string) string {
	for _, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			r.statement(line)
		}
	}
	return r.out.String()
}

func (r *replayer) statement(line string) {
	text, name, user, password := line, "", "root", ""
	if m := sessionPrefix.FindStringSubmatch(text); m != nil {
		name, text = m[1], text[len(m[0]):]
		if m[2] != "" {
			user, password = m[2], m[3]
		}
	}
	text, hide := strings.CutPrefix(text, "!rows ")
	text = strings.ReplaceAll(text, oracleData+"/", r.data+"/")
	fmt.Fprintf(&r.out, "> %s\n", line)
	c := r.conns[name]
	if c == nil {
		var err error
		c, err = client.Connect(r.addr, user, password, "")
		require.NoError(r.t, err, line)
		r.conns[name] = c
	}
	res, err := c.Execute(text)
	var refused *mysql.MyError
	if errors.As(err, &refused) {
		fmt.Fprintf(&r.out, "error %d (%s): %s\n", refused.Code, refused.State, scrub(r.asked(text, refused.Message)))
		return
	}
	require.NoError(r.t, err, line)
	r.result(res, hide)
	if res.Warnings == 0 {
		return
	}
	w, err := c.Execute("SHOW WARNINGS")
	require.NoError(r.t, err)
	for i := range w.RowNumber() {
		level, _ := w.GetString(i, 0)
		code, _ := w.GetString(i, 1)
		message, _ := w.GetString(i, 2)
		fmt.Fprintf(&r.out, "%s %s: %s\n", strings.ToLower(level), code, scrub(message))
	}
}

func (r *replayer) result(res *mysql.Result, hide bool) {
	if !res.HasResultset() {
		fmt.Fprintf(&r.out, "ok affected=%d warnings=%d\n", res.AffectedRows, res.Warnings)
		return
	}
	var cols []string
	for _, f := range res.Fields {
		typ := typeNames[f.Type]
		if f.Flag&mysql.UNSIGNED_FLAG != 0 {
			typ += " UNSIGNED"
		}
		cols = append(cols, fmt.Sprintf("%s %s(%d)", f.Name, typ, f.ColumnLength))
	}
	fmt.Fprintf(&r.out, "columns: %s\n", strings.Join(cols, ", "))
	if hide {
		return
	}
	for i := range res.RowNumber() {
		var vals []string
		for j := range res.Fields {
			v, err := res.GetString(i, j)
			require.NoError(r.t, err)
			if null, _ := res.IsNull(i, j); null {
				v = "NULL"
			}
			vals = append(vals, scrub(strings.ReplaceAll(v, "\n", `\n`)))
		}
		fmt.Fprintf(&r.out, "row: %s\n", strings.Join(vals, " | "))
	}
	if res.RowNumber() == 0 {
		r.out.WriteString("no rows\n")
	}
}

var volatile = []replacement{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?`), "<time>"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uuid>"},
	{regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}:\d+\b`), "<addr>"},
}

func scrub(s string) string {
	for _, v := range volatile {
		s = v.re.ReplaceAllString(s, v.to)
	}
	return s
}

// typeNames are the column types in words.
var typeNames = map[uint8]string{
	mysql.MYSQL_TYPE_TINY: "TINYINT", mysql.MYSQL_TYPE_SHORT: "SMALLINT", mysql.MYSQL_TYPE_LONG: "INT",
	mysql.MYSQL_TYPE_LONGLONG: "BIGINT", mysql.MYSQL_TYPE_TIMESTAMP: "TIMESTAMP", mysql.MYSQL_TYPE_DATETIME: "DATETIME",
	mysql.MYSQL_TYPE_NEWDECIMAL: "DECIMAL", mysql.MYSQL_TYPE_LONG_BLOB: "LONGBLOB", mysql.MYSQL_TYPE_BLOB: "BLOB",
	mysql.MYSQL_TYPE_VAR_STRING: "VARCHAR", mysql.MYSQL_TYPE_STRING: "CHAR",
}
