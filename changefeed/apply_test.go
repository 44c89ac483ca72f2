package changefeed_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
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
