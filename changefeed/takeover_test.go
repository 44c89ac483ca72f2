package changefeed_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/changefeed"
	"dxfproxy/dxf"
	"dxfproxy/store"
)

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
