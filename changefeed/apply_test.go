package changefeed_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/changefeed"
	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
)

// TestKeys changes rows by keys that are easily taken for one another.
func TestKeys(t *testing.T) {
	for name, c := range map[string]struct {
		create  string
		changes []string
	}{
		"swap": {"CREATE TABLE t (id INT PRIMARY KEY, v INT)", []string{
			"INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)",
			"UPDATE t SET id = 100 WHERE id = 1", "UPDATE t SET id = 1 WHERE id = 2", "UPDATE t SET id = 2 WHERE id = 100",
			"UPDATE t SET id = id + 1 ORDER BY id DESC", "DELETE FROM t WHERE id = 3", "INSERT INTO t VALUES (3, 33)",
		}},
		"one transaction": {"CREATE TABLE t (id INT PRIMARY KEY, v INT)", []string{
			"INSERT INTO t VALUES (1, 10), (2, 20)", "BEGIN", "UPDATE t SET id = -1 WHERE id = 1", "UPDATE t SET id = 1 WHERE id = 2",
			"UPDATE t SET id = 2 WHERE id = -1", "INSERT INTO t VALUES (9, 9)", "DELETE FROM t WHERE id = 9", "COMMIT",
		}},
		"case": {"CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)", []string{
			"INSERT INTO t VALUES ('a', 1), ('b', 2), ('c ', 3)", "UPDATE t SET k = 'A' WHERE k = 'a'", "UPDATE t SET k = 'B', v = 5 WHERE k = 'b'",
			"UPDATE t SET k = 'C' WHERE k = 'c'", "DELETE FROM t WHERE k = 'B'", "INSERT INTO t VALUES ('b', 7)", "UPDATE t SET k = 'a' WHERE k = 'A'",
			"UPDATE t SET k = 'a  ' WHERE k = 'A'", "DELETE FROM t WHERE k = 'c'",
		}},
		"binary": {"CREATE TABLE t (k BINARY(4) PRIMARY KEY, v INT)", []string{
			"INSERT INTO t VALUES (x'AB', 1), (x'AB01', 2), (x'00', 3), (x'ABCDEF01', 4)", "UPDATE t SET v = 9 WHERE k = x'AB000000'",
			"DELETE FROM t WHERE k = x'00000000'", "UPDATE t SET k = x'AC' WHERE k = x'AB010000'",
		}},
		"varbinary": {"CREATE TABLE t (k VARBINARY(4) PRIMARY KEY, v INT)", []string{
			"INSERT INTO t VALUES (x'AB', 1), (x'AB00', 2), ('', 3)", "UPDATE t SET v = 9 WHERE k = x'AB'", "DELETE FROM t WHERE k = x'AB00'",
		}},
		"composite": {"CREATE TABLE t (a INT UNSIGNED, b CHAR(5) CHARACTER SET latin1, c DATETIME(3), v INT, PRIMARY KEY (a, b, c))", []string{
			"INSERT INTO t VALUES (4294967295, 'é', '2024-01-01 00:00:00.001', 1), (4294967295, 'f', '2024-01-01 00:00:00.001', 2), (0, '', '0000-00-00 00:00:00', 3)",
			"UPDATE t SET b = 'g' WHERE b = 'é'", "DELETE FROM t WHERE a = 0", "UPDATE t SET v = 8, c = '2024-01-01' WHERE b = 'f'",
		}},
		"uuid": {"CREATE TABLE t (k UUID PRIMARY KEY, v INT)", []string{
			"INSERT INTO t VALUES ('01020304-0506-0708-090a-0b0c0d0e0f00', 1), ('ffffffff-0000-1000-8000-000000000000', 2), (UUID(), 3)",
			"UPDATE t SET v = v + 1", "DELETE FROM t WHERE v = 2",
		}},
		"inet6": {"CREATE TABLE t (k INET6, l INET4, v INT, PRIMARY KEY (k, l))", []string{
			"INSERT INTO t VALUES ('::', '0.0.0.0', 1), ('2001:db8::', '1.0.0.0', 2)", "UPDATE t SET v = 5", "DELETE FROM t WHERE k = '::'",
		}},
		"temporal": {"CREATE TABLE t (d DATE, ti TIME(2), ts TIMESTAMP(6), y YEAR, dc DECIMAL(20,10), v INT, PRIMARY KEY (d, ti, ts, y, dc))", []string{
			"INSERT INTO t VALUES ('0000-00-00', '-00:00:00.01', '2024-03-31 01:30:00.000001', 0, -0.0000000001, 1), ('2024-02-29', '838:59:59', '2001-01-01', 2155, 12345678.9, 2)",
			"UPDATE t SET v = v + 1", "UPDATE t SET ti = '00:00:00' WHERE v = 2", "DELETE FROM t WHERE v = 3",
		}},
		"unique key": {"CREATE TABLE t (a BIGINT UNSIGNED NOT NULL, v INT, UNIQUE KEY u (a))", []string{
			"INSERT INTO t VALUES (18446744073709551615, 1), (0, 2)", "UPDATE t SET a = a - 1 WHERE a > 5", "DELETE FROM t WHERE a = 0",
		}},
		"quotes": {"CREATE TABLE t (`a``b` INT, `x y` INT, `select` INT, PRIMARY KEY (`a``b`, `x y`))", []string{
			"INSERT INTO t VALUES (1, 2, 3), (2, 3, 4)", "UPDATE t SET `select` = 9", "DELETE FROM t WHERE `x y` = 3",
		}},
	} {
		if !has(c.create) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, c.create)
			r.run("node-a")
			changes := append([]string{"SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'"}, c.changes...)
			r.session(changes...) // as many windows as come about
			r.sync()
			r.same()
			r.exec("DELETE FROM t")
			r.strict()
			r.session(changes...)
			r.sync()
			require.Positive(t, r.same())
			require.Equal(t, dxf.FeedStrict, r.feed().Mode)
		})
	}
}

// TestWindow applies everything that TestKeys does to a key in one window.
func TestOneWindow(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	r.exec("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)", "UPDATE t SET id = id + 10", "DELETE FROM t WHERE id = 11",
		"INSERT INTO t VALUES (11, 0), (1, 5)", "UPDATE t SET id = 2 WHERE id = 11", "DELETE FROM t WHERE id = 12")
	id := r.mark(dxf.MarkSync)
	r.run("node-a")
	require.NoError(t, r.marked(id))
	require.Equal(t, 3, r.same())
	require.EqualValues(t, 11, r.feed().Applied) // one for each row change, whatever became of it
}

func TestXA(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint("strict=", strict), func(t *testing.T) {
			x := map[bool]string{true: "s", false: "m"}[strict] // ids of XA transactions are the server's
			r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
			r.run("node-a")
			r.exec("INSERT INTO t VALUES (1, 1), (2, 2)")
			r.sync()
			if strict {
				r.strict()
			}
			r.session("XA START '"+x+"a'", "INSERT INTO t VALUES (10, 1)", "UPDATE t SET v = 9 WHERE id = 1", "XA END '"+x+"a'", "XA PREPARE '"+x+"a'")
			prepared := r.binlogEnd()
			r.session("XA START '"+x+"b','q',7", "INSERT INTO t VALUES (20, 1)", "XA END '"+x+"b','q',7", "XA PREPARE '"+x+"b','q',7")
			r.exec("INSERT INTO t VALUES (30, 1)")
			id := r.mark(dxf.MarkSync)
			if !strict {
				require.NoError(t, r.marked(id))
				r.same() // without the prepared rows
				// The position waits in front of what is undecided.
				require.Less(t, r.feed().Pos, prepared)
				pos := r.feed().Pos
				r.exec("INSERT INTO t VALUES (31, 1)")
				r.sync()
				require.Equal(t, pos, r.feed().Pos)
			}
			r.session("XA COMMIT '"+x+"a'", "XA ROLLBACK '"+x+"b','q',7", "XA START '"+x+"c'", "INSERT INTO t VALUES (40, 1)", "XA END '"+x+"c'", "XA COMMIT '"+x+"c' ONE PHASE")
			require.NoError(t, r.marked(id))
			r.sync()
			r.same()
			require.Equal(t, map[bool]dxf.FeedMode{false: dxf.FeedMerge, true: dxf.FeedStrict}[strict], r.feed().Mode)
		})
	}
}

// TestXAAcrossRestart kills the applier while a transaction is prepared.
func TestXAAcrossRestart(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	stop := r.run("node-a")
	r.sync()
	r.session("XA START 'r'", "INSERT INTO t VALUES (10, 1)", "XA END 'r'", "XA PREPARE 'r'")
	r.exec("INSERT INTO t VALUES (1, 1)")
	r.sync()
	stop()
	r.exec("UPDATE t SET v = 2 WHERE id = 1")
	r.run("node-b")
	r.session("XA COMMIT 'r'")
	r.sync()
	require.Equal(t, 2, r.same())
}

func TestSavepoints(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE m (a INT) ENGINE=MyISAM")
	r.mixed()
	r.run("node-a")
	r.session("BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT a", "INSERT INTO t VALUES (2, 2)", "ROLLBACK TO a", "COMMIT",
		// With a table that cannot roll back, the rows and the ROLLBACK TO are in the binlog.
		"BEGIN", "INSERT INTO t VALUES (3, 3)", "SAVEPOINT a", "INSERT INTO m VALUES (1)", "INSERT INTO t VALUES (4, 4)",
		"SAVEPOINT b", "INSERT INTO t VALUES (5, 5)", "ROLLBACK TO b", "ROLLBACK TO a", "INSERT INTO t VALUES (6, 6)", "COMMIT",
		"BEGIN", "INSERT INTO t VALUES (7, 7)", "INSERT INTO m VALUES (1)", "ROLLBACK")
	r.sync()
	require.Equal(t, 3, r.same())
}

// TestTrustSavepointNames: to the servers A is a again. A writer of the table could
// end its job by that, or make the shadow lose rows.
func TestTrustSavepointNames(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE m (a INT) ENGINE=MyISAM")
	r.mixed()
	r.run("node-a")
	r.session("BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT a", "INSERT INTO m VALUES (1)", "INSERT INTO t VALUES (2, 2)", "ROLLBACK TO A", "COMMIT",
		"BEGIN", "SAVEPOINT a", "INSERT INTO m VALUES (1)", "INSERT INTO t VALUES (3, 3)", "SAVEPOINT A", "INSERT INTO t VALUES (4, 4)", "ROLLBACK TO a", "COMMIT")
	r.sync()
	require.Equal(t, 2, r.same())
}

// TestTakeover stops appliers in the middle of a stream of changes that is only
// right when every one is applied once.
func TestTakeover(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	stop := r.run("node-a")
	r.sync()
	r.strict()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 600 {
			q := fmt.Sprintf("INSERT INTO t VALUES (%d, 0)", i)
			if i%3 == 2 {
				q = fmt.Sprintf("DELETE FROM t WHERE id = %d", i-1)
			}
			if _, err := r.db.Exec(q); err != nil {
				t.Error(err)
			}
		}
	}()
	for n := 0; ; n++ {
		applied := r.feed().Applied
		r.eventually("somebody applies", func() bool {
			select {
			case <-done:
				return true
			default:
				return r.feed().Applied > applied
			}
		})
		stop()
		stop = r.run(fmt.Sprint("node-", n))
		select {
		case <-done:
			r.sync()
			require.Equal(t, 200, r.same())
			require.EqualValues(t, 600, r.feed().Applied)
			return
		default:
		}
	}
}

// frozen is a store whose RenewFeed, FenceFeed, CommitFeed and CommitSQL can be held.
type frozen struct {
	*store.DB
	mu sync.Mutex
}

// thaw waits while it is frozen.
func (f *frozen) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
}

func (f *frozen) RenewFeed(ctx context.Context, feed dxf.Feed) (dxf.Feed, error) {
	f.thaw()
	return f.DB.RenewFeed(ctx, feed)
}

func (f *frozen) FenceFeed(ctx context.Context, tx *sql.Tx, feed dxf.Feed) error {
	f.thaw()
	return f.DB.FenceFeed(ctx, tx, feed)
}

func (f *frozen) CommitFeed(ctx context.Context, tx *sql.Tx, feed dxf.Feed, c dxf.FeedCommit) error {
	f.thaw()
	return f.DB.CommitFeed(ctx, tx, feed, c)
}

func (f *frozen) CommitSQL(feed dxf.Feed, c dxf.FeedCommit) ([]string, string) {
	f.thaw()
	return f.DB.CommitSQL(feed, c)
}

// TestZombie freezes an applier right before it commits, lets another take over,
// and thaws it.
func TestZombie(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	z := &frozen{DB: r.store}
	r.runStore("zombie", z)
	r.sync()
	r.strict()
	z.mu.Lock()
	r.exec("INSERT INTO t VALUES (1, 1)")
	// The lease runs out, by the store's clock.
	r.exec("UPDATE " + r.meta + ".changefeed SET expires = NOW(6) - INTERVAL 1 SECOND")
	epoch := r.feed().Epoch
	r.run("successor")
	r.eventually("the successor claims", func() bool { return r.feed().Epoch > epoch })
	z.mu.Unlock()
	r.exec("INSERT INTO t VALUES (2, 2)", "UPDATE t SET v = v + 1")
	r.sync()
	require.Equal(t, 2, r.same())
	require.Equal(t, "successor", r.feed().ExecID)
	require.EqualValues(t, 4, r.feed().Applied)
}

func TestHandshakes(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	r.run("node-a")
	r.exec("INSERT INTO t VALUES (1, 1)")
	require.NoError(t, r.marked(r.mark(dxf.MarkPause)))
	require.Equal(t, dxf.FeedPaused, r.feed().Mode)
	r.same()
	paused := r.feed()
	r.exec("INSERT INTO t VALUES (2, 2)")
	r.exec("ALTER TABLE " + r.shadow + " ADD UNIQUE KEY uv (v)")
	require.Equal(t, paused.Pos, r.feed().Pos)
	r.setMode(dxf.FeedPaused, dxf.FeedStrict)
	r.session("UPDATE t SET v = 3 WHERE id = 1", "UPDATE t SET v = 1 WHERE id = 2", "UPDATE t SET v = 2 WHERE id = 1")
	r.sync()
	require.Equal(t, 2, r.same())

	require.NoError(t, r.marked(r.mark(dxf.MarkSeal)))
	require.Equal(t, dxf.FeedSealed, r.feed().Mode)
	sealed := r.feed()
	r.eventually("the lease is given up", func() bool { return r.feed().ExecID == "" })
	r.exec("INSERT INTO t VALUES (5, 5)")
	require.Equal(t, sealed.Pos, r.feed().Pos)
	r.setMode(dxf.FeedSealed, dxf.FeedStrict)
	r.sync()
	require.Equal(t, 3, r.same())
}

// TestSyncIsFast: markers are waited for while writers wait in the cut-over.
func TestSyncIsFast(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	r.run("node-a")
	r.sync()
	r.strict()
	r.sync()
	best := time.Hour
	for i := range 20 {
		r.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 1)", i))
		begun := time.Now()
		r.sync()
		best = min(best, time.Since(begun))
	}
	t.Logf("a marker takes %v at best", best)
	require.Less(t, best, 100*time.Millisecond)
}

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

// TestFull: a node applies no more feeds than it has room for, and goes on with
// another one when one is over.
func TestFull(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	f := r.feed()
	tx, err := r.store.SQL().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	for f.JobID = 1; f.JobID <= 3; f.JobID++ {
		require.NoError(t, r.store.StartFeed(t.Context(), tx, f))
	}
	require.NoError(t, tx.Commit())
	r.config.MaxFeeds, r.config.Poll = 2, 5*time.Millisecond
	r.run("node-a")
	waiting := func() int {
		feeds, err := r.store.Claimable(t.Context())
		require.NoError(t, err)
		return len(feeds)
	}
	for _, want := range []int{2, 1, 0} {
		r.eventually("two feeds are applied", func() bool { return waiting() == want })
		r.never("more feeds are applied, or fewer", func() bool { return waiting() != want })
		var one int64
		require.NoError(t, r.db.QueryRow("SELECT job_id FROM "+r.meta+".changefeed WHERE exec_id <> '' LIMIT 1").Scan(&one))
		tx, err := r.store.SQL().BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, r.store.StopFeed(t.Context(), tx, one))
		require.NoError(t, tx.Commit())
	}
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

func TestRotation(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	stop := r.run("node-a")
	r.sync()
	r.strict()
	for i := range 5 {
		r.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 1)", i), "FLUSH BINARY LOGS", fmt.Sprintf("INSERT INTO t VALUES (%d, 1)", 100+i))
	}
	r.sync()
	stop()
	r.exec("FLUSH BINARY LOGS", "DELETE FROM t WHERE id < 3")
	r.run("node-b")
	r.sync()
	require.Equal(t, 7, r.same())
}

// TestLarge commits transactions that do not fit into memory.
func TestLarge(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint("strict=", strict), func(t *testing.T) {
			r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(1000))", "CREATE TABLE m (a INT) ENGINE=MyISAM")
			r.mixed()
			r.config.MaxBytes = 1 << 20
			r.run("node-a")
			r.exec("INSERT INTO t VALUES (-1, ''), (5, 'old')")
			r.sync()
			if strict {
				r.strict()
			}
			r.session("DELETE FROM t WHERE id = 5", "INSERT INTO t SELECT seq, REPEAT('x', 500) FROM "+mariadbdtest.Numbers(5000), "UPDATE t SET v = CONCAT(v, id)",
				"BEGIN", "UPDATE t SET id = id + 10000", "DELETE FROM t WHERE id % 3 = 0", "COMMIT")
			r.sync()
			require.Equal(t, 3333, r.same())
			if strict {
				// In the binlog because of the other table; nothing of it may stay.
				r.session("BEGIN", "INSERT INTO m VALUES (1)", "INSERT INTO t SELECT seq, REPEAT('x', 500) FROM "+mariadbdtest.Numbers(5000), "INSERT INTO m VALUES (1)", "ROLLBACK",
					"INSERT INTO t VALUES (1, 'after')")
				r.sync()
				require.Equal(t, 3334, r.same())
			}
			require.NotEqual(t, dxf.FeedFailed, r.feed().Mode)
		})
	}
}

// TestIdle: other tables' transactions move the position, our own do not.
func TestIdle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE o (a INT)")
	r.run("node-a")
	r.sync()
	at := r.feed().Pos
	r.eventually("the position moves", func() bool {
		r.exec("INSERT INTO o VALUES (1)")
		return r.feed().Pos > at
	})
}

// TestKilledConnections cuts the applier's connections again and again.
func TestKilledConnections(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	r.run("node-a")
	r.sync()
	r.strict()
	for i := range 5 {
		r.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, 1), (%d, 2)", i, 100+i))
		rows, err := r.db.Query("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump' OR DB = ? AND ID <> CONNECTION_ID()", r.meta)
		require.NoError(t, err)
		var kills []string
		for rows.Next() {
			var id int
			require.NoError(t, rows.Scan(&id))
			kills = append(kills, fmt.Sprint("KILL ", id))
		}
		require.NoError(t, rows.Err())
		for _, k := range kills {
			_, _ = r.db.Exec(k)
		}
		r.exec(fmt.Sprintf("UPDATE t SET v = v + 1 WHERE id < %d", i))
	}
	r.eventually("a marker goes in", func() bool {
		_, err := r.store.Mark(t.Context(), r.job, dxf.MarkSync)
		return err == nil
	})
	r.sync()
	require.Equal(t, 10, r.same())
}

var _ changefeed.Store = (*frozen)(nil)

func TestLongValues(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB, c LONGTEXT, d LONGTEXT CHARACTER SET latin1, e LONGTEXT CHARACTER SET gbk)")
	r.run("node-a")
	var all strings.Builder
	for i := range 256 {
		fmt.Fprintf(&all, "%02x", i)
	}
	r.session("SET @b = REPEAT(x'"+all.String()+"', 8000)",
		"INSERT INTO t VALUES (1, @b, REPEAT('😀\\'\\\\\\0', 200000), CONVERT(@b USING latin1), REPEAT(_gbk x'bf5cd65c', 300000))",
		"INSERT INTO t VALUES (2, REPEAT(x'5C27', 12000000), NULL, NULL, NULL)")
	r.sync()
	require.Equal(t, 2, r.same())
}
