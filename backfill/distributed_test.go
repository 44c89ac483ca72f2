package backfill_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

const addIndex = "ALTER TABLE t ADD INDEX kb (b), ADD UNIQUE ub (b, id)"

// TestUnderLoad takes a job from start to end while clients write. They must
// meet no error, wait for nothing long, and lose nothing.
func TestUnderLoad(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(50_000))
	require.True(t, h.next())
	w := h.write(4, 150_000)
	sum, err := h.run()
	require.NoError(t, err)
	require.InDelta(t, 50_000, sum.RowCount, 15_000)
	sum = h.ready()
	require.Zero(t, sum.Repaired)
	h.through(backfill.StepCutover)
	w.stop()
	require.False(t, h.next())
	h.won()
	won, err := h.plan.OnDone(t.Context(), h.Task, nil)
	require.NoError(t, err)
	require.True(t, won, "and again")
	require.Less(t, w.slowest, 3*time.Second)
}

// won cleans up after a job that has made its change, and looks at everything.
func (h *harness) won() {
	h.Helper()
	won, err := h.plan.OnDone(h.Context(), h.Task, nil)
	require.NoError(h, err)
	require.True(h, won)
	h.requireDone()
}

// requireDone demands the user's definition and no left-overs.
func (h *harness) requireDone() {
	h.Helper()
	text, err := table.ShowCreate(h.Context(), h.DB, h.Schema, "t")
	require.NoError(h, err)
	now, err := table.Parse(text)
	require.NoError(h, err)
	target, err := table.Parse(h.meta.Target)
	require.NoError(h, err)
	require.True(h, table.Same(target, now), "%s\n%s", text, h.meta.Target)
	h.RequireClean()
}

// TestQuiet compares the copy of every kind of column byte by byte.
func TestQuiet(t *testing.T) {
	h := start(t, "ALTER TABLE t ADD INDEX (v), ADD FULLTEXT (txt), ADD COLUMN extra INT DEFAULT 5", nil,
		`CREATE TABLE t (k1 VARCHAR(20) COLLATE utf8mb4_unicode_ci, k2 DATE, f FLOAT, d DOUBLE, dec1 DECIMAL(20,5), e ENUM('x','y'), s SET('p','q'), bi BIT(64),
			bn BINARY(4), vb VARBINARY(2000), txt LONGTEXT, g POINT, j JSON, ts TIMESTAMP(6) NULL, tm TIME(3), y YEAR, u UUID, l1 VARCHAR(20) CHARACTER SET latin1,
			v INT AS (LENGTH(txt)) VIRTUAL, st INT AS (y + 1) STORED, inv INT INVISIBLE DEFAULT 9, PRIMARY KEY (k1, k2))`,
		"SET sql_mode = ''",
		`INSERT INTO t (k1, k2, f, d, dec1, e, s, bi, bn, vb, txt, g, j, ts, tm, y, u, l1) SELECT CONCAT('é', seq), '0000-00-00' , seq / 7, 1 / seq, seq / 3, 1 + seq % 2, seq % 4, seq * 999999999,
			UNHEX(HEX(seq)), REPEAT(UNHEX('00ff'), seq % 900), REPEAT('tü', seq), POINT(seq, 1 / seq), CONCAT('[', seq, ']'), FROM_UNIXTIME(seq + 0.123456), SEC_TO_TIME(seq), 1901 + seq % 200, UUID(), 'ü'
			FROM seq_1_to_2000`,
		"INSERT INTO t (k1, k2) VALUES ('nulls', '2020-01-01')",
	)
	for h.Task.Step != backfill.StepBuild {
		require.True(t, h.nextQuiet())
		sum, err := h.run()
		require.NoError(t, err)
		require.Zero(t, sum.Repaired)
	}
	require.Equal(t, "2001", h.Query("SELECT COUNT(*) FROM "+h.meta.Shadow))
	require.Equal(t, "2001", h.Query("SELECT COUNT(*) FROM t NATURAL JOIN (SELECT k1, k2, HEX(txt) AS htxt, f AS f2, d AS d2, extra FROM "+h.meta.Shadow+") x WHERE NOT (f2 <=> f AND 0) AND (f <=> f2) AND (d <=> d2) AND htxt <=> HEX(txt) AND extra = 5"))
	require.True(t, h.nextQuiet())
	require.Equal(t, backfill.StepCutover, h.Task.Step, "nothing differed")
	_, err := h.run()
	require.NoError(t, err)
	_, err = h.plan.OnDone(t.Context(), h.Task, nil)
	require.NoError(t, err)
	h.requireDone()
}

// nextQuiet is next for tables that the log feed cannot follow.
func (h *harness) nextQuiet() bool {
	h.Helper()
	if h.Task.Step == dxf.StepInit {
		h.SQL("CREATE TABLE IF NOT EXISTS log (n INT, op CHAR(1), id INT, a INT, b INT)")
		require.True(h, h.Advance(h.plan))
		h.reload()
		require.Equal(h, backfill.StepCopy, h.Task.Step, "%v", h.meta.Note)
		ctx, cancel := context.WithCancel(context.Background())
		h.feed.shadow, h.feed.ended = h.meta.Shadow, make(chan struct{})
		go h.feed.run(ctx)
		h.Cleanup(func() { cancel(); <-h.feed.ended })
		return true
	}
	return h.next()
}

func TestCopyResumes(t *testing.T) {
	h := start(t, addIndex, func(m *backfill.Meta) { m.Way, m.BatchSize, m.Priority = backfill.WayTxn, 100, "PRIORITY_HIGH" }, base, rows(9_000))
	require.True(t, h.next())
	subs := h.Lease()
	require.Len(t, subs, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := h.exec.RunSubtask(ctx, h.Task, subs[0], func(s dxf.Summary) {
		if s.RowCount >= 3000 {
			cancel(dxf.ErrPaused)
		}
	})
	require.ErrorIs(t, err, dxf.ErrPaused)
	require.NoError(t, h.Store.Release(t.Context(), subs[0].Lease()))
	have := h.Query("SELECT COUNT(*) FROM " + h.meta.Shadow)
	require.Equal(t, "3000", have)
	sum, err := h.run()
	require.NoError(t, err)
	require.EqualValues(t, 9000, sum.RowCount)
	h.requireSame("t", h.meta.Shadow)
}

func TestForeignCheckpoint(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(10))
	require.True(t, h.next())
	s := h.Lease()[0]
	s.Checkpoint = []byte(`{"position": 7}`)
	_, err := h.exec.RunSubtask(t.Context(), h.Task, s, nil)
	require.ErrorContains(t, err, "checkpoint")
	require.False(t, h.exec.IsRetryableErr(err))
}

// TestZombie: an executor whose subtask was given to another node writes nothing.
func TestZombie(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(5_000))
	require.True(t, h.next())
	s := h.Lease()[0]
	moved, err := h.Store.Place(t.Context(), h.Term, []dxf.Placement{{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: "n2:4000"}})
	require.NoError(t, err)
	if moved == 0 { // it is live, so it has to be given back first
		require.NoError(t, h.Store.Release(t.Context(), s.Lease()))
	}
	_, err = h.exec.RunSubtask(t.Context(), h.Task, s, nil)
	require.ErrorIs(t, err, dxf.ErrLeaseLost)
	require.False(t, h.exec.IsRetryableErr(err))
	require.Equal(t, "0", h.Query("SELECT COUNT(*) FROM "+h.meta.Shadow))
}

// TestLockedRow: a client sits on a row. The copy goes round it as far as it
// can, says what it waits for, and goes on when the client does.
func TestLockedRow(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(3_000))
	require.True(t, h.next())
	tx, err := h.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("UPDATE t SET a = -1 WHERE id = 4500")
	require.NoError(t, err)
	_, err = tx.Exec("INSERT INTO t VALUES (1000000, 1, 'appended, not committed')")
	require.NoError(t, err)
	_, err = tx.Exec("INSERT INTO log (op, id, a, b) SELECT 'w', id, a, b FROM t WHERE id IN (4500, 1000000)")
	require.NoError(t, err)
	s := h.Lease()[0]
	var waited bool
	sum, err := h.exec.RunSubtask(t.Context(), h.Task, s, func(s dxf.Summary) {
		if s.Waiting != "" && !waited {
			waited = true
			require.EqualValues(t, 1499, s.RowCount)
			require.NoError(t, tx.Commit())
		}
	})
	require.NoError(t, err)
	require.True(t, waited)
	require.GreaterOrEqual(t, sum.RowCount, int64(3000))
	_, err = h.feed.Mark(t.Context(), 0, dxf.MarkSync)
	require.NoError(t, err)
	require.Eventually(t, func() bool { ok, _ := h.feed.Marked(t.Context(), 0, 1); return ok }, 5*time.Second, time.Millisecond)
	h.requireSame("t", h.meta.Shadow)
}

func TestWriteSpeed(t *testing.T) {
	h := start(t, addIndex, func(m *backfill.Meta) { m.MaxWriteSpeed = 400_000 }, base, rows(10_000), "ANALYZE TABLE t")
	require.True(t, h.next())
	begin := time.Now()
	sum, err := h.run()
	require.NoError(t, err)
	require.EqualValues(t, 10_000, sum.RowCount)
	bytes := h.Query("SELECT AVG_ROW_LENGTH * 10000 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't'")
	var n float64
	fmt.Sscan(bytes, &n)
	took := time.Since(begin).Seconds()
	require.InDelta(t, n/400_000-1, took, 2.5, "%s bytes", bytes)
	require.Greater(t, took, 1.0)
}

func TestDuplicate(t *testing.T) {
	h := start(t, "ALTER TABLE t ADD UNIQUE ua (a)", nil, base, rows(3_000))
	h.through(backfill.StepCopy)
	require.True(t, h.next())
	_, err := h.run()
	var e *dxf.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, dxf.Error{Code: 1062, State: "23000", Class: "kv", Message: e.Message}, *e)
	require.Regexp(t, `^Duplicate entry '\d+' for key 't\.ua'$`, e.Message)
	require.False(t, h.exec.IsRetryableErr(err))
	won, err := h.plan.OnDone(t.Context(), h.Task, nil)
	require.NoError(t, err)
	require.False(t, won)
	h.RequireClean()
}

// TestBuildRunsAgain: the second run finds the indexes and the feed in strict mode.
func TestBuildRunsAgain(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(3_000))
	h.through(backfill.StepCopy)
	require.True(t, h.next())
	s := h.Lease()[0]
	for range 2 {
		_, err := h.exec.RunSubtask(t.Context(), h.Task, s, nil)
		require.NoError(t, err)
	}
	f, err := h.feed.Feed(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, dxf.FeedStrict, f.Mode)
}

// TestRepair plants a missing, a changed and a stray row, and two that have
// swapped a value.
func TestRepair(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(30_000))
	h.through(backfill.StepCopy)
	shadow := server.Quote(h.meta.Shadow)
	h.SQL("DELETE FROM " + shadow + " WHERE id = 30")
	h.SQL("UPDATE " + shadow + " SET b = UPPER(b) WHERE id = 42000")
	h.SQL("INSERT INTO " + shadow + " VALUES (44444, 1, 'stray')")
	h.SQL("INSERT INTO " + shadow + " VALUES (99999999, 1, 'stray behind the last')")
	h.SQL("UPDATE " + shadow + " SET a = IF(id = 3300, 101, 100) WHERE id IN (3300, 3303)")
	h.through(backfill.StepBuild)
	w := h.write(2, 90_000)
	require.True(t, h.next())
	require.Equal(t, backfill.StepVerify, h.Task.Step)
	sum, err := h.run()
	require.NoError(t, err)
	require.Positive(t, sum.Repaired)
	require.LessOrEqual(t, sum.Repaired, int64(6), "the writers may have repaired some")
	w.cancel()
	w.wg.Wait()
	require.Empty(t, w.errs)
	id, err := h.feed.Mark(t.Context(), 0, dxf.MarkSync)
	require.NoError(t, err)
	require.Eventually(t, func() bool { ok, _ := h.feed.Marked(t.Context(), 0, id); return ok }, 5*time.Second, time.Millisecond)
	h.requireSame("t", h.meta.Shadow)
}

func TestTooDifferent(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(5_000))
	h.through(backfill.StepCopy)
	h.SQL("DELETE FROM " + server.Quote(h.meta.Shadow) + " WHERE id % 2 = 0")
	h.through(backfill.StepBuild)
	require.True(t, h.next())
	_, err := h.run()
	require.ErrorContains(t, err, "differs from it in more than 1000 rows")
	require.False(t, h.exec.IsRetryableErr(err))
}

// TestCutoverKilled kills the sessions of the cut-over, one after the other and
// at all moments, while clients write. It comes to an end all the same.
func TestCutoverKilled(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	h.feed.delay.Store(int64(10 * time.Millisecond)) // something to aim at
	w := h.write(3, 6_000)
	require.True(t, h.next())
	ctx, stop := context.WithCancel(t.Context())
	killed := make(chan int)
	go func() {
		n := 0
		defer func() { killed <- n }()
		for i := 0; ctx.Err() == nil && n < 4; i++ {
			lock := []string{table.JobLock(h.meta.JobID).Name(), table.JobLock(h.meta.JobID).Renamer()}[n%2]
			var id *int64
			// From the creation of the sentry on, and a little later each time.
			if h.DB.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
				lock, h.Schema, h.meta.Old).Scan(&id) != nil || id == nil {
				continue
			}
			t := time.NewTimer(time.Duration(n) * 4 * time.Millisecond)
			<-t.C
			if _, err := h.DB.ExecContext(ctx, fmt.Sprintf("KILL %d", *id)); err == nil {
				n++
			}
		}
	}()
	_, err := h.run()
	stop()
	t.Logf("killed %d sessions", <-killed)
	require.NoError(t, err)
	w.stop()
	h.won()
}

// TestCutoverStages kills either session at each stage of the first attempt:
// before the table is locked, before the feed is sealed, and when the rename
// stands in the queue.
func TestCutoverStages(t *testing.T) {
	for _, c := range []struct {
		stage string
		count int
	}{{"lease", 1}, {"seal", 1}, {"lease", 2}} {
		for _, lock := range []func(table.Lock) string{table.Lock.Name, table.Lock.Renamer} {
			h := start(t, addIndex, nil, base, rows(500))
			h.ready()
			w := h.write(3, 1_500)
			seen := map[string]int{}
			h.feed.hook = func(stage string) {
				if seen[stage]++; stage == c.stage && seen[stage] == c.count {
					h.SQL("KILL " + h.Query("SELECT IS_USED_LOCK(?)", lock(table.JobLock(h.meta.JobID))))
				}
			}
			h.through(backfill.StepCutover)
			w.stop()
			h.won()
		}
	}
}

// TestCutoverZombie: the lease is lost while the table is locked. Nothing is
// renamed, and the successor can go on.
func TestCutoverZombie(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(500))
	h.ready()
	require.True(t, h.next())
	s := h.Lease()[0]
	n := 0
	h.feed.hook = func(stage string) {
		if stage == "lease" {
			if n++; n == 2 {
				require.NoError(t, h.Store.Release(t.Context(), s.Lease()))
			}
		}
	}
	_, err := h.exec.RunSubtask(t.Context(), h.Task, s, nil)
	require.ErrorIs(t, err, dxf.ErrLeaseLost)
	require.Equal(t, "1", h.Query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", h.meta.Shadow))
	_, err = h.run()
	require.NoError(t, err)
	_, err = h.plan.OnDone(t.Context(), h.Task, nil)
	require.NoError(t, err)
	h.requireDone()
}

// TestCutoverChanged: what would stay with the old table ends the job.
func TestCutoverChanged(t *testing.T) {
	for _, change := range []string{
		"CREATE TRIGGER late AFTER INSERT ON t FOR EACH ROW SET @x = 1",
		"CREATE TABLE child (id BIGINT PRIMARY KEY, FOREIGN KEY (id) REFERENCES t (id))",
		"ALTER TABLE t ADD COLUMN late INT",
	} {
		h := start(t, addIndex, nil, base, rows(100))
		h.ready()
		h.SQL(change)
		require.True(t, h.next())
		_, err := h.run()
		require.ErrorContains(t, err, "Information schema is changed", change)
		require.False(t, h.exec.IsRetryableErr(err))
		won, err := h.plan.OnDone(t.Context(), h.Task, nil)
		require.NoError(t, err)
		require.False(t, won)
		h.RequireClean()
		h.SQL("DROP TABLE IF EXISTS child")
	}
}

// TestCopyFeedFails: a failed changefeed fails the copy, with its error.
func TestCopyFeedFails(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(1_000))
	require.True(t, h.next())
	h.feed.mu.Lock()
	h.feed.mode, h.feed.failure = dxf.FeedFailed, dxf.Errorf("statement-format write")
	h.feed.mu.Unlock()
	_, err := h.run()
	require.ErrorContains(t, err, "statement-format write")
	require.False(t, h.exec.IsRetryableErr(err))
}

// TestCutoverWaits: an open transaction keeps the cut-over off.
func TestCutoverWaits(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	tx, err := h.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("SELECT * FROM t LIMIT 1 FOR UPDATE")
	require.NoError(t, err)
	require.True(t, h.next())
	s := h.Lease()[0]
	waits := 0
	_, err = h.exec.RunSubtask(t.Context(), h.Task, s, func(s dxf.Summary) {
		if s.Waiting == "" {
			return
		}
		require.Contains(t, s.Waiting, "cut-over waits for a lock on the table")
		if waits++; waits == 2 {
			require.NoError(t, tx.Commit())
		}
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, waits, 1)
	_, err = h.exec.RunSubtask(t.Context(), h.Task, s, nil)
	require.NoError(t, err, "the second run finds it done")
}

// TestC10OpenTransactionsAreNotShot: who has read the table and goes on to write it
// gets no deadlock, however often the cut-over has tried. With LockWait it may.
func TestC10OpenTransactionsAreNotShot(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	require.True(t, h.next())
	begin := func() *sql.Tx {
		tx, err := h.DB.BeginTx(context.WithoutCancel(t.Context()), nil)
		require.NoError(t, err)
		_, err = tx.Exec("SELECT COUNT(*) FROM t WHERE id < 10")
		require.NoError(t, err)
		return tx
	}
	stop, told := make(chan struct{}), make(chan error, 1)
	go func() { // somebody is always between reading and writing
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for tx := begin(); ; {
			<-tick.C
			next := begin()
			_, err := tx.Exec("UPDATE t SET a = a + 1 WHERE id = 1")
			if err = errors.Join(err, tx.Commit()); err != nil {
				_ = next.Rollback()
				told <- err
				return
			}
			tx = next
			select {
			case <-stop:
				told <- tx.Commit()
				return
			default:
			}
		}
	}()
	waits := 0
	_, err := h.exec.RunSubtask(t.Context(), h.Task, h.Lease()[0], func(s dxf.Summary) {
		if s.Waiting == "" {
			return
		}
		if waits++; waits == 5 {
			close(stop)
		}
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, waits, 5)
	require.NoError(t, <-told)
	h.won()
}

// TestCutoverQueues: with LockWait one session stands in the queue for as long as it says.
func TestCutoverQueues(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(200))
	h.exec.LockWait = func(context.Context) time.Duration { return 30 * time.Second }
	h.ready()
	require.True(t, h.next())
	tx, err := h.DB.BeginTx(context.WithoutCancel(t.Context()), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec("DO (SELECT COUNT(*) FROM t)")
	require.NoError(t, err)
	told := make(chan error, 1)
	go func() {
		_, err := h.exec.RunSubtask(t.Context(), h.Task, h.Lease()[0], nil)
		told <- err
	}()
	require.Eventually(t, func() bool {
		return h.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'LOCK TABLES%' AND TIME >= 5") == "1"
	}, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-told)
	h.won()
}

// TestStaleSeal: a seal that an earlier attempt left stops the feed before the
// table is locked. It must not be taken for ours.
func TestStaleSeal(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(2_000))
	h.ready()
	_, err := h.feed.Mark(t.Context(), 0, dxf.MarkSeal)
	require.NoError(t, err)
	w := h.write(3, 6_000)
	h.through(backfill.StepCutover)
	w.stop()
}

// TestCancelDropsAll: whatever step a job has come to, nothing of it is left.
func TestCancelDropsAll(t *testing.T) {
	for _, step := range []dxf.Step{dxf.StepInit, backfill.StepCopy, backfill.StepBuild, backfill.StepVerify} {
		h := start(t, addIndex, nil, base, rows(500))
		before := h.Query("SELECT COUNT(*) FROM t")
		switch step {
		case dxf.StepInit:
			_, err := h.plan.Plan(t.Context(), h.Task, 1, nil) // and died
			require.NoError(t, err)
			_, err = h.plan.Plan(t.Context(), h.Task, 1, nil) // the next owner
			require.NoError(t, err)
		case backfill.StepVerify:
			h.ready()
		default:
			h.through(step)
		}
		won, err := h.plan.OnDone(t.Context(), h.Task, nil)
		require.NoError(t, err)
		require.False(t, won)
		h.RequireClean()
		require.Equal(t, before, h.Query("SELECT COUNT(*) FROM t"))
		_, err = h.Store.Feed(t.Context(), h.meta.JobID)
		require.ErrorIs(t, err, dxf.ErrNotFound)
	}
}
