package lifeline_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
	"golang.org/x/sync/errgroup"

	"dxfproxy/internal/cluster/wire"
	"dxfproxy/lifeline"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }

// swift is what a dead connection may cost at most: looks after 2 s, a second later
// again, on a busy machine.
const swift = 9 * time.Second

// open is a pool whose way to the server goes through the proxy.
func open(t *testing.T) (*sql.DB, *wire.Wire) {
	t.Helper()
	mc, err := mysql.ParseDSN(srv.DSN())
	require.NoError(t, err)
	p, err := wire.Listen(srv.Addr())
	require.NoError(t, err)
	t.Cleanup(p.Close)
	mc.Addr = p.Addr()
	db, err := lifeline.Open(mc, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, p
}

// TestC4SwallowedPackets: a statement whose answer, or which itself, was swallowed ends
// with a word why, and what its session has locked at the server is free.
func TestC4SwallowedPackets(t *testing.T) {
	_, direct := mariadbdtest.Schema(t, srv)
	for name, statement := range map[string]string{"answer": "SELECT SLEEP(0.5)", "question": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, p := open(t)
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			lock := "swallowed_" + name
			_, err = conn.ExecContext(t.Context(), "DO GET_LOCK('"+lock+"', 0)")
			require.NoError(t, err)
			if statement == "" {
				statement = "DO 1"
				require.NotZero(t, p.Swallow())
			} else {
				time.AfterFunc(250*time.Millisecond, func() { p.Swallow() })
			}
			start := time.Now()
			_, err = conn.ExecContext(context.WithoutCancel(t.Context()), statement)
			require.ErrorIs(t, err, mysql.ErrInvalidConn)
			require.ErrorContains(t, err, "the store's answer did not arrive")
			require.Less(t, time.Since(start), swift)
			t.Log(err, time.Since(start).Round(100*time.Millisecond))
			require.Eventually(t, func() bool {
				var free bool
				return direct.QueryRowContext(t.Context(), "SELECT IS_FREE_LOCK(?)", lock).Scan(&free) == nil && free
			}, swift, 10*time.Millisecond, "its session is at the server still")
		})
	}
}

// TestC4IdleConnectionsAreNotTried: when one connection was found dead, those that nothing
// was heard of since are not given a try each.
func TestC4IdleConnectionsAreNotTried(t *testing.T) {
	t.Parallel()
	db, p := open(t)
	db.SetMaxIdleConns(10)
	var conns []*sql.Conn
	for range 8 {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	require.Equal(t, 8, p.Swallow())
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // a heartbeat has as much patience
	defer cancel()
	require.Error(t, db.PingContext(ctx))
	start := time.Now()
	for range 8 {
		require.NoError(t, db.PingContext(t.Context()))
	}
	require.Less(t, time.Since(start), time.Second)
}

// TestLongStatementsAreLeftAlone: what the server is at takes as long as it takes.
func TestLongStatementsAreLeftAlone(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "DO SLEEP(6)")
	require.NoError(t, err)
}

// TestC14SessionsDoNotDependOnGlobals: what an operator sets for his clients is not for
// the sessions of nodes.
func TestC14SessionsDoNotDependOnGlobals(t *testing.T) {
	t.Parallel()
	own := mariadbdtest.StartT(t)
	_, root := mariadbdtest.Schema(t, own)
	globals := []string{
		"autocommit = 0", "completion_type = 'RELEASE'", "sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'", "wait_timeout = 1", "lock_wait_timeout = 1",
		"sql_select_limit = 1", "sql_safe_updates = 1", "time_zone = '+05:00'", "init_connect = 'SET autocommit = 0'",
		"transaction_isolation = 'SERIALIZABLE'", "tx_isolation = 'SERIALIZABLE'", "tx_read_only = 1", "transaction_read_only = 1",
		"max_statement_time = 0.2", "max_execution_time = 200", "foreign_key_checks = 0", "alter_algorithm = 'COPY'", "net_read_timeout = 1",
	}
	for _, g := range globals {
		_, err := root.ExecContext(t.Context(), "SET GLOBAL "+g)
		if me := (*mysql.MySQLError)(nil); errors.As(err, &me) && (me.Number == 1193 || me.Number == 1238) {
			t.Logf("%s: this server has it not", g)
			continue
		}
		require.NoError(t, err, g)
	}
	_, err := root.ExecContext(t.Context(), "CREATE USER plain@'%' IDENTIFIED BY 'x'") // init_connect is not for SUPER
	require.NoError(t, err)
	_, err = root.ExecContext(t.Context(), "CREATE DATABASE c14")
	require.NoError(t, err)
	_, err = root.ExecContext(t.Context(), "CREATE TABLE c14.t (id INT PRIMARY KEY, s VARCHAR(20)) ENGINE = InnoDB")
	require.NoError(t, err)
	_, err = root.ExecContext(t.Context(), "GRANT ALL ON c14.* TO plain@'%'")
	require.NoError(t, err)
	for _, user := range []string{"root:", "plain:x"} {
		login := srv.DSN()[:strings.Index(srv.DSN(), "@")]
		if user != "root:" {
			login = user
		}
		mc, err := mysql.ParseDSN(fmt.Sprintf("%s@tcp(%s)/", login, own.Addr()))
		require.NoError(t, err)
		db, err := lifeline.Open(mc, nil)
		require.NoError(t, err)
		defer db.Close()
		one, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer one.Close()
		var questions int
		var name string
		require.NoError(t, one.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Questions'").Scan(&name, &questions))
		require.LessOrEqual(t, questions, 5, "C6: far from the store each costs a trip")
		_, err = one.ExecContext(t.Context(), `REPLACE INTO c14.t VALUES (1, '\''), (2, "b")`)
		require.NoError(t, err)
		var n int
		require.NoError(t, root.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM c14.t").Scan(&n))
		require.Equal(t, 2, n, "committed")
		tx, err := one.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted}) // C19
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "DELETE FROM c14.t WHERE s = ''''")
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		var slept int
		require.NoError(t, one.QueryRowContext(t.Context(), "SELECT SLEEP(1.2)").Scan(&slept))
		require.Zero(t, slept, "no limit for statements")
		rows, err := one.QueryContext(t.Context(), "SELECT 1 UNION ALL SELECT 2")
		require.NoError(t, err)
		n = 0
		for rows.Next() {
			n++
		}
		require.NoError(t, rows.Close())
		require.NoError(t, rows.Err())
		require.Equal(t, 2, n)
		const alike = `SELECT @@autocommit = 1 AND @@time_zone = '+00:00' AND @@wait_timeout > 60 AND @@foreign_key_checks
			AND @@character_set_client = 'utf8mb4'`
		require.NoError(t, one.QueryRowContext(t.Context(), alike).Scan(&n))
		require.Equal(t, 1, n)
		_, err = root.ExecContext(t.Context(), "DELETE FROM c14.t")
		require.NoError(t, err)
	}
}

// TestSetUpBesideOthers: many sessions begin at once of an account that may not set the
// format of the binlog, which the first of them finds out for all.
func TestSetUpBesideOthers(t *testing.T) {
	_, direct := mariadbdtest.Schema(t, srv)
	_, err := direct.Exec("CREATE USER IF NOT EXISTS modest@'%'")
	require.NoError(t, err)
	mc, err := mysql.ParseDSN(srv.DSN())
	require.NoError(t, err)
	mc.User, mc.Passwd = "modest", ""
	for range 5 {
		db, err := lifeline.Open(mc, zaptest.NewLogger(t))
		require.NoError(t, err)
		var all errgroup.Group
		for range 20 {
			all.Go(func() error {
				conn, err := db.Conn(t.Context())
				if err == nil {
					err = conn.Close()
				}
				return err
			})
		}
		require.NoError(t, all.Wait())
		require.NoError(t, db.Close())
	}
}
