package dxftest

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
)

// An address is one that somebody moves from server to server.
type address struct {
	net.Listener
	mu    sync.Mutex
	to    string
	conns []net.Conn
}

func newAddress(t *testing.T, to string) *address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := &address{Listener: l, to: to}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { a.relay(c) })
		}
	})
	t.Cleanup(func() { l.Close(); a.move(""); all.Wait() })
	return a
}

func (a *address) relay(c net.Conn) {
	defer c.Close()
	a.mu.Lock()
	s, err := net.Dial("tcp", a.to)
	if err == nil {
		a.conns = append(a.conns, c, s)
	}
	a.mu.Unlock()
	if err != nil {
		return
	}
	defer s.Close()
	var both sync.WaitGroup
	for _, d := range [][2]net.Conn{{c, s}, {s, c}} {
		both.Go(func() {
			_, _ = io.Copy(d[0], d[1])
			d[0].Close()
		})
	}
	both.Wait()
}

// move lets the address mean another server, and cuts the connections there are.
func (a *address) move(to string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to = to
	for _, c := range a.conns {
		c.Close()
	}
	a.conns = nil
}

// TestC3Failover: the store fails over to a replica in the middle of a job. Whether the
// nodes are started again or only their connections are, and even where the replica's
// binlog has a transaction that begins at the very place up to which the job has read the
// other server's, the job ends and says why; the table is as it is there, and the
// statement can be run again.
func TestC3Failover(t *testing.T) {
	for name, restart := range map[string]bool{"nodes are started again": true, "the address moves": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFailover(t, restart)
			f.run(f.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
			uniqueTable(f.house)
			for range 3 { // the other server's file of the same name is a later one, and shorter
				execute(t, f.direct, "FLUSH NO_WRITE_TO_BINLOG BINARY LOGS")
			}
			j := f.startSlow(holdCutover, addUnique)
			f.promote()
			execute(t, f.direct, "UPDATE u SET n = n + 100 WHERE id <= 200")
			f.align(j.id)
			definition, checksum := f.definition("u"), f.checksum("u")
			began := time.Now()
			f.move(restart)
			<-j.answer // of a connection that is gone

			require.Eventually(t, func() bool {
				return scan[int](t, f.direct, "SELECT COUNT(*) FROM `"+f.meta+"`.tidb_ddl_history") == 1
			}, 60*time.Second, 50*time.Millisecond, "the job does not end")
			t.Logf("ended after %v", time.Since(began).Round(time.Millisecond))
			f.rolledBack(definition, checksum)
			why := scan[string](t, f.direct, "SELECT CONVERT(job_meta USING utf8mb4) FROM `"+f.meta+"`.tidb_ddl_history")
			require.Contains(t, why, "the store is another server now")

			f.run(f.session(1, ""), addUnique)
			require.Equal(t, "synced", f.state())
			f.nothingLeft()
			require.Equal(t, checksum, f.checksum("u"))
		})
	}
}

// TestFailoverIsNoKill: the store's address moves to a server that has been up all along.
// Whoever waits for a job hears that it goes on, for nobody has killed them.
func TestFailoverIsNoKill(t *testing.T) {
	f := newFailover(t, false)
	f.run(f.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	uniqueTable(f.house)
	j := f.startSlow(holdCutover, addUnique)
	f.move(false)
	refused(t, <-j.answer, 1927, "08S01", fmt.Sprintf("Lost connection to the store behind dxfproxy during query; job %d goes on", j.id))
}

// A failover is a house before a server that is followed by another.
type failover struct {
	*house
	primary, replica *mariadbd.Server
	address          *address // nil: the nodes know both of the servers
}

func newFailover(t *testing.T, restart bool, args ...string) *failover {
	t.Helper()
	meta := metaSchema(t)
	f := &failover{house: &house{T: t, schema: "shop", meta: meta}, primary: mariadbdtest.StartT(t)}
	f.replica = mariadbdtest.ReplicaT(t, f.primary)
	f.direct = f.open(f.primary, "")
	execute(t, f.direct, "CREATE DATABASE shop")
	f.direct = f.open(f.primary, "shop")
	dsn := mariadbdtest.StoreDSN(t, f.primary, meta)
	at := f.primary.Addr() + "," + f.replica.Addr()
	if !restart {
		f.address = newAddress(t, f.primary.Addr())
		at = f.address.Addr().String()
	}
	f.nodes = clustertest.Start(t, strings.Replace(dsn, f.primary.Addr(), at, 1), 2, append(args, "--meta-schema", meta)...).Nodes
	return f
}

func (f *failover) open(srv *mariadbd.Server, schema string) *sql.DB {
	f.Helper()
	cfg, err := mysql.ParseDSN(srv.DSN() + schema)
	require.NoError(f, err)
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	require.NoError(f, err)
	db := sql.OpenDB(connector)
	f.Cleanup(func() { db.Close() })
	return db
}

// promote ends the primary, whose last changes the replica does not get. The cluster's
// nodes stand still meanwhile.
func (f *failover) promote() {
	f.Helper()
	stop, reset := "STOP SLAVE", "RESET SLAVE ALL"
	if f.primary.Kind() == mariadbd.MySQL {
		stop, reset = "STOP REPLICA", "RESET REPLICA ALL"
	}
	replica := f.open(f.replica, "")
	require.Eventually(f, func() bool { // as far as the job's last step at least
		var n int
		err := replica.QueryRowContext(f.Context(), "SELECT COUNT(*) FROM `"+f.meta+"`.tidb_background_subtask WHERE step = 4 AND state = 'running'").Scan(&n)
		return err == nil && n == 1
	}, 30*time.Second, 10*time.Millisecond)
	execute(f.T, replica, stop)
	execute(f.T, f.direct, "UPDATE u SET n = n + 1000 WHERE id > 2000") // lost with the server
	f.primary.Kill()
	execute(f.T, replica, reset)
	f.direct = f.open(f.replica, "shop")
}

// checkpointed waits for the event by which MariaDB says, some time after a binlog file has
// begun, that recovery needs no older one.
func (f *failover) checkpointed(file string) {
	f.Helper()
	require.Eventually(f, func() bool {
		rows, err := f.direct.QueryContext(f.Context(), "SHOW BINLOG EVENTS IN '"+file+"' LIMIT 100")
		require.NoError(f, err)
		defer rows.Close()
		for rows.Next() {
			var in, kind, info string
			var at, id, end int64
			require.NoError(f, rows.Scan(&in, &at, &kind, &id, &end, &info))
			if kind == "Binlog_checkpoint" && info == file {
				return true
			}
		}
		require.NoError(f, rows.Err())
		return false
	}, 10*time.Second, 10*time.Millisecond)
}

// align fills the new server's binlog until a transaction begins there where the job's
// changefeed stands, in a file of that name.
func (f *failover) align(job int64) {
	f.Helper()
	var file string
	var pos int64
	require.NoError(f, f.direct.QueryRowContext(f.Context(), "SELECT binlog_file, binlog_pos FROM `"+f.meta+"`.changefeed WHERE job_id = ?", job).Scan(&file, &pos))
	execute(f.T, f.direct, "CREATE TABLE pad (a LONGBLOB)")
	end := func() (string, int64) {
		p, err := server.BinlogEnd(f.Context(), f.direct)
		require.NoError(f, err)
		return p.File, int64(p.Pos)
	}
	for at, _ := end(); at < file; at, _ = end() {
		execute(f.T, f.direct, "FLUSH NO_WRITE_TO_BINLOG BINARY LOGS")
	}
	at, before := end()
	require.Equal(f, file, at)
	fill := func(n int64) { // MariaDB writes the text to the binlog as well
		execute(f.T, f.direct, fmt.Sprintf("INSERT INTO pad VALUES (REPEAT('x', %010d))", n))
	}
	fill(1000)
	f.checkpointed(file)
	_, now := end()
	rest := int64(0) // what a transaction of such a size takes beside its row
	for n := int64(1000); rest == 0 || pos-now > 45_000; n = 20_000 {
		fill(n)
		_, after := end()
		rest, now = after-now-n, after
	}
	fill(pos - now - rest)
	_, now = end()
	require.Equal(f, pos, now, "in %s, which was at %d", file, before)
}

// move takes the nodes to the new server.
func (f *failover) move(restart bool) {
	f.Helper()
	if !restart {
		f.address.move(f.replica.Addr())
		return
	}
	for _, n := range f.nodes {
		require.NoError(f, n.Kill())
	}
	for _, n := range f.nodes {
		require.NoError(f, n.Start(f.Context()))
	}
}
