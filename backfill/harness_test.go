package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/executor/executortest"
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
	real  bool         // the changefeed is the product's
	held  atomic.Int64 // until when (Unix, ns) writers begin nothing, as clients of nodes do not
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
	h.exec.Hold = func(d time.Duration) { h.held.Store(time.Now().Add(d).UnixNano()) }
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
