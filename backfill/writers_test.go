package backfill_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

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
				if left := time.Until(time.Unix(0, h.held.Load())); left > 0 {
					<-time.After(min(left, time.Millisecond))
					continue
				}
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
