package sqlhandler

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/store"
	"dxfproxy/table"
)

// trials is a handler before a server of its own, with the accounts of a node.
type trials struct {
	testing.TB
	*Handler
	root *sql.DB
	work *sql.DB
}

func newTrials(t testing.TB) *trials {
	srv := mariadbdtest.StartT(t)
	dsn := mariadbdtest.StoreDSN(t, srv, "dxf")
	mc, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	db, err := store.Open(t.Context(), store.Config{
		DSN: dsn, Types: dxf.TypesOf(backfill.Type, importinto.Type), Log: zap.NewNop(),
		Meta:  grants.Account{User: mc.User + "_meta", Password: mc.Passwd},
		Trial: grants.Account{User: mc.User + "_trial", Password: mc.Passwd},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NotNil(t, db.Trial(), "no account for trials")
	root, err := sql.Open("mysql", srv.DSN())
	require.NoError(t, err)
	t.Cleanup(func() { _ = root.Close() })
	v := &trials{TB: t, root: root, work: db.SQL(), Handler: New(Config{
		Store: db, SQL: db.SQL(), Schema: db.Schema(), Trial: db.Trial(), Scratch: db.ScratchSchema(),
		Node: dxf.Node{ID: "n", UUID: "00000000-0000-4000-8000-000000000000"}, Log: zap.NewNop(),
	})}
	for _, q := range []string{
		"CREATE DATABASE mine", "CREATE TABLE mine.t (id INT PRIMARY KEY, a INT, b VARCHAR(20), c TEXT, KEY ka (a))", "INSERT INTO mine.t VALUES (1, 1, 'x', 'y')",
		"CREATE DATABASE victim", "CREATE TABLE victim.secret (id INT PRIMARY KEY, a INT)", "INSERT INTO victim.secret VALUES (1, 1)",
		"CREATE TABLE victim.m (id INT, a INT) ENGINE=MyISAM",
	} {
		v.exec(q)
	}
	return v
}

func (v *trials) exec(q string) {
	v.Helper()
	_, err := v.root.ExecContext(v.Context(), q)
	require.NoError(v, err, q)
}

// state is everything that a statement about mine.copy must leave alone: all
// tables but the copy and their definitions, and all accounts.
func (v *trials) state() string {
	v.Helper()
	var all []string
	for _, q := range []string{
		`SELECT CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE) FROM information_schema.TABLES
			WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'sys') AND (TABLE_SCHEMA <> 'mine' OR TABLE_NAME <> 'copy') ORDER BY 1`,
		`SELECT CONCAT_WS(' ', GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE) FROM information_schema.USER_PRIVILEGES ORDER BY 1`,
		`SELECT CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN ('victim', 'mine') AND TABLE_NAME <> 'copy' ORDER BY 1`,
		`SELECT CONCAT_WS(' ', id, a) FROM victim.secret`, `SELECT CONCAT_WS(' ', id, a, b, c) FROM mine.t`,
	} {
		rows, err := v.root.QueryContext(v.Context(), q)
		require.NoError(v, err, q)
		for rows.Next() {
			var line string
			require.NoError(v, rows.Scan(&line))
			all = append(all, line)
		}
		require.NoError(v, rows.Err())
		rows.Close()
	}
	return strings.Join(all, "\n")
}

// follow takes a statement about mine.t as far as a job does, on mine.copy, and
// returns what was executed there; "" where no job is made of it.
func (v *trials) follow(text []byte, sqlMode, charset string) string {
	v.Helper()
	_, _, st, ok := plainOf(text, sqlMode, charset)
	if !ok || st.Table.Name != "t" || st.Table.Schema != "" && st.Table.Schema != "mine" {
		return ""
	}
	ctx, cancel := context.WithTimeout(v.Context(), 20*time.Second)
	defer cancel()
	info, err := table.Load(ctx, v.work, "mine", "t")
	require.NoError(v, err)
	tried, err := v.try(ctx, info, st, sessionFacts{sqlMode: sqlMode, charset: charset})
	var refused *dxf.Error
	if errors.Is(err, errUntold) || errors.As(err, &refused) {
		return ""
	}
	require.NoError(v, err, "%q", text)
	if tried.unchanged() {
		return ""
	}
	v.exec("DROP TABLE IF EXISTS mine.copy")
	v.exec("CREATE TABLE mine.copy LIKE mine.t")
	s, err := server.OpenSession(ctx, v.work, "SET SESSION sql_mode = '"+table.ValueMode(sqlMode)+"'")
	require.NoError(v, err)
	defer s.Close()
	statement := table.Alter{Changes: tried.changes, Algorithm: st.Algorithm, Lock: st.Lock, Ignore: st.Ignore}.Of("mine", "copy")
	_, err = s.ExecContext(ctx, statement)
	if err != nil && st.Algorithm == "" && st.Lock == "" && !st.Ignore {
		v.Fatalf("%q was tried, and %q is refused: %v", text, statement, err)
	}
	return statement
}

// TestTrial: what the client says is what the table becomes, for statements that
// differ in nothing but their notation.
func TestTrial(t *testing.T) {
	v := newTrials(t)
	before := v.state()
	for _, c := range []struct{ mode, text, want string }{
		{"", "ALTER TABLE t ADD INDEX i (b)", "ALTER TABLE `mine`.`copy` ADD KEY `i` (`b`)"},
		{"ANSI_QUOTES", `alter table "mine"."t" add index "i" ("b")`, "ALTER TABLE `mine`.`copy` ADD KEY `i` (`b`)"},
		{"", "CREATE INDEX i ON t (b) COMMENT 'it''s' LOCK=NONE", "ALTER TABLE `mine`.`copy` ADD KEY `i` (`b`) COMMENT 'it''s', LOCK=NONE"},
		{"", "ALTER TABLE t ADD INDEX i (b), ADD COLUMN victim INT, DROP COLUMN c",
			"ALTER TABLE `mine`.`copy` DROP COLUMN `c`, ADD COLUMN `victim` int(11) DEFAULT NULL, ADD KEY `i` (`b`)"},
		{"", "ALTER TABLE t ADD INDEX i (b), ADD COLUMN z INT DEFAULT (SELECT 1)", ""},
		{"", "ALTER TABLE t ADD INDEX i (b), CHANGE a aa INT", "ALTER TABLE `mine`.`copy` RENAME COLUMN `a` TO `aa`, ADD KEY `i` (`b`)"},
	} {
		got := v.follow([]byte(c.text), c.mode, "utf8mb4")
		require.Equal(t, strings.ReplaceAll(c.want, "int(11)", v.intType()), got, c.text)
		require.Equal(t, before, v.state())
	}
}

func (v *trials) intType() string {
	var typ string
	require.NoError(v, v.root.QueryRow("SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mine' AND TABLE_NAME = 't' AND COLUMN_NAME = 'a'").Scan(&typ))
	return typ
}

// FuzzTrial goes from what a client sends, by way of a server, to the statement
// that a job executes under its account, and executes it: nothing but the one
// table may have changed, and the statement names no other.
func FuzzTrial(f *testing.F) {
	modes := []string{"", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE",
		"STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE"}
	charsets := []string{"utf8mb4", "utf8mb3", "latin1", "binary", "cp1251"}
	for i, s := range []string{
		"ALTER TABLE t ADD INDEX i (a, b)", "CREATE UNIQUE INDEX u ON mine.t (b(3) DESC)", `alter table "t" add index "i" ("a") comment 'x'`,
		"ALTER TABLE t ADD FULLTEXT f (c), ADD COLUMN d INT DEFAULT 5 AFTER a, DROP COLUMN b", "ALTER TABLE t ADD INDEX (a), CHANGE b bb VARCHAR(30) NOT NULL DEFAULT 'q'",
		"ALTER TABLE t ADD INDEX i (a), ADD COLUMN g INT AS (a + 1) VIRTUAL, ADD CHECK (a > 0)", "ALTER TABLE t ADD INDEX i ((a + 1)), COMMENT 'x'",
		"ALTER TABLE t ADD INDEX i (a), COLLATE utf8mb4_general_ci ENGINE=MRG_MYISAM UNION=(victim.m)", "ALTER TABLE t ADD INDEX i (a), RENAME TO victim.planted",
		`ALTER TABLE t RENAME COLUMN a TO "\", RENAME TO victim.planted -- ", ADD INDEX i (a)`, "ALTER TABLE t ADD INDEX i (a) COMMENT '\\', RENAME TO victim.planted -- '",
		"/*" + strings.Repeat("\xe9", 30) + "*//*A*/ -- B*/ DELETE FROM victim.secret /*\nALTER TABLE t ADD INDEX i1 (a) -- */",
		"ALTER TABLE t ADD INDEX i (a), ADD COLUMN z INT DEFAULT (SELECT MAX(a) FROM victim.secret)", "ALTER TABLE t ADD INDEX i (a), ADD FOREIGN KEY (a) REFERENCES victim.secret (id)",
		"ALTER IGNORE TABLE t ADD UNIQUE u (a)", "ALTER TABLE t ADD PRIMARY KEY (a), DROP PRIMARY KEY", "ALTER TABLE t ADD INDEX i (a), ADD COLUMN z VARCHAR(9) CHARACTER SET latin1 DEFAULT 'é'",
	} {
		f.Add([]byte(s), uint8(i), uint8(i))
		f.Add([]byte(s), uint8(0), uint8(0))
	}
	v := newTrials(f)
	before := v.state()
	f.Fuzz(func(t *testing.T, text []byte, mode, set uint8) {
		v.TB = t
		sqlMode, charset := modes[int(mode)%len(modes)], charsets[int(set)%len(charsets)]
		statement := v.follow(text, sqlMode, charset)
		if statement == "" {
			return
		}
		if after := v.state(); after != before {
			t.Fatalf("%q executed %q\nbefore:\n%s\nafter:\n%s", text, statement, before, after)
		}
		stmts, _, err := tidb.New().ParseSQL(statement)
		if err != nil {
			return // MariaDB's own
		}
		var names namedTables
		require.Len(t, stmts, 1)
		require.IsType(t, &ast.AlterTableStmt{}, stmts[0])
		stmts[0].Accept(&names)
		for _, n := range names.names {
			require.Equal(t, "mine.copy", n, "%q executed %q", text, statement)
		}
	})
}

// TestR9KilledTrials: a client that is killed while its statement is tried leaves no
// table behind, also where the store makes it when nobody waits for it any more.
func TestR9KilledTrials(t *testing.T) {
	v := newTrials(t)
	info, err := table.Load(t.Context(), v.work, "mine", "t")
	require.NoError(t, err)
	left := func() (n int) {
		const countSQL = `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'dxf_scratch'`
		require.NoError(t, v.root.QueryRow(countSQL).Scan(&n))
		return n
	}
	for try := 0; try < 500 && left() == 0; try++ {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(try%60*50)*time.Microsecond, cancel)
		if s, err := v.newScratch(ctx, info); err == nil {
			require.NoError(t, s.drop(t.Context()))
		}
		cancel()
	}
	require.NotZero(t, left(), "this test is of no use")
	used, err := v.newScratch(t.Context(), info)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	sweeping := make(chan error)
	go func() { sweeping <- v.sweepScratch(ctx) }()
	require.Eventually(t, func() bool { return left() == 1 }, 20*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-sweeping)
	require.NoError(t, used.drop(t.Context()))
	require.Zero(t, left(), "that which was in use was left alone")
}
