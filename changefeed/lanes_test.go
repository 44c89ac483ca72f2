package changefeed_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
)

// failing is a store whose transactions of lanes, or of positions, fail every now
// and then: what they wrote is rolled back, other lanes' transactions stay.
type failing struct {
	*store.DB
	spread atomic.Int64 // windows that were opened

	mu    sync.Mutex
	fence func() error
	save  func() error
}

var errBroken = errors.New("broken by the test")

func (s *failing) OpenWindow(ctx context.Context, f dxf.Feed, file string, pos uint32) error {
	s.spread.Add(1)
	return s.DB.OpenWindow(ctx, f, file, pos)
}

func (s *failing) FenceFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fence(); err != nil {
		return err
	}
	return s.DB.FenceFeed(ctx, tx, f)
}

func (s *failing) CommitFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed, c dxf.FeedCommit) error {
	s.mu.Lock()
	err := s.save()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.DB.CommitFeed(ctx, tx, f, c)
}

// behind makes a backlog of full windows in strict mode, for a feed that nobody
// applies yet.
func (r *rig) behind(index string) {
	r.t.Helper()
	r.config.WindowChanges = 20
	stop := r.run("node-a")
	r.exec("INSERT INTO t SELECT seq, CONCAT('a', seq) FROM " + mariadbdtest.Numbers(400))
	r.sync()
	r.strict("ALTER TABLE " + r.shadow + " " + index)
	r.sync()
	stop()
	r.exec("UPDATE t SET v = CONCAT('b', id)", "DELETE FROM t WHERE id > 390", "UPDATE t SET v = CONCAT('c', id)")
}

// account lets appliers that begin after it come by an account of their own.
func (r *rig) account(name, options string) {
	r.t.Helper()
	r.exec("CREATE USER "+name+"@'%' "+options, "GRANT ALL ON *.* TO "+name+"@'%'")
	r.t.Cleanup(func() { r.exec("DROP USER " + name + "@'%'") })
	dsn, err := mysql.ParseDSN(r.config.DSN)
	require.NoError(r.t, err)
	dsn.User = name
	r.config.DSN = dsn.FormatDSN()
}

// TestIdleSession: MySQL closes a session of ours that says nothing for 10 s. Other
// tables' transactions are no reason to say nothing, nor is an undecided one that
// the position cannot pass.
func TestIdleSession(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE o (a INT)")
	r.account("idler", "")
	r.run("node-a")
	r.sync()
	r.session("XA START 'idle'", "INSERT INTO t VALUES (1, 1)", "XA END 'idle'", "XA PREPARE 'idle'")
	t.Cleanup(func() { r.session("XA ROLLBACK 'idle'") }) // the schema could not be dropped
	r.exec("INSERT INTO t VALUES (2, 2)")
	r.sync() // the position is right in front of it
	longest := int64(0)
	r.eventually("something is said", func() bool {
		r.exec("INSERT INTO o VALUES (1)")
		var seconds sql.NullInt64
		err := r.db.QueryRow("SELECT MAX(TIME) FROM information_schema.PROCESSLIST WHERE USER = 'idler' AND DB = ? AND COMMAND = 'Sleep'", r.schema).Scan(&seconds)
		require.NoError(t, err)
		longest = max(longest, seconds.Int64)
		return seconds.Valid && seconds.Int64 < longest
	})
	require.Less(t, longest, int64(10))
}

// TestCrowdedStore: a store that gives out no more sessions is applied to with
// those it has given.
func TestCrowdedStore(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))")
	r.behind("ADD KEY (v)")
	// The feed's first session, the reader's connection, and one for look-ups.
	r.account("crowded", "WITH MAX_USER_CONNECTIONS 3")
	r.config.Lanes = 8
	logs, seen := observer.New(zap.WarnLevel)
	r.config.Logger = zap.New(logs)
	r.run("node-b")
	r.sync()
	require.Equal(t, 390, r.same())
	require.Equal(t, 1, seen.FilterMessageSnippet("open one more session").Len())
	require.Zero(t, seen.FilterMessageSnippet("interrupted").Len())
}

// TestCheckedUnique: what the server looks up before it writes, two sessions may
// write at once.
func TestCheckedUnique(t *testing.T) {
	for index, want := range map[string]bool{"ADD UNIQUE KEY u (v) USING HASH": false, "ADD UNIQUE KEY u (v(20))": true} {
		if !has(index) {
			continue
		}
		t.Run(index, func(t *testing.T) {
			r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)")
			r.behind(index)
			never := func() error { return nil }
			s := &failing{DB: r.store, fence: never, save: never}
			r.runStore("node-b", s)
			r.sync()
			require.Equal(t, 390, r.same())
			require.Equal(t, want, s.spread.Load() > 0, "%d windows were applied side by side", s.spread.Load())
		})
	}
}

// TestZombieLanes freezes an applier when its lanes are about to commit, lets
// another take over, writes to the same rows again, and thaws it.
func TestZombieLanes(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	r.config.WindowChanges = 8
	z := &frozen{DB: r.store}
	r.runStore("zombie", z)
	r.exec("INSERT INTO t SELECT seq, 0 FROM " + mariadbdtest.Numbers(40))
	r.sync()
	r.strict()
	r.sync()
	z.mu.Lock()
	r.exec("UPDATE t SET v = 1")
	r.eventually("a window is open", func() bool { return r.feed().WindowFile != "" })
	r.exec("UPDATE t SET v = 2 WHERE id > 20", "DELETE FROM t WHERE id < 10")
	// The lease runs out, by the store's clock.
	r.exec("UPDATE " + r.meta + ".changefeed SET expires = NOW(6) - INTERVAL 1 SECOND")
	epoch := r.feed().Epoch
	r.run("successor")
	r.eventually("the successor claims", func() bool { return r.feed().Epoch > epoch })
	z.mu.Unlock()
	r.sync()
	require.Equal(t, 31, r.same())
	require.Equal(t, "successor", r.feed().ExecID)
	require.EqualValues(t, 40+40+20+9, r.feed().Applied)
}

// TestWindowLost: a window that was left open must be found again as it was. A
// transaction that comes in pieces was never in one.
func TestWindowLost(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v MEDIUMTEXT)")
	stop := r.run("node-a")
	r.sync()
	r.strict()
	r.sync()
	stop()
	f := r.feed()
	r.exec(fmt.Sprintf("REPLACE INTO %s.changefeed_window VALUES (%d, '%s', %d)", r.meta, r.job, f.File, f.Pos+1000),
		"INSERT INTO t SELECT seq, REPEAT('x', 10000) FROM "+mariadbdtest.Numbers(300))
	r.config.MaxBytes = 4 << 20
	r.run("node-b")
	require.Contains(t, r.failed().Error(), "does not find it again")
}

// TestLanes applies a backlog whose rows change places under a unique index, and
// breaks the applier at every place where a window can be left half applied.
func TestLanes(t *testing.T) {
	const rows, changes = 300, 500
	never := func() error { return nil }
	nth := func(n int) func() error {
		return func() error {
			if n--; n%31 == 0 {
				return errBroken
			}
			return nil
		}
	}
	for name, c := range map[string]struct{ fence, save func() error }{
		"whole":                {never, never},
		"between removals":     {nth(2), never},
		"before images":        {nth(5), never},
		"between images":       {nth(7), never},
		"before the position":  {never, nth(3)},
		"any of the moments":   {nth(9), nth(14)},
		"after the first lane": {nth(1), never},
	} {
		for _, mode := range []dxf.FeedMode{dxf.FeedMerge, dxf.FeedStrict} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seeded(t), 0))
				r := newRig(t, "CREATE TABLE t (id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, u INT UNIQUE, v INT)")
				r.exec("ALTER TABLE "+r.shadow+" DROP KEY u", "INSERT INTO t SELECT CONCAT('k', seq), seq, 0 FROM "+mariadbdtest.Numbers(rows))
				r.config.WindowChanges = 20
				stop := r.run("node-a")
				r.sync()
				if mode == dxf.FeedStrict {
					r.strict("ALTER TABLE " + r.shadow + " ADD UNIQUE KEY u (u)")
				}
				r.sync()
				stop()
				// Rows exchange their values, change the case of their keys, go and come.
				statements := []string{"BEGIN"}
				for n := range changes {
					a, b := rnd.IntN(rows)+1, rnd.IntN(rows)+1
					switch rnd.IntN(4) {
					case 0:
						statements = append(statements, fmt.Sprintf("UPDATE t SET id = IF(id = BINARY UPPER(id), LOWER(id), UPPER(id)) WHERE id = 'k%d'", a))
					case 1:
						statements = append(statements, fmt.Sprintf("DELETE FROM t WHERE id = 'k%d'", a), fmt.Sprintf("INSERT IGNORE INTO t VALUES ('K%d', %d, %d)", b, a, n))
					default:
						statements = append(statements,
							fmt.Sprintf("SELECT COALESCE(MAX(u), -1) INTO @a FROM t WHERE id = 'k%d'", a), fmt.Sprintf("SELECT COALESCE(MAX(u), -1) INTO @b FROM t WHERE id = 'k%d'", b),
							fmt.Sprintf("UPDATE t SET u = NULL WHERE id IN ('k%d', 'k%d')", a, b),
							fmt.Sprintf("UPDATE IGNORE t SET u = NULLIF(@b, -1), v = %d WHERE id = 'k%d'", n, a), fmt.Sprintf("UPDATE IGNORE t SET u = NULLIF(@a, -1), v = %d WHERE id = 'k%d'", n, b))
					}
					if n%5 == 4 {
						statements = append(statements, "COMMIT", "BEGIN")
					}
				}
				r.session(append(statements, "COMMIT")...)

				broken := &failing{DB: r.store, fence: c.fence, save: c.save}
				r.runStore("node-b", broken)
				r.sync()
				require.Positive(t, r.same())
				require.Equal(t, mode, r.feed().Mode)
				require.Empty(t, r.feed().WindowFile)
				if mode == dxf.FeedStrict {
					require.Greater(t, broken.spread.Load(), int64(5), "windows that were applied side by side")
				}
			})
		}
	}
}
