package importinto_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/sqltext"
)

// bothWays runs a test with LOAD DATA LOCAL and with the INSERT statements that take
// its place where the server does not allow it.
func bothWays(t *testing.T, test func(t *testing.T)) {
	for _, on := range []int{1, 0} {
		t.Run(fmt.Sprintf("local_infile=%d", on), func(t *testing.T) {
			_, db := mariadbdtest.Schema(t, srv)
			_, err := db.Exec(fmt.Sprintf("SET GLOBAL local_infile = %d", on))
			require.NoError(t, err)
			t.Cleanup(func() {
				_, err := db.Exec("SET GLOBAL local_infile = 1")
				require.NoError(t, err)
			})
			test(t)
		})
	}
}

func (j *importJob) rows(query string) string {
	j.Helper()
	rows, err := j.DB.QueryContext(j.Context(), query)
	require.NoError(j, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(j, err)
	var b strings.Builder
	for rows.Next() {
		values := make([]*string, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		require.NoError(j, rows.Scan(to...))
		for i, v := range values {
			if i > 0 {
				b.WriteString("|")
			}
			if v == nil {
				b.WriteString("NULL")
			} else {
				b.WriteString(*v)
			}
		}
		b.WriteString("\n")
	}
	require.NoError(j, rows.Err())
	return b.String()
}

func TestImportFields(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.csv": "1,one,2,3,2020-01-02 03:04:05,\\N,ignored\n2,\"two\"\n3\n4,f\\N,\\N,\"\\N\"\n"}, nil,
			`CREATE TABLE t (id INT PRIMARY KEY, b VARCHAR(20) DEFAULT 'it''s', g INT AS (id * 2) VIRTUAL, d INT DEFAULT 7,
				ts TIMESTAMP NOT NULL DEFAULT '2001-01-01 00:00:00', n INT, KEY (d))`)
		j.finish()
		require.Equal(t, "1|one|2|3|NULL\n2|two|4|7|NULL\n3|it's|6|7|NULL\n4|f\\N|8|NULL|NULL\n",
			strings.ReplaceAll(j.rows("SELECT id, b, g, d, n FROM t ORDER BY id"), "fN", `f\N`))
		require.Equal(t, "1577927045", j.Query("SELECT UNIX_TIMESTAMP(ts) FROM t WHERE id = 1"))
		require.Equal(t, "3", j.Query("SELECT COUNT(*) FROM t WHERE id > 1 AND ts > NOW() - INTERVAL 1 HOUR"))
	})
}

func TestImportListAndSet(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.csv": "10,x,5,z\n20,it's @`v`,\\N\n"}, func(m *importinto.Meta) {
			m.Fields = []sqltext.ImportField{{Var: "v"}, {Column: "b"}, {Var: "odd `na'me"}, {}}
			m.Set = []sqltext.ImportSet{{Column: "a", Expr: "@`v` + 100"}, {Column: "c", Expr: "CONCAT('@`v`''', @`v`, \"-\", COALESCE(@`odd ``na'me`, 'none'))"}}
		}, "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20), c VARCHAR(40), d DATETIME DEFAULT '2000-01-01', KEY (a))")
		j.finish()
		require.Equal(t, "110|x|@`v`'10-5|2000-01-01 00:00:00\n120|it's @`v`|@`v`'20-none|2000-01-01 00:00:00\n", j.rows("SELECT a, b, c, d FROM t ORDER BY a"))
	})
}

// TestImportAllTypes: binary values arrive byte by byte.
func TestImportAllTypes(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.sql": "/*!40101 SET NAMES binary*/;\n" +
			"INSERT INTO `other` VALUES(1,x'00ff0a09',0x5c41,b'101',5,-3.5,'2020-01-02','\\0\\n\\t\\\\\\'','caf\xc3\xa9','caf\xe9','x,z',0x00000000010100000000000000000000000000000000000000,'{\"a\": 1}',1e3,NULL),\n" +
			"(2,'','',b'0',0,0,'1990-12-31','','','','',NULL,'null',0.5,'');\n"}, func(m *importinto.Meta) { m.Format = "sql" },
			`CREATE TABLE t (id INT PRIMARY KEY, bl BLOB, vb VARBINARY(10), bi BIT(8), bn BIT(4), de DECIMAL(10,3), da DATE, tx TEXT, u VARCHAR(10) CHARACTER SET utf8mb4,
				l VARCHAR(10) CHARACTER SET latin1, s SET('x','y','z'), g POINT, js JSON, d DOUBLE, n BINARY(2), FULLTEXT KEY (tx)) CHARSET utf8mb4`)
		j.finish()
		require.Equal(t, "1|00FF0A09|5C41|5|5|-3.500|2020-01-02|000A095C27|636166C3A9|636166E9|5|POINT(0 0)|{\"a\": 1}|1000|NULL\n"+
			"2|||0|0|0.000|1990-12-31||||0|NULL|null|0.5|0000\n",
			j.rows("SELECT id, HEX(bl), HEX(vb), bi + 0, bn + 0, de, da, HEX(tx), HEX(u), HEX(l), s + 0, ST_AsText(g), js, d, HEX(n) FROM t ORDER BY id"))
	})
}

// TestImportBadRows: the error is the server's for INSERT, and says where.
func TestImportBadRows(t *testing.T) {
	good := strings.Repeat("\n", 3) + "1,1,x\n2,2,y\n"
	for _, c := range []struct {
		row, message string
		code         uint16
	}{
		{"3,abc,z", "line 6", 1366},
		{"3,99999999999,z", "line 6", 1264},
		{"3,1," + strings.Repeat("long", 6), `, value "longlonglonglonglonglong" (file`, 1406},
		{"1,5,z", "Duplicate entry '1' for key 't.PRIMARY' (file", 1062},
		{"3,5,a\xffb", `Incorrect string value '\xFFb' for column 'b' (file`, 1366},
		{"\\N,5,z", "Column 'id' cannot be null (file", 1048},
		{"3,5", "Field 'b' doesn't have a default value (file", 1364},
		{"3,1,\"open", "unterminated quoted field", 1105},
	} {
		t.Run(c.row, func(t *testing.T) {
			bothWays(t, func(t *testing.T) {
				j := startImport(t, map[string]string{"1.csv": good + c.row + "\n4,4,z\n"}, nil,
					"CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(20) NOT NULL, KEY (a))")
				e := j.fail(importinto.StepImport)
				require.Equal(t, c.code, e.Code, e.Message)
				require.Contains(t, e.Message, c.message)
				require.Contains(t, e.Message, "1.csv")
				require.NotContains(t, e.Message, "dxf")
				require.Equal(t, "0", j.Query("SELECT COUNT(*) FROM t"))
			})
		})
	}
}

// TestImportLenient: without a strict mode bad values are made to fit, and duplicates
// are errors all the same.
func TestImportLenient(t *testing.T) {
	lenient := func(m *importinto.Meta) { m.SQLMode = "" }
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.csv": "1,abc,1990-01-00\n2,300,\n"}, lenient, "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a TINYINT, d DATE)")
		j.finish()
		require.Equal(t, "1|0|1990-01-00\n2|127|0000-00-00\n", j.rows("SELECT * FROM t ORDER BY id"))
		j = startImport(t, map[string]string{"1.csv": strings.Repeat("1,abc,1990-01-00\n", 3000)}, lenient, "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a TINYINT, d DATE)")
		e := j.fail(importinto.StepImport)
		require.EqualValues(t, 1062, e.Code)
		require.Contains(t, e.Message, "line 2)")
	})
}

// TestImportDuplicateInUniqueIndex is seen by the build.
func TestImportDuplicateInUniqueIndex(t *testing.T) {
	j := startImport(t, map[string]string{"1.csv": "1,1,x\n2,2,x\n"}, nil, importBase)
	e := j.fail(importinto.StepBuild)
	require.Equal(t, dxf.Error{Code: 1062, State: "23000", Class: "kv", Message: "Duplicate entry 'x' for key 't.ub'"}, *e)
}

// TestImportZero: a dump's 0 in an AUTO_INCREMENT column is a row's number, and stays
// it until the rows are in the table. In CSV files the client's sql_mode says what
// it is.
func TestImportZero(t *testing.T) {
	const zeroTable = "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT, a INT, PRIMARY KEY (id), KEY ka (a))"
	direct := zeroTable + "|CREATE TABLE child (t INT, FOREIGN KEY (t) REFERENCES t (id))"
	sql := func(mode string) func(m *importinto.Meta) {
		return func(m *importinto.Meta) { m.Format, m.SQLMode = "sql", mode }
	}
	csv := func(mode string) func(m *importinto.Meta) { return func(m *importinto.Meta) { m.SQLMode = mode } }
	bothWays(t, func(t *testing.T) {
		dump := mysqldump(t, zeroTable, "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; INSERT INTO t VALUES (0,5),(1,6),(7,8)")
		require.Contains(t, dump, "(0,5)")
		for _, mode := range []string{"", "STRICT_TRANS_TABLES", "ANSI,NO_AUTO_VALUE_ON_ZERO"} {
			for _, tables := range []string{zeroTable, direct} {
				j := startImport(t, map[string]string{"1.sql": dump}, sql(mode), strings.Split(tables, "|")...)
				j.finish()
				require.Equal(t, "0|5\n1|6\n7|8\n", j.rows("SELECT * FROM t ORDER BY id"), mode)
				j.SQL("INSERT INTO t (a) VALUES (9)")
				require.Equal(t, "9", j.Query("SELECT a FROM t WHERE id = 8"), "it counts on")
			}
		}
		// A row without a number gets one all the same.
		j := startImport(t, map[string]string{"1.sql": "INSERT INTO t (a) VALUES (5),(6);\nINSERT INTO t (a, id) VALUES (7, NULL), (8, 0);\n"}, sql(""), zeroTable)
		j.finish()
		require.Equal(t, "1|5\n1|6\n1|7\n0|8\n", j.rows("SELECT id > 0, a FROM t ORDER BY a"))
		for mode, want := range map[string]string{"": "1|5\n2|6\n", "NO_AUTO_VALUE_ON_ZERO": "0|5\n1|6\n"} {
			j := startImport(t, map[string]string{"1.csv": "0,5\n\\N,6\n"}, csv(mode), zeroTable)
			j.finish()
			require.Equal(t, want, j.rows("SELECT * FROM t ORDER BY id"), mode)
		}
	})
}

// mysqldump is what the program of that name writes of a table t.
func mysqldump(t *testing.T, create, fill string) string {
	t.Helper()
	program, err := exec.LookPath("mariadb-dump")
	require.NoError(t, err, "run make setup")
	schema, db := mariadbdtest.Schema(t, srv)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for q := range strings.SplitSeq(create+"; "+fill, "; ") {
		_, err := conn.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	host, port, err := net.SplitHostPort(srv.Addr())
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), program, "--no-defaults", "--protocol=tcp", "-h", host, "-P", port, "-u", "root", "--no-create-info", schema, "t").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// TestImportYear: 0 is no year, and '0' is the year 2000.
func TestImportYear(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.sql": "INSERT INTO t VALUES (1,0),(2,'0'),(3,0000),(4,'0000'),(5,70),(6,'5');\n"},
			func(m *importinto.Meta) { m.Format = "sql" }, "CREATE TABLE t (id INT PRIMARY KEY, y YEAR)")
		j.finish()
		require.Equal(t, "1|0000\n2|2000\n3|0000\n4|0000\n5|1970\n6|2005\n", j.rows("SELECT id, CAST(y AS CHAR) FROM t ORDER BY id"))
	})
}

// TestImportColumnCount: what a SQL file gives every column a value for, and one
// value less, is not guessed at.
func TestImportColumnCount(t *testing.T) {
	for _, text := range []string{"INSERT INTO t (id, a) VALUES (1,1),(2,2);\nINSERT INTO t VALUES (3,3);\n", "INSERT INTO t VALUES (1,1,1,1);\n", "INSERT INTO t (id, a) VALUES (3);\n"} {
		j := startImport(t, map[string]string{"1.sql": text}, func(m *importinto.Meta) { m.Format = "sql" }, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)")
		e := j.fail(importinto.StepImport)
		require.EqualValues(t, 1136, e.Code, e.Message)
		require.Contains(t, e.Message, "1.sql, line ")
		require.Equal(t, "0", j.Query("SELECT COUNT(*) FROM t"))
	}
}
