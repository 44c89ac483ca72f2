package backfill_test

import (
	"context"
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
