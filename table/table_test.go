package table_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/table"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }

// setup runs statements in a schema of its own and returns a session in it.
func setup(t *testing.T, statements ...string) (string, *server.Session) {
	t.Helper()
	schema, db := mariadbdtest.Schema(t, srv)
	s, err := server.OpenSession(t.Context(), db)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for _, q := range statements {
		exec(t, s, q)
	}
	return schema, s
}

func exec(t *testing.T, s *server.Session, query string) {
	t.Helper()
	_, err := s.ExecContext(t.Context(), query)
	require.NoError(t, err, query)
}

// absent says that a case is only about the servers of another family; "" is about all.
func absent(only string) bool { return only != "" && only != srv.Kind().String() }

func count(t *testing.T, q server.Querier, query string) (n int64) {
	t.Helper()
	require.NoError(t, q.QueryRowContext(t.Context(), query).Scan(&n), query)
	return n
}

func TestLoad(t *testing.T) {
	bigint, compressed := "bigint unsigned", ""
	if srv.Kind() == mariadbd.MariaDB {
		bigint, compressed = "bigint(20) unsigned", " COMPRESSED"
	}
	schema, s := setup(t,
		"CREATE TABLE p (id INT PRIMARY KEY)",
		`CREATE TABLE t (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, a INT DEFAULT 5 COMMENT 'x,y(\n)''q', `+"`b``q`"+` VARCHAR(20) CHARACTER SET latin1 NOT NULL,
			d INT GENERATED ALWAYS AS (a+1) VIRTUAL, e INT INVISIBLE, f INT AS (a*2) STORED, pid INT, g ENUM('a unsigned','b,)'), z TEXT`+compressed+`,
			PRIMARY KEY (id), UNIQUE KEY ub (`+"`b``q`"+`), UNIQUE KEY up (g), FOREIGN KEY fk (pid) REFERENCES p (id) ON DELETE CASCADE)`,
		"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
	)
	info, err := table.Load(t.Context(), s, schema, "t")
	require.NoError(t, err)
	require.Len(t, info.Columns, 9)
	id, _ := info.Column("ID")
	require.Equal(t, table.Column{Name: "id", Ordinal: 1, DataType: "bigint", Type: bigint, Unsigned: true, AutoIncrement: true}, id)
	b, _ := info.Column("b`q")
	require.Equal(t, "latin1", b.Charset)
	require.EqualValues(t, 20, b.Length)
	require.Equal(t, table.Virtual, info.Columns[3].Generated)
	require.True(t, info.Columns[4].Invisible)
	require.Equal(t, table.Stored, info.Columns[5].Generated)
	require.False(t, info.Columns[7].Unsigned)
	require.Equal(t, compressed != "", info.Columns[8].Compressed)
	require.Equal(t, "PRIMARY", info.CopyKey.Name)
	require.Equal(t, []string{"tr"}, info.Triggers)
	require.Equal(t, "CASCADE", info.Parents[0].OnDelete)

	parent, err := table.Load(t.Context(), s, schema, "p")
	require.NoError(t, err)
	require.Equal(t, "t", parent.Children[0].Table)

	exec(t, s, "CREATE TABLE `p-é` (id INT PRIMARY KEY)")
	exec(t, s, "CREATE TABLE c2 (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES `p-é` (id))")
	parent, err = table.Load(t.Context(), s, schema, "p-é")
	require.NoError(t, err)
	require.Len(t, parent.Children, 1)
	childless, err := table.Load(t.Context(), s, schema, "c2")
	require.NoError(t, err)
	require.Empty(t, childless.Children)

	_, err = table.Load(t.Context(), s, schema, "absent")
	require.ErrorIs(t, err, table.ErrNoTable)

	before := info.Fingerprint
	exec(t, s, "INSERT INTO t (id, `b``q`) VALUES (77, 'x')")
	if srv.Kind() == mariadbd.MariaDB { // on MySQL the mode counts, see showCreateAlike
		exec(t, s, "SET sql_mode = 'ANSI_QUOTES,NO_TABLE_OPTIONS'")
	}
	info, err = table.Load(t.Context(), s, schema, "t")
	require.NoError(t, err)
	require.EqualValues(t, 78, info.AutoIncrement, "as it is, not as it was when it was last asked for")
	require.Equal(t, before, info.Fingerprint, "neither rows nor the session's mode are part of the definition")
	exec(t, s, "ALTER TABLE t COMMENT 'x'")
	info, err = table.Load(t.Context(), s, schema, "t")
	require.NoError(t, err)
	require.NotEqual(t, before, info.Fingerprint)
}

// TestSplit cuts tables by every kind of key and demands that every row is in
// exactly one piece, for the server's own comparison.
func TestSplit(t *testing.T) {
	numbers := " FROM " + mariadbdtest.Numbers(300)
	only := map[string]string{"uuid": "MariaDB", "inet6": "MariaDB", "nopad": "MariaDB", "nopad, MySQL": "MySQL"}
	for name, c := range map[string]struct{ columns, insert string }{
		"int":          {"k INT PRIMARY KEY", "SELECT CAST(seq AS SIGNED) * 7 - 900" + numbers},
		"bigint u":     {"k BIGINT UNSIGNED PRIMARY KEY", "SELECT 18446744073709551615 - (seq - 1) * 3" + numbers},
		"decimal":      {"k DECIMAL(30,4) PRIMARY KEY", "SELECT (CAST(seq AS SIGNED) - 150) * 12345678901234567.0001" + numbers},
		"datetime":     {"k DATETIME(6) PRIMARY KEY", "SELECT '2020-01-01' + INTERVAL seq * 1000001 MICROSECOND" + numbers},
		"timestamp":    {"k TIMESTAMP(3) PRIMARY KEY", "SELECT FROM_UNIXTIME(1000000000 + seq / 7)" + numbers + " GROUP BY 1"},
		"time":         {"k TIME PRIMARY KEY", "SELECT SEC_TO_TIME(CAST(seq AS SIGNED) * 100 - 10000)" + numbers},
		"date":         {"k DATE PRIMARY KEY", "SELECT '1999-12-30' + INTERVAL seq DAY" + numbers + " UNION SELECT '0000-00-00'"},
		"year":         {"k YEAR PRIMARY KEY", "SELECT 1900 + seq" + numbers + " WHERE seq <= 255 UNION SELECT 0"},
		"binary":       {"k BINARY(5) PRIMARY KEY", "SELECT UNHEX(SHA2(seq, 256))" + numbers + " UNION SELECT x'00' UNION SELECT x'ab'"},
		"varbinary":    {"k VARBINARY(9) PRIMARY KEY", "SELECT LEFT(UNHEX(SHA2(seq, 256)), 1 + seq % 9)" + numbers + " GROUP BY 1 UNION SELECT ''"},
		"uuid":         {"k UUID PRIMARY KEY", "SELECT UUID()" + numbers},
		"inet6":        {"k INET6 PRIMARY KEY", "SELECT INET6_NTOA(UNHEX(MD5(seq)))" + numbers + " UNION SELECT '::1.2.3.4'"},
		"collated":     {"k VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY", `SELECT CONCAT(IF(seq % 2, 'é', 'Z'), '''\\', seq)` + numbers + ` UNION SELECT ''`},
		"latin1":       {"k CHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY", `SELECT CONCAT(IF(seq % 2, 'ü', 'U'), seq)` + numbers},
		"nopad":        {"k VARCHAR(20) COLLATE utf8mb4_nopad_bin PRIMARY KEY", `SELECT CONCAT(seq, REPEAT(' ', seq % 3))` + numbers},
		"nopad, MySQL": {"k VARCHAR(20) COLLATE utf8mb4_0900_bin PRIMARY KEY", `SELECT CONCAT(seq, REPEAT(' ', seq % 3))` + numbers},
		"composite":    {"a INT, k VARCHAR(9), d DATE, PRIMARY KEY (a, k, d)", "SELECT seq % 3, seq % 7, '2020-01-01' + INTERVAL seq DAY" + numbers},
		"bit":          {"k BIT(64) PRIMARY KEY", "SELECT seq * 30000000000000007" + numbers + " UNION SELECT 18446744073709551615 UNION SELECT 0"},
		"enum":         {"k ENUM('z','b','a','x'), a INT, PRIMARY KEY (k, a)", "SELECT 1 + seq % 4, seq" + numbers},
		"set":          {"k SET('z','b','a','x','1','2','3','4'), a INT, PRIMARY KEY (k, a)", "SELECT seq % 256, seq" + numbers},
		"long set":     {"a INT, k SET(" + setOf(53) + "), PRIMARY KEY (a, k)", "SELECT seq DIV 3, 9007199254740991 - seq % 3" + numbers},
		"float":        {"k FLOAT PRIMARY KEY", "SELECT (CAST(seq AS SIGNED) - 150) / 7e0" + numbers + " UNION SELECT 3.4028234e+38 UNION SELECT -1.4e-45"},
		"double":       {"k DOUBLE PRIMARY KEY", "SELECT (CAST(seq AS SIGNED) - 150) / 7e0" + numbers + " UNION SELECT 1.7976931348623157e308 UNION SELECT 5e-324 UNION SELECT -1e-300"},
		"double(20,2)": {"k DOUBLE(20,2) PRIMARY KEY", "SELECT 9999999999999 + seq / 100e0" + numbers},
		"unique":       {"x INT, k BIGINT NOT NULL, a INT NOT NULL, UNIQUE KEY (k, a)", "SELECT NULL, -CAST(seq AS SIGNED), seq % 2" + numbers},
	} {
		if absent(only[name]) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			schema, s := setup(t, "CREATE TABLE t ("+c.columns+")", "INSERT INTO t "+c.insert, "ANALYZE TABLE t")
			info, err := table.Load(t.Context(), s, schema, "t")
			require.NoError(t, err)
			total := count(t, s, "SELECT COUNT(*) FROM t")
			pieces, err := info.Pieces(t.Context(), s, 37, 1024)
			require.NoError(t, err)
			var sum int64
			for i, r := range pieces {
				text, err := json.Marshal(r)
				require.NoError(t, err)
				var back table.Range
				require.NoError(t, json.Unmarshal(text, &back))
				require.Equal(t, r, back)
				if i > 0 {
					require.Equal(t, pieces[i-1].Upper, back.Lower)
				}

				n := count(t, s, "SELECT COUNT(*) FROM t AS x WHERE "+back.Where("x"))
				if back.Upper != nil {
					require.EqualValues(t, 37, n, "%s", back)
				}
				sum += n
				requireRangeAccess(t, s, back)
			}
			require.Nil(t, pieces[0].Lower)
			require.Nil(t, pieces[len(pieces)-1].Upper)
			require.Equal(t, total, sum)
			require.EqualValues(t, total/37+1, len(pieces))
		})
	}
}

// requireRangeAccess: a predicate that the optimizer cannot turn into a range
// would read, and lock, the whole table for every piece.
func requireRangeAccess(t *testing.T, s *server.Session, r table.Range) {
	t.Helper()
	if r.Lower == nil || r.Upper == nil {
		return
	}
	exec(t, s, "FLUSH STATUS")
	rows, err := s.QueryContext(t.Context(), "SELECT * FROM t FORCE INDEX (`"+indexName(t, s)+"`) WHERE "+r.Where(""))
	require.NoError(t, err)
	for rows.Next() {
	}
	require.NoError(t, rows.Err())
	var name string
	var read int64
	require.NoError(t, s.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Handler_read_next'").Scan(&name, &read))
	require.LessOrEqual(t, read, int64(45), "%s", r)
}

func indexName(t *testing.T, s *server.Session) (name string) {
	t.Helper()
	require.NoError(t, s.QueryRowContext(t.Context(), "SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't' LIMIT 1").Scan(&name))
	return name
}

// setOf is a list of n members.
func setOf(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("'m%d'", i))
	}
	return strings.Join(list, ",")
}

func TestRangeRefusesForeignShapes(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"key":[]}`, `{"done":7}`, `{"key":["a"],"lower":[]}`, `{"key":["a"],"lower":[7]}`,
		`{"key":["a"],"lower":[{"kind":"number","value":"7"},{"kind":"number","value":"7"}]}`,
		`{"key":["a"],"lower":[{"kind":"number","value":"7 OR 1"}]}`,
		`{"key":["a"],"lower":[{"kind":"string","charset":"utf8mb4","value":"x"}]}`,
		`{"key":["a"],"lower":[{"kind":"string","charset":"x y","hex":"00"}]}`,
		`{"key":["a"],"upper":[{"kind":"quoted","value":"'"}]}`,
	} {
		var r table.Range
		require.Error(t, json.Unmarshal([]byte(text), &r), text)
	}
}

func TestKeyChoice(t *testing.T) {
	const longUnique = "a BLOB NOT NULL, UNIQUE KEY u (a)" // USING HASH
	for def, want := range map[string]string{
		"a INT, PRIMARY KEY (a)":                              "PRIMARY",
		"a INT":                                               "",
		"a INT, UNIQUE KEY u (a)":                             "",
		"a INT NOT NULL, UNIQUE KEY u (a)":                    "u",
		"a FLOAT PRIMARY KEY":                                 "PRIMARY",
		"a ENUM('x') PRIMARY KEY":                             "PRIMARY",
		"a SET('x') PRIMARY KEY":                              "PRIMARY",
		"a SET(" + setOf(9) + ") PRIMARY KEY":                 "", // no ranges of these in an index
		"b INT, a SET(" + setOf(53) + "), PRIMARY KEY (b, a)": "PRIMARY",
		"b INT, a SET(" + setOf(54) + "), PRIMARY KEY (b, a)": "", // two may look alike
		"a INT NOT NULL, b INT NOT NULL, UNIQUE KEY big (b, a), UNIQUE KEY small (a)": "big", // the rows are in its order
		"a BIT(9) PRIMARY KEY":                                                    "PRIMARY",
		"a BLOB NOT NULL, UNIQUE KEY u (a(9))":                                    "",
		longUnique:                                                                "",
		"a VARCHAR(9) NOT NULL, UNIQUE KEY u (a(3))":                              "",
		"a BLOB, b INT NOT NULL, UNIQUE KEY u (b), UNIQUE KEY (a(9))":             "u",
		"a INT NOT NULL, b INT NOT NULL, UNIQUE KEY u (a, b DESC)":                "",
		"a INT, g INT AS (a) STORED UNIQUE KEY, b INT NOT NULL, UNIQUE KEY x (b)": "x",
	} {
		if def == longUnique && absent("MariaDB") {
			continue
		}
		schema, s := setup(t, "CREATE TABLE t ("+def+")")
		info, err := table.Load(t.Context(), s, schema, "t")
		require.NoError(t, err)
		got := ""
		if info.CopyKey != nil {
			got = info.CopyKey.Name
		}
		require.Equal(t, want, got, def)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{
		"t", "T", "orders", "ORDERS_", strings.Repeat("a", 64), strings.Repeat("Z", 64), strings.Repeat("z", 60) + "_old",
		strings.Repeat("~", 64), strings.Repeat("é", 64), strings.Repeat("漢", 63) + "z",
	} {
		for _, job := range []string{"1", "123456789c1a2b3c"} {
			shadow, err := table.ShadowName(name, job)
			require.NoError(t, err)
			old, err := table.OldName(name, job)
			require.NoError(t, err)
			for _, n := range []string{shadow, old} {
				require.Greater(t, n, name)
				require.LessOrEqual(t, len([]rune(n)), 64)
			}
			require.NotEqual(t, shadow, old)
		}
	}
	name, err := table.ShadowName("t", "7")
	require.NoError(t, err)
	require.Equal(t, "t__dxf7_new", name)
	_, err = table.ShadowName(strings.Repeat("\uffef", 64), "7")
	require.Error(t, err)
}

// TestRenameOrder: while another session holds the table and the sentry, the
// rename must be seen waiting having got nothing that sorts before the table.
func TestRenameOrder(t *testing.T) {
	for _, name := range []string{"t", strings.Repeat("x", 64)} {
		schema, holder := setup(t)
		shadow, err := table.ShadowName(name, "1")
		require.NoError(t, err)
		old, err := table.OldName(name, "1")
		require.NoError(t, err)
		for _, n := range []string{name, shadow} {
			exec(t, holder, "CREATE TABLE "+server.Quote(n)+" (a INT)")
		}
		db, err := sql.Open("mysql", srv.DSN()+schema)
		require.NoError(t, err)
		defer db.Close()
		other, err := server.OpenSession(t.Context(), db)
		require.NoError(t, err)
		defer other.Close()
		exec(t, holder, fmt.Sprintf("LOCK TABLES %s WRITE", server.Quote(name)))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := other.ExecContext(ctx, fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s", server.Quote(name), server.Quote(old), server.Quote(shadow), server.Quote(name)))
			done <- err
		}()
		var waits int64
		for waits == 0 {
			require.Empty(t, done, "the rename did not wait")
			waits = count(t, db, fmt.Sprintf("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %d AND STATE LIKE '%%metadata lock%%'", other.ID))
		}
		// It waits for the table, so it must not hold the shadow.
		_, err = db.ExecContext(t.Context(), "SELECT * FROM "+server.Quote(shadow))
		require.NoError(t, err)
		exec(t, holder, "UNLOCK TABLES")
		require.NoError(t, <-done)
	}
}

// TestDive: integers in clumps with nothing between them, up to both ends of
// what the type holds.
func TestDive(t *testing.T) {
	schema, s := setup(t, "CREATE TABLE t (k BIGINT PRIMARY KEY)",
		"INSERT INTO t SELECT CAST(seq AS SIGNED) - 500 FROM "+mariadbdtest.Numbers(1000), "INSERT INTO t SELECT 1000000000000 + seq * 1000 FROM "+mariadbdtest.Numbers(1000),
		"INSERT INTO t VALUES (-9223372036854775808), (9223372036854775807)", "ANALYZE TABLE t")
	info, err := table.Load(t.Context(), s, schema, "t")
	require.NoError(t, err)
	pieces, err := info.Dive(t.Context(), s, 100, 1024)
	require.NoError(t, err)
	require.InDelta(t, 20, len(pieces), 8)
	requireWhole(t, s, pieces, 260)

	few, err := info.Dive(t.Context(), s, 1, 10)
	require.NoError(t, err)
	require.LessOrEqual(t, len(few), 160, "bounded, even where it is much too small")
	requireWhole(t, s, few, 2002)

	exec(t, s, "DELETE FROM t")
	pieces, err = info.Dive(t.Context(), s, 100, 1024)
	require.NoError(t, err)
	require.Equal(t, []table.Range{info.Whole()}, pieces)
}

// requireWhole demands that the pieces are all of table t, without overlap, and
// none has more than most rows.
func requireWhole(t *testing.T, s *server.Session, pieces []table.Range, most int64) {
	t.Helper()
	require.Nil(t, pieces[0].Lower)
	require.Nil(t, pieces[len(pieces)-1].Upper)
	var sum int64
	for i, r := range pieces {
		if i > 0 {
			require.Equal(t, pieces[i-1].Upper, r.Lower)
		}
		n := count(t, s, "SELECT COUNT(*) FROM t WHERE "+r.Where(""))
		require.LessOrEqual(t, n, most, "%s", r)
		sum += n
	}
	require.Equal(t, count(t, s, "SELECT COUNT(*) FROM t"), sum)
}

// TestPiecesOfALargeTable: a large table is cut by estimates.
func TestPiecesOfALargeTable(t *testing.T) {
	schema, s := setup(t, "CREATE TABLE t (k INT UNSIGNED PRIMARY KEY)")
	for from := range 3 {
		exec(t, s, fmt.Sprintf("INSERT INTO t SELECT (%d + seq) * 3 FROM ", from*100_000)+mariadbdtest.Numbers(100_000))
	}
	exec(t, s, "ANALYZE TABLE t")
	info, err := table.Load(t.Context(), s, schema, "t")
	require.NoError(t, err)
	pieces, err := info.Pieces(t.Context(), s, 10_000, 1024)
	require.NoError(t, err)
	require.InDelta(t, 45, len(pieces), 22)
	requireWhole(t, s, pieces, 30_000)
	require.NotZero(t, count(t, s, "SELECT COUNT(*) FROM t WHERE "+pieces[0].Where(""))%10_000, "walked")
}
