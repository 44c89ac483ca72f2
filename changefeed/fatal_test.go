package changefeed_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// TestFatal lists what ends a feed, and what the user is told.
func TestFatal(t *testing.T) {
	for name, c := range map[string]struct {
		create  string
		strict  bool
		changes func(r *rig) []string
		want    string
		code    uint16
	}{
		"alter": {changes: func(*rig) []string { return []string{"ALTER TABLE t ADD COLUMN x INT"} }, want: "[try again later]: ALTER TABLE"},
		"alter after rows": {changes: func(*rig) []string {
			return []string{"INSERT INTO t VALUES (9, 9)", "ALTER TABLE t ADD COLUMN x INT", "INSERT INTO t VALUES (8, 8, 8)"}
		}, want: "[try again later]: ALTER TABLE"},
		"set statement": {changes: func(*rig) []string {
			return []string{"SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE t COMMENT 'x'"}
		}, want: "ALTER TABLE"},
		"truncate": {changes: func(*rig) []string { return []string{"TRUNCATE TABLE t"} }, want: "TRUNCATE TABLE"},
		"drop":     {changes: func(*rig) []string { return []string{"DROP TABLE t"} }, want: "t"},
		"rename":   {changes: func(*rig) []string { return []string{"RENAME TABLE t TO u"} }, want: ""},
		"index":    {changes: func(*rig) []string { return []string{"CREATE INDEX i ON t (v)"} }, want: "CREATE INDEX"},
		"trigger":  {changes: func(*rig) []string { return []string{"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1"} }, want: "TRIGGER"},
		"child": {changes: func(*rig) []string {
			return []string{"CREATE TABLE c (id INT PRIMARY KEY, CONSTRAINT f FOREIGN KEY (id) REFERENCES t (id))"}
		}, want: "CREATE TABLE"},
		"statement": {changes: func(*rig) []string { return []string{"SET binlog_format = 'STATEMENT'", "INSERT INTO t VALUES (9, 9)"} }, want: "executed INSERT", code: 1105},
		"minimal": {changes: func(*rig) []string {
			return []string{"SET binlog_row_image = 'MINIMAL'", "UPDATE t SET v = 5 WHERE id = 1"}
		}, want: "binlog_row_image", code: 1105},
		"diverged": {strict: true, changes: func(r *rig) []string {
			return []string{"DELETE FROM " + r.shadow + " WHERE id = 2", "UPDATE t SET v = 7"}
		}, want: "the row with key 2 is not there", code: 1105},
		"diverged insert": {strict: true, changes: func(r *rig) []string {
			return []string{"INSERT INTO " + r.shadow + " VALUES (9, 0)", "INSERT INTO t VALUES (9, 9)"}
		}, want: "there is a row with key 9 already", code: 1105},
		"duplicate": {strict: true, changes: func(r *rig) []string {
			return []string{"ALTER TABLE " + r.shadow + " ADD UNIQUE KEY `u'v` (v)", "INSERT INTO t VALUES (9, 1)"}
		}, want: "Duplicate entry '1' for key 't.u'v'", code: 1062},
	} {
		if !has(c.changes(new(rig))...) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if name != "statement" { // which puts every feed of the server in doubt once its table is dropped
				t.Parallel()
			}
			r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB")
			r.run("node-a")
			r.exec("INSERT INTO t VALUES (1, 1), (2, 2)")
			r.sync()
			if c.strict {
				r.strict()
			}
			r.session(c.changes(r)...)
			e := r.failed()
			t.Log(e)
			require.Contains(t, e.Message, c.want)
			if c.code == 0 {
				c.code = 8028 // the table was changed
			}
			require.Equal(t, c.code, e.Code)
			require.Equal(t, c.code == 1062, e.State == "23000")
		})
	}
}

// TestC1OtherNames: a statement in the binlog need not name the table that it changes.
// Whatever becomes of the view or the trigger later, the feed ends.
func TestC1OtherNames(t *testing.T) {
	for name, statements := range map[string][]string{
		"view":         {"UPDATE vi SET v = 7"},
		"view, gone":   {"UPDATE vi SET v = 7", "DROP VIEW vi"},
		"view of view": {"DELETE FROM vv WHERE id = 2"},
		"trigger":      {"INSERT INTO o VALUES (1)"},
		"function":     {"SELECT f(3)"},
		"in a value":   {"INSERT INTO p VALUES (f(3))"},
		"in a default": {"SET @a = f(3)"},
		"procedure":    {"CALL pr()"},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: each would end the others' feeds
			r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
				"CREATE VIEW vi AS SELECT * FROM t", "CREATE VIEW vv AS SELECT * FROM vi", "CREATE TABLE o (id INT)", "CREATE TABLE p (id INT)",
				"CREATE TRIGGER tr AFTER INSERT ON o FOR EACH ROW UPDATE t SET v = 8 WHERE id = NEW.id",
				"CREATE FUNCTION f(n INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN UPDATE t SET v = 9 WHERE id = n; RETURN n; END",
				"CREATE PROCEDURE pr() BEGIN INSERT INTO o VALUES (1); END")
			r.run("node-a")
			r.sync()
			r.session(append([]string{"SET binlog_format = 'STATEMENT'"}, statements...)...)
			e := r.failed()
			t.Log(e)
			require.EqualValues(t, 1105, e.Code)
			require.Contains(t, e.Message, "binlog_format other than ROW")
		})
	}
}

// TestHarmless lists statements that name the table, or look like it, and that a
// feed must survive.
func TestHarmless(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	r.run("node-a")
	r.exec("INSERT INTO t VALUES (1, 1)")
	r.session(
		"CREATE TABLE other LIKE t", "CREATE TABLE copy AS SELECT * FROM t", "CREATE TABLE tt (t INT)", "ALTER TABLE tt ADD COLUMN x INT",
		"ALTER TABLE "+r.shadow+" ADD INDEX (v)", "CREATE VIEW vi AS SELECT * FROM t", "DROP VIEW vi", "ANALYZE TABLE t", "OPTIMIZE TABLE t",
		"CREATE TEMPORARY TABLE t (a INT)", "INSERT INTO t VALUES (5)", "DROP TEMPORARY TABLE t",
		"CREATE PROCEDURE p() SELECT * FROM t", "DROP PROCEDURE p", "DROP TABLE other, copy",
		"CREATE DATABASE "+r.schema+"_x", "CREATE TABLE "+r.schema+"_x.t (a INT)", "ALTER TABLE "+r.schema+"_x.t ADD b INT",
		"USE "+r.schema+"_x", "TRUNCATE TABLE t", "DROP TABLE t", "DROP DATABASE "+r.schema+"_x",
		"USE "+r.schema, "SET binlog_format = 'STATEMENT'", "INSERT INTO tt VALUES (1, 1)", "INSERT INTO tt (t) VALUES (2)", "UPDATE tt SET x = 5 /* t */",
		"INSERT INTO tt SELECT id, v FROM t", "CREATE TABLE uuu (a INT)", "DELETE FROM tt WHERE x IN (SELECT COUNT(*) FROM uuu)", "CREATE TABLE made AS SELECT * FROM tt", "DROP TABLE made",
		"CREATE TABLE `t t` (a INT)", "DROP TABLE `t t`",
	)
	r.exec("INSERT INTO t VALUES (2, 2)")
	r.sync() // until then DDL that has a word of the statements above would end the job
	r.session(
		// S17: columns, indexes and schemas of others that are called as the table.
		"CREATE DATABASE "+r.schema+"_y", "CREATE TABLE "+r.schema+"_y.victim (t INT, INDEX t (t), CHECK (victim.t > 0))",
		"ALTER TABLE "+r.schema+"_y.victim ADD COLUMN u INT, ADD INDEX u (t, u)", "DROP DATABASE "+r.schema+"_y",
		"CREATE TABLE uu (t INT, CHECK (t > 0))", "CREATE INDEX t ON uu (t)", "DROP INDEX t ON uu", "DROP TABLE uu",
	)
	r.exec("INSERT INTO t VALUES (3, 3)")
	r.sync()
	require.Equal(t, 3, r.same())
}

func TestPurged(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	r.exec("UPDATE " + r.meta + ".changefeed SET binlog_file = 'binlog.000000', binlog_pos = 4")
	r.run("node-a")
	require.Contains(t, r.failed().Message, "no longer on the server")
}

// TestC3OtherServer: a feed reads the binlog of the server that it began with, and goes
// on in the file that it has read.
func TestC3OtherServer(t *testing.T) {
	for column, c := range map[string]struct{ value, want string }{
		"server":    {"server_id 9", "the store is another server now ("},
		"file_mark": {"9@1700000000", "is not the one that job"},
	} {
		for _, mode := range []dxf.FeedMode{dxf.FeedMerge, dxf.FeedPaused, dxf.FeedStrict} {
			if mode == dxf.FeedPaused && column == "file_mark" {
				continue // is not read
			}
			t.Run(fmt.Sprint(column, " ", mode), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
				stop := r.run("node-a")
				r.exec("INSERT INTO t VALUES (1, 1)")
				r.sync()
				require.Regexp(t, `^1@\d+$`, r.feed().FileMark)
				stop()
				stop = r.run("node-b") // the same server and file
				r.exec("INSERT INTO t VALUES (2, 2)")
				r.sync()
				stop()
				r.exec(fmt.Sprintf("UPDATE %s.changefeed SET %s = '%s', mode = '%s'", r.meta, column, c.value, mode))
				r.run("node-a")
				e := r.failed()
				require.EqualValues(t, 1105, e.Code)
				require.Contains(t, e.Message, c.want)
			})
		}
	}
}
