package changefeed_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
)

var (
	seed      = flag.Uint64("seed", 0, "of tests that write at random; 0 takes another one each time")
	stressFor = flag.Duration("stress", 3*time.Second, "how long TestStress writes in each mode")
)

// seeded is the seed of a test, which is told how to run with it again.
func seeded(t *testing.T) uint64 {
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("go test ./changefeed -run '%s' -seed %d", t.Name(), n)
	return n
}

// TestStress writes at random to a table while it is copied in chunks under
// locks, while the applier is replaced every now and then, and compares.
func TestStress(t *testing.T) {
	seed := seeded(t)
	const keys, writers = 600, 3
	r := newRig(t, "CREATE TABLE t (a INT NOT NULL, b VARCHAR(10) COLLATE utf8mb4_general_ci NOT NULL, v BIGINT UNSIGNED, f FLOAT, tx TEXT, g INT AS (a+1) VIRTUAL, PRIMARY KEY (a, b))",
		"INSERT INTO t (a, b, v) SELECT seq % 200, CONCAT('k', seq), seq FROM "+mariadbdtest.Numbers(400))
	r.config.WindowChanges = 10 // so that many are full, and applied side by side
	// The shadow was made after the rows, the feed begins behind them.
	stop := r.run("node-0")
	r.sync()

	write := func(d time.Duration) {
		var wg sync.WaitGroup
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		var txs atomic.Int64
		for w := range writers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd := rand.New(rand.NewPCG(seed, uint64(w)))
				for n := 0; ctx.Err() == nil; n++ {
					if err := transaction(r, rnd, keys, fmt.Sprintf("x%d.%d.%d", r.job, w, n)); err != nil {
						t.Error(err)
						return
					}
					txs.Add(1)
				}
			}()
		}
		// The copy, as executors do it.
		wg.Add(1)
		go func() {
			defer wg.Done()
			if r.feed().Mode != dxf.FeedMerge {
				return
			}
			for lo := 0; lo < 200; {
				err := chunk(r, lo, lo+5)
				var me *mysql.MySQLError
				switch {
				case err == nil:
					lo += 5
				case errors.As(err, &me) && (me.Number == 1205 || me.Number == 1213 || me.Number == server.ErrLockNowait):
				default:
					t.Error(err)
					return
				}
			}
		}()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 1; ctx.Err() == nil; n++ {
				select {
				case <-ctx.Done():
				case <-time.After(d / 5):
					stop()
					stop = r.run(fmt.Sprint("node-", n))
				}
			}
		}()
		wg.Wait()
		t.Logf("%d transactions", txs.Load())
	}

	write(*stressFor)
	r.sync()
	require.Positive(t, r.same())
	r.strict()
	write(*stressFor)
	r.sync()
	require.Positive(t, r.same())
	require.Equal(t, dxf.FeedStrict, r.feed().Mode)
}

// chunk copies lo <= a < hi.
func chunk(r *rig, lo, hi int) error {
	tx, err := r.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.Exec(fmt.Sprintf("INSERT INTO %s (a, b, v, f, tx) SELECT a, b, v, f, tx FROM t FORCE INDEX (PRIMARY) WHERE a >= %d AND a < %d%s ON DUPLICATE KEY UPDATE a = %s.a",
		r.shadow, lo, hi, family().ShareNoWait(), r.shadow))
	if err != nil {
		return err
	}
	return tx.Commit()
}

// transaction is one at random: a few changes, with savepoints, rolled back, or
// as XA. Conflicts with the other writers end it.
func transaction(r *rig, rnd *rand.Rand, keys int, xid string) error {
	ctx := context.Background()
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	begin, end := []string{"BEGIN"}, []string{"COMMIT"}
	switch rnd.IntN(10) {
	case 0:
		end = []string{"ROLLBACK"}
	case 1:
		begin = []string{"XA START '" + xid + "'"}
		end = []string{"XA END '" + xid + "'", "XA PREPARE '" + xid + "'", "XA COMMIT '" + xid + "'"}
		if rnd.IntN(2) == 0 {
			end[2] = "XA ROLLBACK '" + xid + "'"
		}
	}
	key := func() string {
		k := rnd.IntN(keys)
		name := fmt.Sprintf("k%d", k)
		if rnd.IntN(3) == 0 {
			name = strings.ToUpper(name)
		}
		return fmt.Sprintf("a = %d AND b = '%s'", k%200, name)
	}
	statements := begin
	for range 1 + rnd.IntN(4) {
		k := rnd.IntN(keys)
		switch rnd.IntN(7) {
		case 0, 1:
			statements = append(statements, fmt.Sprintf("INSERT IGNORE INTO t (a, b, v, f, tx) VALUES (%d, 'k%d', %d, %g, REPEAT('é', %d))", k%200, k, rnd.Uint64(), rnd.Float32(), rnd.IntN(50)))
		case 2:
			statements = append(statements, "DELETE FROM t WHERE "+key())
		case 3:
			statements = append(statements, fmt.Sprintf("REPLACE INTO t (a, b, v) VALUES (%d, 'K%d', %d)", k%200, k, rnd.Uint64()))
		case 4:
			statements = append(statements, "UPDATE t SET b = IF(b = BINARY UPPER(b), LOWER(b), UPPER(b)) WHERE "+key())
		case 5:
			statements = append(statements, fmt.Sprintf("UPDATE IGNORE t SET a = %d, b = 'k%d' WHERE %s", k%200, k, key()))
		default:
			statements = append(statements, fmt.Sprintf("UPDATE t SET v = %d, f = -f WHERE %s", rnd.Uint64(), key()))
		}
		if rnd.IntN(6) == 0 && len(end) == 1 {
			statements = append(statements, "SAVEPOINT s", "DELETE FROM t WHERE "+key(), "ROLLBACK TO s")
		}
	}
	for _, q := range append(statements, end...) {
		_, err := conn.ExecContext(ctx, q)
		var me *mysql.MySQLError
		if errors.As(err, &me) && (me.Number == 1205 || me.Number == 1213 || me.Number == 1614) {
			for _, q := range []string{"ROLLBACK", "XA END '" + xid + "'", "XA ROLLBACK '" + xid + "'"} {
				_, _ = conn.ExecContext(ctx, q)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}
