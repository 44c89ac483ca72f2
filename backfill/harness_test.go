package backfill_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/executor/executortest"
	"dxfproxy/server"
	"dxfproxy/store"
	"dxfproxy/table"
)

// harness takes one ADD INDEX through its steps, with a changefeed that is fed by the
// writers instead of the binlog.
type harness struct {
	*executortest.Rig
	feed  *logFeed
	plan  *backfill.Planner
	exec  *backfill.Worker
	meta  backfill.Meta
	began time.Time
	real  bool // the changefeed is the product's
}

// start makes the tables and submits a statement about table t.
func start(t *testing.T, statement string, change func(*backfill.Meta), tables ...string) *harness {
	t.Helper()
	h := &harness{Rig: executortest.New(t, srv, zap.InfoLevel, backfill.Type), began: time.Now()}
	for _, q := range tables {
		h.SQL(q)
	}
	h.feed = newLogFeed(h)
	h.plan = backfill.NewPlanner(h.Store.SQL(), h.Store, h.Log)
	h.exec = backfill.NewWorker(h.Store.SQL(), h.feed, h.Log)
	info, err := table.Load(t.Context(), h.DB, h.Schema, "t")
	require.NoError(t, err)
	meta := backfill.Meta{
		MetaHead: dxf.MetaHead{Schema: h.Schema, Table: "t"}, Changes: []string{strings.TrimPrefix(statement, "ALTER TABLE t ")},
		SQLMode: "STRICT_TRANS_TABLES", Fingerprint: info.Fingerprint, Way: backfill.WayDistributed, Thread: 4, BatchSize: 256,
	}
	if change != nil {
		change(&meta)
	}
	_, err = h.Store.Submit(t.Context(), dxf.Job{Type: "add index", Schema: h.Schema, Table: "t", State: dxf.JobQueueing, Query: statement},
		dxf.NewTask{Type: backfill.Name, Concurrency: 4, Meta: &meta})
	require.NoError(t, err)
	h.reload()
	return h
}

func (h *harness) reload() {
	h.Helper()
	h.meta = backfill.Meta{}
	h.Load(&h.meta)
}

// next plans the step after the present one and writes it; false at the end.
func (h *harness) next() bool {
	h.Helper()
	if !h.Advance(h.plan) {
		return false
	}
	h.reload()
	if h.Task.Step == backfill.StepCopy && !h.real {
		h.feed.begin(h.meta.Shadow)
	}
	return true
}

// run runs the step's pending subtasks, two at a time, and returns what they report together.
func (h *harness) run() (dxf.Summary, error) {
	h.Helper()
	var (
		total dxf.Summary
		first error
		mu    sync.Mutex
		wg    sync.WaitGroup
		slots = make(chan struct{}, 2)
	)
	for _, s := range h.Lease() {
		wg.Add(1)
		slots <- struct{}{} // in order, as a node does
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			sum, err := h.exec.RunSubtask(h.Context(), h.Task, s, nil)
			if err == nil {
				err = h.Store.Finish(context.WithoutCancel(h.Context()), s.Lease(), dxf.SubtaskSucceed, sum, nil)
			}
			mu.Lock()
			defer mu.Unlock()
			total.RowCount += sum.RowCount
			total.Repaired += sum.Repaired
			first = errors.Join(first, err)
		}()
	}
	wg.Wait()
	return total, first
}

// through takes the job to the end of a step.
func (h *harness) through(step dxf.Step) (sum dxf.Summary) {
	h.Helper()
	for h.Task.Step != step && h.next() {
		begin := time.Now()
		var err error
		sum, err = h.run()
		require.NoError(h, err)
		h.Logf("%s: %d rows in %s", h.Task.Step, sum.RowCount, time.Since(begin).Round(time.Millisecond))
	}
	require.Equal(h, step, h.Task.Step)
	return sum
}

// ready takes the job to where the cut-over comes next: what the comparison
// beside the build has left is verified.
func (h *harness) ready() (sum dxf.Summary) {
	h.Helper()
	sum = h.through(backfill.StepBuild)
	p, err := h.plan.Plan(h.Context(), h.Task, 1, nil)
	require.NoError(h, err)
	if p.Step == backfill.StepVerify {
		sum = h.through(backfill.StepVerify)
	}
	return sum
}

// requireSame compares two tables by CHECKSUM TABLE.
func (h *harness) requireSame(a, b string) {
	h.Helper()
	sum := func(name string) string {
		var ignored, s string
		require.NoError(h, h.DB.QueryRowContext(h.Context(), "CHECKSUM TABLE "+name).Scan(&ignored, &s))
		return s
	}
	require.Equal(h, h.Query("SELECT COUNT(*) FROM "+a), h.Query("SELECT COUNT(*) FROM "+b))
	require.Equal(h, sum(a), sum(b), "%s and %s differ", a, b)
}

const base = "CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(40), PRIMARY KEY (id), KEY ka (a))"

func rows(n int) string {
	return fmt.Sprintf("INSERT INTO t SELECT seq * 3, seq %% 1000, MD5(seq) FROM seq_1_to_%d", n)
}

// writers change table t until stopped and count what they were told.
type writers struct {
	h        *harness
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	mu       sync.Mutex
	inserted map[int64]string // rows acknowledged
	errs     []error
	slowest  time.Duration
	done     int
}

func (h *harness) write(n int, keys int64) *writers {
	ctx, cancel := context.WithCancel(h.Context())
	w := &writers{h: h, cancel: cancel, inserted: map[int64]string{}}
	for i := range n {
		w.wg.Add(1)
		go func() {
			defer w.wg.Done()
			rnd := rand.New(rand.NewPCG(7, uint64(i)))
			for ctx.Err() == nil {
				if err := w.one(ctx, rnd, keys); err != nil && ctx.Err() == nil {
					w.mu.Lock()
					w.errs = append(w.errs, err)
					w.mu.Unlock()
				}
			}
		}()
	}
	h.Cleanup(func() { w.cancel(); w.wg.Wait() })
	return w
}

// one is a transaction of a few changes, in key order, so that writers alone
// never deadlock.
func (w *writers) one(ctx context.Context, rnd *rand.Rand, keys int64) error {
	start := time.Now()
	tx, err := w.h.DB.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	low := rnd.Int64N(max(keys-30, 1))
	mark := fmt.Sprint(rnd.Uint64())
	for _, q := range []string{
		fmt.Sprintf("UPDATE t SET a = a + 1, b = '%s' WHERE id = %d", mark, low),
		fmt.Sprintf("DELETE FROM t WHERE id = %d", low+5),
		fmt.Sprintf("UPDATE t SET a = a - 1 WHERE id BETWEEN %d AND %d", low+7, low+20),
	} {
		if _, err := tx.Exec(q); err != nil {
			return err
		}
	}
	res, err := tx.Exec("INSERT INTO t (a, b) VALUES (1, '" + mark + "')")
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return err
	}
	for _, q := range []string{
		fmt.Sprintf("INSERT INTO log (op, id) VALUES ('d', %d)", low+5),
		fmt.Sprintf("INSERT INTO log (op, id, a, b) SELECT 'w', id, a, b FROM t WHERE id = %d", low),
		fmt.Sprintf("INSERT INTO log (op, id, a, b) SELECT 'w', id, a, b FROM t WHERE id BETWEEN %d AND %d", low+7, low+20),
		fmt.Sprintf("INSERT INTO log (op, id, a, b) SELECT 'w', id, a, b FROM t WHERE id = %d", id),
	} {
		if _, err := tx.Exec(q); err != nil {
			return err
		}
	}
	// Everybody thinks before the commit, some longer.
	t := time.NewTimer([]time.Duration{5 * time.Millisecond, 20 * time.Millisecond}[rnd.IntN(10)/9])
	<-t.C
	if err := tx.Commit(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inserted[id] = mark
	w.slowest = max(w.slowest, time.Since(start))
	w.done++
	return nil
}

// stop ends the writers and demands that none had an error and all that was
// acknowledged is there.
func (w *writers) stop() {
	w.h.Helper()
	w.cancel()
	w.wg.Wait()
	w.h.Logf("writers: %d transactions, slowest %s, %d errors", w.done, w.slowest.Round(time.Millisecond), len(w.errs))
	require.Empty(w.h, w.errs)
	require.NotZero(w.h, w.done)
	have := map[int64]string{}
	rows, err := w.h.DB.Query("SELECT id, b FROM t")
	require.NoError(w.h, err)
	defer rows.Close()
	for rows.Next() {
		var id int64
		var b sql.NullString
		require.NoError(w.h, rows.Scan(&id, &b))
		have[id] = b.String
	}
	require.NoError(w.h, rows.Err())
	lost := 0
	for id := range w.inserted {
		if _, ok := have[id]; !ok {
			lost++
		}
	}
	require.Zero(w.h, lost, "acknowledged inserts are missing")
}

// logFeed is a changefeed for tests: writers write every change into a log table
// as well, and an applier copies it to the shadow, late. It has the modes and
// markers of the real one.
type logFeed struct {
	*store.DB
	h      *harness
	shadow string
	delay  atomic.Int64       // nanoseconds between looks
	hook   func(stage string) // called when the executor asks for a seal or checks its lease, one at a time
	hooked sync.Mutex

	mu      sync.Mutex
	mode    dxf.FeedMode
	failure *dxf.Error
	kinds   []dxf.MarkerKind // by id - 1
	acked   int
	stop    context.CancelFunc
	ended   chan struct{}
}

func newLogFeed(h *harness) *logFeed {
	return &logFeed{DB: h.Store, h: h, mode: dxf.FeedMerge}
}

func (f *logFeed) begin(shadow string) {
	f.shadow = shadow
	for _, q := range []string{
		"CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, op CHAR(1), id BIGINT, a INT, b VARCHAR(40))",
	} {
		f.h.SQL(q)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop, f.ended = cancel, make(chan struct{})
	go f.run(ctx)
	f.h.Cleanup(func() { cancel(); <-f.ended })
}

func (f *logFeed) run(ctx context.Context) {
	defer close(f.ended)
	for ctx.Err() == nil {
		f.mu.Lock()
		mode, known := f.mode, len(f.kinds)
		f.mu.Unlock()
		if mode == dxf.FeedMerge || mode == dxf.FeedStrict {
			verb := "REPLACE"
			if mode == dxf.FeedStrict {
				verb = "INSERT"
			}
			err := f.apply(ctx, verb)
			var e *mysql.MySQLError
			switch {
			case errors.As(err, &e) && e.Number == 1062:
				f.mu.Lock()
				f.mode, f.failure = dxf.FeedFailed, &dxf.Error{Code: 1062, State: "23000", Message: e.Message}
				f.mu.Unlock()
			case err == nil:
				f.ack(known)
			}
		}
		t := time.NewTimer(max(time.Duration(f.delay.Load()), time.Millisecond))
		<-t.C
	}
}

// ack acknowledges the markers that were there before the last look at the log.
func (f *logFeed) ack(known int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.acked < known {
		f.acked++
		switch f.kinds[f.acked-1] {
		case dxf.MarkPause:
			f.mode = dxf.FeedPaused
			return
		case dxf.MarkSeal:
			f.mode = dxf.FeedSealed
			return
		}
	}
}

func (f *logFeed) apply(ctx context.Context, verb string) error {
	tx, err := f.h.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, "SELECT n, op, id FROM log ORDER BY n")
	if err != nil {
		return err
	}
	written := map[string]string{} // the entry that a row's image is in; "": it is deleted
	var all []string
	for rows.Next() {
		var n, o, id string
		if err := rows.Scan(&n, &o, &id); err != nil {
			return err
		}
		all = append(all, n)
		written[id] = n
		if o == "d" {
			written[id] = ""
		}
	}
	if err := rows.Err(); err != nil || len(all) == 0 {
		return err
	}
	// Few statements, or four writers are faster than this for ever.
	shadow := server.Quote(f.shadow)
	statements := []string{"DELETE FROM " + shadow + " WHERE id IN (" + strings.Join(slices.Collect(maps.Keys(written)), ",") + ")"}
	images := slices.DeleteFunc(slices.Collect(maps.Values(written)), func(n string) bool { return n == "" })
	if len(images) > 0 {
		statements = append(statements, verb+" INTO "+shadow+" (id, a, b) SELECT id, a, b FROM log WHERE n IN ("+strings.Join(images, ",")+")")
	}
	statements = append(statements, "DELETE FROM log WHERE n IN ("+strings.Join(all, ",")+")")
	for _, q := range statements {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (f *logFeed) Feed(context.Context, int64) (dxf.Feed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return dxf.Feed{Mode: f.mode, Error: f.failure}, nil
}

func (f *logFeed) SetFeedMode(ctx context.Context, l dxf.Lease, _ int64, from, to dxf.FeedMode) error {
	if err := f.DB.CheckLease(ctx, l); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.mode {
	case from, to:
		f.mode = to
		return nil
	case dxf.FeedFailed:
		return f.failure
	}
	return fmt.Errorf("feed is %s, not %s", f.mode, from)
}

func (f *logFeed) call(stage string) {
	f.hooked.Lock()
	defer f.hooked.Unlock()
	if f.hook != nil {
		f.hook(stage)
	}
}

func (f *logFeed) CheckLease(ctx context.Context, l dxf.Lease) error {
	f.call("lease")
	return f.DB.CheckLease(ctx, l)
}

func (f *logFeed) Mark(_ context.Context, _ int64, kind dxf.MarkerKind) (int64, error) {
	if kind == dxf.MarkSeal {
		f.call("seal")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kinds = append(f.kinds, kind)
	return int64(len(f.kinds)), nil
}

func (f *logFeed) Marked(_ context.Context, _, id int64) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return false, f.failure
	}
	return int(id) <= f.acked, nil
}
