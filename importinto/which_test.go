package importinto_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/sqltext"
)

func asSQL(m *importinto.Meta) { m.Format = "sql" }

// TestI6CommentsForVersions: what the server would skip is skipped, wherever in a
// statement it stands.
func TestI6CommentsForVersions(t *testing.T) {
	var statements []string
	n := 0
	id := func() int { n++; return n }
	for _, opening := range []string{
		"/*", "/*!", "/*M!", "/*+", "/*T!", "/*!4010", "/*M!4010", "/*!40101", "/*!50699", "/*!50700", "/*!50701", "/*!50799", "/*!50999", "/*!51000", "/*!80000", "/*!80034", "/*!90100", "/*!99999",
		"/*!100000", "/*!100100", "/*!101100", "/*!101113", "/*!101199", "/*!110801", "/*!120000", "/*!999999", "/*M!50700", "/*M!80000", "/*M!100000", "/*M!101100",
		"/*M!101200", "/*M!999999", "/*!050700", "/*!0507001", "/*m!50000", "/*!80000M", "/* !50000",
	} {
		statements = append(statements,
			fmt.Sprintf("INSERT INTO t (id) VALUES (%d) %s , (%d) */", id(), opening, id()),
			fmt.Sprintf("INSERT INTO t (id %s , a */) VALUES (%d %[1]s , 5*/)", opening, id()),
			fmt.Sprintf("INSERT INTO t (id, a) VALUES (%d, %s 1 + */ 0)", id(), opening),
			fmt.Sprintf("INSERT INTO t (id, a) VALUES (%d, 7 %s /* in */ */)", id(), opening),
			fmt.Sprintf("INSERT INTO t (id) VALUES %s (%d), */ (%d)", opening, id(), id()),
			fmt.Sprintf("%s INSERT INTO t (id) VALUES (%d) */", opening, id()),
			fmt.Sprintf("INSERT %s INTO t (id) VALUES (%d) -- */\n /*x*/ %[1]s */ INTO t (id) VALUES (%d)", opening, id(), id()),
			fmt.Sprintf("INSERT INTO t (id, a) VALUES # one\n(%d, -- %s\n 8\n # three\n)", id(), opening),
		)
	}
	schema, db := mariadbdtest.Schema(t, srv)
	const create = "CREATE TABLE t (id INT PRIMARY KEY, a INT)"
	_, err := db.Exec("USE `" + schema + "`")
	require.NoError(t, err)
	_, err = db.Exec(create)
	require.NoError(t, err)
	var dump strings.Builder
	taken := 0
	for _, s := range statements {
		_, err := db.Exec(s)
		var e *mysql.MySQLError
		switch {
		case err == nil:
			taken++
		case errors.As(err, &e) && e.Number == 1065: // empty
		default:
			continue
		}
		var a sql.NullInt64
		if strings.Contains(s, "1 + */") && db.QueryRow("SELECT a FROM t ORDER BY id DESC LIMIT 1").Scan(&a) == nil && a.Int64 == 1 {
			_, err := db.Exec("DELETE FROM t WHERE a = 1")
			require.NoError(t, err)
			continue // an expression is no literal
		}
		dump.WriteString(s + ";\n")
	}
	require.Greater(t, taken, 100)
	j := startImport(t, map[string]string{"1.sql": dump.String()}, asSQL, create)
	j.finish()
	const all = "SELECT id, a FROM %s ORDER BY id"
	require.Equal(t, j.rows(fmt.Sprintf(all, "`"+schema+"`.t")), j.rows(fmt.Sprintf(all, "t")))
}

// TestI7ParquetByName: columns go to those of their names, or, where the names are
// other ones, by position; a file of which a part is known is refused.
func TestI7ParquetByName(t *testing.T) {
	ab := parquetOf(t, parquet.Group{"A": parquet.Int(32), "b": parquet.Int(32)}, []any{int32(1), int32(2)})
	other := parquetOf(t, parquet.Group{"_c0": parquet.Int(32), "_c1": parquet.Int(32)}, []any{int32(1), int32(2)})
	half := parquetOf(t, parquet.Group{"a": parquet.Int(32), "c": parquet.Int(32)}, []any{int32(1), int32(2)})
	for _, c := range []struct {
		name, file, create, want string
		fields                   []sqltext.ImportField
		code                     uint16
	}{
		{name: "in another order", file: ab, create: "CREATE TABLE t (b INT, a INT)", want: "2|1\n"},
		{name: "defaults", file: ab, create: "CREATE TABLE t (n INT DEFAULT 7, b INT, x INT AS (b + 1) VIRTUAL, a INT)", want: "7|2|3|1\n"},
		{name: "no default", file: ab, create: "CREATE TABLE t (n INT NOT NULL, b INT, a INT)", code: 1364},
		{name: "generated", file: ab, create: "CREATE TABLE t (a INT, b INT AS (a * 10) VIRTUAL)", want: "1|10\n"},
		{name: "position", file: other, create: "CREATE TABLE t (b INT, a INT)", want: "1|2\n"},
		{name: "listed", file: ab, create: "CREATE TABLE t (b INT, a INT)", fields: []sqltext.ImportField{{Column: "b"}, {Column: "a"}}, want: "1|2\n"},
		{name: "in part", file: half, create: "CREATE TABLE t (b INT, a INT)", code: 1054},
		{name: "too many", file: ab, create: "CREATE TABLE t (a INT)", code: 1054},
		{name: "too many, listed", file: ab, create: "CREATE TABLE t (a INT)", fields: []sqltext.ImportField{{Column: "a"}, {Var: "skipped"}}, want: "1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := startImport(t, map[string]string{"1.parquet": c.file}, func(m *importinto.Meta) { m.Format, m.Fields = "parquet", c.fields }, c.create)
			if c.code != 0 {
				e := j.fail(importinto.StepImport)
				require.Equal(t, c.code, e.Code, e.Message)
				return
			}
			j.finish()
			require.Equal(t, c.want, j.rows("SELECT * FROM t"))
		})
	}
}

// TestI1HiddenColumns: fields and values go to the columns that the server gives them to,
// where some are invisible and some are made of others.
func TestI1HiddenColumns(t *testing.T) {
	const columns = " (id INT PRIMARY KEY, i INT INVISIBLE DEFAULT 9, a INT, g INT AS (a * 2) STORED, " +
		"v VARCHAR(20) AS (CONCAT(a, 'x')) VIRTUAL, b VARCHAR(20), KEY (g), KEY (v))"
	const all = "SELECT id, i, a, g, v, b FROM %s ORDER BY id"
	own := lenient(t) // notes of values that the columns do not take
	schema, _ := mariadbdtest.Schema(t, srv)
	run := func(q string) {
		_, err := own.ExecContext(t.Context(), q)
		require.NoError(t, err, q)
	}
	run("USE `" + schema + "`")
	dump := []string{
		"INSERT INTO t (id, i, a, b) VALUES (2, 3, 4, 'y'), (3, NULL, NULL, NULL)", "INSERT INTO t (b, id) VALUES ('z', 4)",
	}
	for _, c := range []struct{ name, file, want string }{
		{name: "1.csv", file: "1,5,77,\"88\",x\n2,\\N,\\N,\\N,\\N\n"},
		{name: "1.sql", file: strings.Join(dump, ";\n") + ";\n"},
		{
			name: "1.parquet", want: "1|3|5|10|5x|x\n2|NULL|6|12|6x|NULL\n",
			file: parquetOf(t, parquet.Group{"a": parquet.Int(32), "b": parquet.String(), "g": parquet.Int(32), "i": parquet.Int(32), "id": parquet.Int(32)},
				[]any{int32(5), "x", int32(77), int32(3), int32(1)}, []any{int32(6), nil, nil, nil, int32(2)}),
		},
	} {
		if c.want == "" {
			run("CREATE TABLE t" + columns)
			if c.name == "1.csv" {
				mysql.RegisterReaderHandler("hidden", func() io.Reader { return strings.NewReader(c.file) })
				run("LOAD DATA LOCAL INFILE 'Reader::hidden' INTO TABLE t FIELDS TERMINATED BY ',' ENCLOSED BY '\"'")
				mysql.DeregisterReaderHandler("hidden")
			} else {
				for _, q := range dump {
					run(q)
				}
			}
			run("COMMIT")
			run("RENAME TABLE t TO `" + c.name + "`")
		}
		bothWays(t, func(t *testing.T) {
			j := startImport(t, map[string]string{c.name: c.file}, func(m *importinto.Meta) {
				m.Format, m.SQLMode = strings.Split(c.name, ".")[1], ""
			}, "CREATE TABLE t"+columns)
			j.finish()
			want := c.want
			if want == "" {
				want = j.rows(fmt.Sprintf(all, "`"+schema+"`.`"+c.name+"`"))
			}
			require.Equal(t, want, j.rows(fmt.Sprintf(all, "t")), c.name)
		})
	}
}

// TestI7RowsOfTwoTables: a dump of a whole schema is none of a table.
func TestI7RowsOfTwoTables(t *testing.T) {
	const create = "CREATE TABLE t (a INT)"
	j := startImport(t, map[string]string{"1.sql": "INSERT INTO shop.T VALUES (1);\nINSERT INTO `t` VALUES (2);\n", "2.sql": "INSERT INTO part2 VALUES (3);\n"}, asSQL, create)
	j.finish()
	require.Equal(t, "1\n2\n3\n", j.rows("SELECT * FROM t ORDER BY a"))
	j = startImport(t, map[string]string{"1.sql": "INSERT INTO t VALUES (1);\nINSERT INTO u VALUES (2);\n"}, asSQL, create)
	e := j.fail(importinto.StepImport)
	require.Contains(t, e.Message, `INSERT statements name two tables, and all rows of a file go into one: "t" and "u"`)
	require.Contains(t, e.Message, "1.sql: line 2")
}

// TestI13RowsOfDefaults: as the server makes them.
func TestI13RowsOfDefaults(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.sql": "INSERT INTO t VALUES (), ();\nINSERT INTO t () VALUES ( );\nINSERT INTO t (a) VALUES (1);\n"}, asSQL,
			"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT DEFAULT 7, b VARCHAR(5))")
		j.finish()
		require.Equal(t, "1|NULL\n7|NULL\n7|NULL\n7|NULL\n", j.rows("SELECT a, b FROM t ORDER BY a"))
		require.Equal(t, "1-4", j.Query("SELECT CONCAT(MIN(id), '-', MAX(id)) FROM t"))
		j = startImport(t, map[string]string{"1.sql": "INSERT INTO t VALUES ();\n"}, asSQL, "CREATE TABLE t (a INT NOT NULL)")
		require.EqualValues(t, 1364, j.fail(importinto.StepImport).Code)
		j = startImport(t, map[string]string{"1.sql": "INSERT INTO t (a) VALUES ();\n"}, asSQL, "CREATE TABLE t (a INT, b INT)")
		require.EqualValues(t, 1136, j.fail(importinto.StepImport).Code)
	})
}
