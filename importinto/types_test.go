package importinto_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
)

// typeTables is a table with a column of each type that the server knows, and what it
// stores in it.
type typeTables struct {
	*importJob
	types   []string
	columns string
	shown   string
}

// shownAs is an expression that shows all of a value.
func shownAs(typ, column string) string {
	switch word, _, _ := strings.Cut(typ, " "); {
	case word == "FLOAT" || word == "DOUBLE":
		return column + " + 0e0"
	case strings.HasPrefix(typ, "ENUM") || strings.HasPrefix(typ, "SET"):
		return fmt.Sprintf("CONCAT(%s + 0, ':', HEX(%[1]s))", column)
	case typ == "JSON":
		return "CAST(" + column + " AS CHAR)"
	}
	return "CONCAT(HEX(" + column + "), ':')"
}

// differences compares two tables value by value.
func (j *typeTables) differences(want, got string, what func(row, column int) string) {
	j.Helper()
	read := func(name string) (rows [][]sql.NullString) {
		r, err := j.DB.QueryContext(j.Context(), "SELECT "+j.shown+" FROM "+name+" ORDER BY id")
		require.NoError(j, err)
		defer r.Close()
		for r.Next() {
			row := make([]sql.NullString, len(j.types))
			to := make([]any, len(row))
			for i := range row {
				to[i] = &row[i]
			}
			require.NoError(j, r.Scan(to...))
			rows = append(rows, row)
		}
		require.NoError(j, r.Err())
		return rows
	}
	a, b := read(want), read(got)
	require.Len(j, b, len(a))
	for i := range a {
		for c := range a[i] {
			if a[i][c] != b[i][c] {
				j.Errorf("%s of %s: %v, want %v", what(i, c), j.types[c], b[i][c], a[i][c])
			}
		}
	}
}

// knownTypes are the types that the server has.
func knownTypes(t *testing.T) (types []string, values [][]string) {
	schema, db := mariadbdtest.Schema(t, srv)
	for _, c := range columnTypes {
		known := fmt.Sprintf("`%s`.known%d", schema, len(types))
		if _, err := db.Exec("CREATE TABLE " + known + " (v " + c.name + ")"); err != nil {
			t.Logf("no %s: %v", c.name, err)
			continue
		}
		taken := len(c.values) == 0
		for _, v := range c.values {
			_, err := db.Exec("INSERT INTO " + known + " VALUES (" + v + ")")
			taken = taken || err == nil
		}
		require.True(t, taken, "%s has no value that is one", c.name)
		types = append(types, c.name)
		values = append(values, append(append([]string{}, c.values...), everyValue...))
	}
	return types, values
}

// together are the columns that are in a table with each other: how text comes to a
// column depends on those beside it.
func together(types []string) map[string][]int {
	all, one, plain := []int{}, []int{}, []int{}
	for i, typ := range types {
		all = append(all, i)
		if !strings.Contains(typ, "CHARACTER SET") {
			one = append(one, i)
			if !strings.HasPrefix(typ, "INET") && typ != "UUID" && typ != "JSON" && typ != "XMLTYPE" {
				plain = append(plain, i)
			}
		}
	}
	return map[string][]int{"all": all, "one character set": one, "plain": plain}
}

// definition is a table of those types, or of some of them.
func definition(name string, types []string, which ...int) string {
	if which == nil {
		which = together(types)["all"]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (id INT NOT NULL PRIMARY KEY", name)
	for _, i := range which {
		fmt.Fprintf(&b, ", c%d %s", i, types[i])
	}
	return b.String() + ") CHARACTER SET utf8mb4"
}

// lenient is a session that makes values fit, so that there is something to compare
// for those that a strict one refuses.
func lenient(t *testing.T) *sql.Conn {
	t.Helper()
	_, db := mariadbdtest.Schema(t, srv)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	for _, q := range []string{"SET SESSION sql_mode = ''", "SET SESSION time_zone = '+02:00'", "SET SESSION autocommit = 0"} {
		_, err := conn.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	return conn
}

// typesJob imports the cells, with LOAD DATA and with INSERT, and compares them with
// what the server's own way has made of them. take is that way; it is tried with every cell alone, first.
func typesJob(t *testing.T, types []string, cells [][]string, file, null string, write func(rows [][]string, which []int) string,
	change func(*importinto.Meta), take func(conn *sql.Conn, table string, columns []string, row []string) error,
) {
	t.Helper()
	schema, _ := mariadbdtest.Schema(t, srv)
	own := lenient(t)
	run := func(format string, args ...any) {
		_, err := own.ExecContext(t.Context(), fmt.Sprintf(format, args...))
		require.NoError(t, err)
	}
	run("USE `%s`", schema)
	rows := [][]string{}
	for c, values := range cells {
		run("CREATE TABLE probe%d (id INT, v %s)", c, types[c])
		row := 0
		for _, v := range values {
			if outOfScope(types[c], v) {
				continue
			}
			if err := take(own, fmt.Sprintf("probe%d", c), []string{"id", "v"}, []string{"1", v}); err != nil {
				continue // the server has nothing to compare with
			}
			if row == len(rows) {
				rows = append(rows, slices.Repeat([]string{null}, len(types)))
			}
			rows[row][c] = v
			row++
		}
	}
	require.Greater(t, len(rows), 10)
	run("%s", definition("want", types))
	columns := []string{"id"}
	for i := range types {
		columns = append(columns, fmt.Sprintf("c%d", i))
	}
	for i, row := range rows {
		require.NoError(t, take(own, "want", columns, append([]string{fmt.Sprint(i)}, row...)), "%q", row)
	}
	run("COMMIT")
	bothWays(t, func(t *testing.T) {
		for name, which := range together(types) {
			if strings.HasSuffix(t.Name(), "local_infile=0") && name != "all" {
				continue // each value is written alone
			}
			t.Run(name, func(t *testing.T) {
				j := startImport(t, map[string]string{file: write(rows, which)}, func(m *importinto.Meta) {
					m.SQLMode = ""
					change(m)
				}, definition("t", types, which...))
				j.finish()
				tt := &typeTables{importJob: j}
				var shown []string
				for _, i := range which {
					tt.types = append(tt.types, types[i])
					shown = append(shown, shownAs(types[i], columns[i+1]))
				}
				tt.shown = strings.Join(shown, ", ")
				tt.differences("`"+schema+"`.want", "t", func(row, column int) string { return rows[row][which[column]] })
			})
		}
	})
	t.Logf("%d types, %d rows", len(types), len(rows))
}

var bytesPattern = regexp.MustCompile("^(0x|x'|b'|_binary)")

// outOfScope are values that a server makes something of which no column's reader would
// guess, and which a strict session refuses in either way.
func outOfScope(typ, value string) bool {
	word, _, _ := strings.Cut(typ, "(")
	number := value[0] == '-' || value[0] == '+' || value[0] == '.' || '0' <= value[0] && value[0] <= '9' && !strings.HasPrefix(value, "0x")
	switch {
	case number && (word == "INET4" || word == "INET6" || word == "UUID"): // ::, beside NULL for a text that is none
		return true
	case number && (word == "TIME" || word == "DATETIME") && (value == "20260102" || value[0] == '.'): // a date as a time
		return true
	case value == "-2.5" && word == "BIT":
		return true
	case word == "VECTOR" && !bytesPattern.MatchString(value): // bytes, or nothing
		return value != "NULL" && value != `\N`
	case number && word == "SET" && !slices.Contains([]string{"0", "1", "2", "3", "1.50", "2.5"}, value): // more bits than it has
		return true
	case strings.HasPrefix(value, "0x010203") && regexp.MustCompile("INT|DECIMAL|FLOAT|DOUBLE|BOOL|YEAR").MatchString(word): // too long for a number
		return true
	}
	return false
}

func some(row []string, which []int) (values []string) {
	for _, i := range which {
		values = append(values, row[i])
	}
	return values
}

func insert(conn *sql.Conn, table string, columns, row []string) error {
	_, err := conn.ExecContext(context.Background(), "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(row, ", ")+")")
	return err
}

// TestI1EveryTypeFromSQL: what a dump's literals mean in columns of every type is what
// the server takes them for.
func TestI1EveryTypeFromSQL(t *testing.T) {
	types, cells := knownTypes(t)
	typesJob(t, types, cells, "1.sql", "NULL", func(rows [][]string, which []int) string {
		var b strings.Builder
		for i, row := range rows {
			fmt.Fprintf(&b, "INSERT INTO t VALUES (%d, %s);\n", i, strings.Join(some(row, which), ", "))
		}
		return b.String()
	}, func(m *importinto.Meta) { m.Format = "sql" }, insert)
}

var loads atomic.Int64

// loadRow is LOAD DATA for one row.
func loadRow(conn *sql.Conn, table string, columns, row []string) error {
	name := fmt.Sprintf("types%d", loads.Add(1))
	mysql.RegisterReaderHandler(name, func() io.Reader { return strings.NewReader(strings.Join(row, ",") + "\n") })
	defer mysql.DeregisterReaderHandler(name)
	res, err := conn.ExecContext(context.Background(), "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE "+table+
		` CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' ENCLOSED BY '"' ESCAPED BY '\\' (`+strings.Join(columns, ", ")+")")
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n != 1 {
		return fmt.Errorf("%d rows", n)
	}
	return nil
}

// TestI1EveryTypeFromCSV: what LOAD DATA makes of a file.
func TestI1EveryTypeFromCSV(t *testing.T) {
	types, cells := knownTypes(t)
	escape := strings.NewReplacer("\\", "\\\\", `"`, `\"`, "\n", "\\n", "\r", "\\r", "\t", "\\t", "\x00", "\\0")
	_, db := mariadbdtest.Schema(t, srv)
	for c, values := range cells {
		var texts []string
		for _, v := range values {
			var text sql.RawBytes
			rows, err := db.Query("SELECT " + v)
			require.NoError(t, err)
			require.True(t, rows.Next())
			require.NoError(t, rows.Scan(&text))
			if text == nil {
				texts = append(texts, `\N`)
			} else if utf8.Valid(text) {
				texts = append(texts, `"`+escape.Replace(string(text))+`"`)
			}
			require.NoError(t, rows.Close())
		}
		cells[c] = texts
	}
	typesJob(t, types, cells, "1.csv", `\N`, func(rows [][]string, which []int) string {
		var b strings.Builder
		for i, row := range rows {
			fmt.Fprintf(&b, "%d,%s\n", i, strings.Join(some(row, which), ","))
		}
		return b.String()
	}, func(*importinto.Meta) {}, loadRow)
}

// TestI1EveryTypeFromParquet: text is what the server takes a string for, bytes a binary
// string, numbers are numbers.
func TestI1EveryTypeFromParquet(t *testing.T) {
	types, cells := knownTypes(t)
	for _, kind := range []struct {
		name string
		node parquet.Node
		as   func(conn *sql.Conn, literal string) (any, string, bool) // the value, and how it is written for the server
	}{
		{"text", parquet.String(), func(conn *sql.Conn, literal string) (any, string, bool) {
			var s sql.NullString
			err := conn.QueryRowContext(t.Context(), "SELECT "+literal).Scan(&s)
			return s.String, "_utf8mb4 x'" + hex.EncodeToString([]byte(s.String)) + "'", err == nil && s.Valid && literal[0] == '\''
		}},
		{"numbers", parquet.Int(64), func(conn *sql.Conn, literal string) (any, string, bool) {
			var n int64
			err := conn.QueryRowContext(t.Context(), "SELECT "+literal).Scan(&n)
			return n, fmt.Sprint(n), err == nil && !strings.ContainsAny(literal, "'x.eE")
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			_, db := mariadbdtest.Schema(t, srv)
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			values := map[string]any{}
			taken := make([][]string, len(types))
			for c := range types {
				for _, literal := range cells[c] {
					if v, text, ok := kind.as(conn, literal); ok {
						values[text] = v
						taken[c] = append(taken[c], text)
					}
				}
			}
			typesJob(t, types, taken, "1.parquet", "NULL", func(rows [][]string, which []int) string {
				var b bytes.Buffer
				group := parquet.Group{"id": parquet.Int(32)}
				for _, i := range which {
					group[fmt.Sprintf("C%d", i)] = parquet.Optional(kind.node)
				}
				schema := parquet.NewSchema("t", group)
				w := parquet.NewWriter(&b, schema)
				for i, row := range rows {
					out := parquet.Row{}
					for at, path := range schema.Columns() {
						var c int
						v := parquet.ValueOf(int32(i)).Level(0, 0, at)
						if _, err := fmt.Sscanf(path[0], "C%d", &c); err == nil {
							v = parquet.NullValue().Level(0, 0, at)
							if value, ok := values[row[c]]; ok {
								v = parquet.ValueOf(value).Level(0, 1, at)
							}
						}
						out = append(out, v)
					}
					_, err := w.WriteRows([]parquet.Row{out})
					require.NoError(t, err)
				}
				require.NoError(t, w.Close())
				return b.String()
			}, func(m *importinto.Meta) { m.Format = "parquet" }, insert)
		})
	}
}
