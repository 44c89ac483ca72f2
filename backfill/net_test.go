package backfill_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/internal/cluster/wire"
	"dxfproxy/server"
	"dxfproxy/store"
	"dxfproxy/table"
)

// wired opens the store once more, through a proxy; dsn leads there.
func (h *harness) wired() (p *wire.Wire, db *store.DB, dsn string) {
	h.Helper()
	p, err := wire.Listen(srv.Addr())
	require.NoError(h, err)
	h.Cleanup(p.Close)
	mc, err := mysql.ParseDSN(srv.DSN())
	require.NoError(h, err)
	mc.Addr = p.Addr()
	dsn = mc.FormatDSN()
	db, err = store.Open(h.Context(), store.Config{DSN: dsn, Schema: h.Store.Schema()})
	require.NoError(h, err)
	h.Cleanup(func() { require.NoError(h, db.Close()) })
	return p, db, dsn
}

// far lets the executor reach the store through a proxy only.
func (h *harness) far() *wire.Wire {
	h.Helper()
	p, db, _ := h.wired()
	h.feed.DB = db
	h.exec = backfill.NewWorker(db.SQL(), h.feed, h.Log)
	return p
}

// locked is how long clients may wait when a session is dead that has locked the table, on
// a busy machine: 3 s until the server ends it.
const locked = 5 * time.Second

// TestC5SwallowedAtTheCutover: all connections of the node die, without a word, while the
// table is locked, and when the rename stands in the queue.
func TestC5SwallowedAtTheCutover(t *testing.T) {
	for _, c := range []struct {
		stage string
		count int
	}{{"seal", 1}, {"lease", 2}} {
		t.Run(fmt.Sprint(c.stage, c.count), func(t *testing.T) {
			h := start(t, addIndex, nil, base, rows(500))
			h.ready()
			p := h.far()
			w := h.write(1, 1_500)
			seen := map[string]int{}
			h.feed.hook = func(stage string) {
				if seen[stage]++; stage == c.stage && seen[stage] == c.count {
					t.Logf("%d connections are dead", p.Swallow())
				}
			}
			h.through(backfill.StepCutover)
			w.stop()
			require.Less(t, w.slowest, locked)
			h.won()
		})
	}
}

// TestC5FrozenAtTheCutover: the node stands still while it has locked the table.
func TestC5FrozenAtTheCutover(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(500))
	h.ready()
	frozen := false
	h.feed.hook = func(stage string) {
		if stage == "seal" && !frozen {
			frozen = true
			began := time.Now()
			h.SQL("UPDATE t SET a = a WHERE id = 3") // comes through when the server has ended the lock's session
			require.Less(t, time.Since(began), locked)
		}
	}
	h.through(backfill.StepCutover)
	h.won()
}

// TestC4LeftSession: a predecessor's session holds the job's lock, and nobody is there
// to say that it has ended. Its successor ends it, but not while a statement runs on it.
func TestC4LeftSession(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(500))
	h.through(backfill.StepCopy)
	require.True(t, h.next())
	s, err := server.OpenSession(t.Context(), h.DB)
	require.NoError(t, err)
	defer s.Close()
	ok, err := s.Lock(t.Context(), table.JobLock(h.meta.JobID).Name(), 0, nil)
	require.NoError(t, err)
	require.True(t, ok)
	var busy atomic.Bool
	busy.Store(true)
	ended := make(chan error, 1)
	go func() {
		_, err := s.ExecContext(context.WithoutCancel(t.Context()), "DO SLEEP(4)") // longer than a session may do nothing
		busy.Store(false)
		ended <- err
	}()
	began := time.Now()
	_, err = h.run()
	require.NoError(t, err)
	require.False(t, busy.Load())
	require.NoError(t, <-ended)
	require.Error(t, s.PingContext(t.Context()), "it is at the server still")
	require.Less(t, time.Since(began), 14*time.Second)
}

// TestC6CopyFarAway: what a copy takes follows from the work, not from the way to the
// store, and the chunks do not shrink because the answers come late.
func TestC6CopyFarAway(t *testing.T) {
	const many = 60_000
	took := func(trip time.Duration) time.Duration {
		h := start(t, addIndex, nil, base, rows(many), "ANALYZE TABLE t")
		require.True(t, h.next())
		h.far().Delay(trip)
		began := time.Now()
		sum, err := h.run()
		took := time.Since(began)
		require.NoError(t, err)
		require.EqualValues(t, many, sum.RowCount)
		h.requireSame("t", h.meta.Shadow)
		t.Logf("%s: %s", trip, took.Round(time.Millisecond))
		return took
	}
	near := took(0)
	// Of each of the three pieces, two side by side: some 25 trips to begin, one per chunk, a few to end.
	require.Less(t, took(50*time.Millisecond), 3*near+6*time.Second)
}
