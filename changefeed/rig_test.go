package changefeed_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"dxfproxy/changefeed"
	"dxfproxy/dxf"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/store"
	"dxfproxy/table"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv, "innodb_lock_wait_timeout=5") }

func family() server.Family {
	if srv.Kind() == mariadbd.MySQL {
		return server.MySQL
	}
	return server.MariaDB
}

// onlyMariaDB is what MySQL has not. Its JSON is a type of its own, and refused
// before a job begins.
var onlyMariaDB = regexp.MustCompile(`\b(UUID|INET4|INET6|JSON|USING HASH|SET STATEMENT)\b`)

// has says whether the store's family knows what statements are made of. Cases of
// those it does not know are no tests there, so they are left out, not skipped.
func has(statements ...string) bool {
	return family() == server.MariaDB || !slices.ContainsFunc(statements, onlyMariaDB.MatchString)
}

// patience is far above what anything here takes on a busy machine.
const patience = 20 * time.Second

var rigs atomic.Int64

// A rig is a table t with a shadow and a feed from one to the other.
type rig struct {
	t      testing.TB
	job    int64
	schema string
	meta   string
	shadow string
	db     *sql.DB // in schema
	store  *store.DB
	config changefeed.Config
}

// newRig creates the table t by the statements given, and its feed. Nobody
// applies it yet.
func newRig(t testing.TB, create ...string) *rig {
	t.Helper()
	n := rigs.Add(1)
	r := &rig{t: t, job: 100 + n, meta: fmt.Sprintf("dxf_%d", n)}
	r.schema, r.db = mariadbdtest.Schema(t, srv)
	var err error
	r.store, err = store.Open(t.Context(), store.Config{DSN: srv.DSN(), Schema: r.meta})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.store.Close()) })
	r.shadow, err = table.ShadowName("t", strconv.FormatInt(r.job, 10))
	require.NoError(t, err)
	r.exec(create...)
	r.exec("CREATE TABLE " + r.shadow + " LIKE t")
	r.config = changefeed.Config{DSN: srv.DSN(), NodeID: "node-a", MetaSchema: r.meta, Logger: logger(t)}
	p, err := server.BinlogEnd(t.Context(), r.db)
	require.NoError(t, err)
	identity, err := server.Identify(t.Context(), r.db)
	require.NoError(t, err)
	tx, err := r.store.SQL().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, r.store.StartFeed(t.Context(), tx, dxf.Feed{
		JobID: r.job, Schema: r.schema, Table: "t", Shadow: r.shadow, Server: identity.String(), File: p.File, Pos: p.Pos,
	}))
	require.NoError(t, tx.Commit())
	return r
}

func logger(t testing.TB) *zap.Logger {
	return zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
}

// run runs a node's manager until the returned function is called (which the end
// of the test does too).
func (r *rig) run(node string) (stop func()) {
	r.t.Helper()
	return r.runStore(node, r.store)
}

func (r *rig) runStore(node string, s changefeed.Store) (stop func()) {
	cfg := r.config
	cfg.NodeID = node
	m, err := changefeed.New(s, cfg)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop = func() {
		if cancel != nil {
			cancel()
			require.NoError(r.t, <-done)
			cancel = nil
		}
	}
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) exec(statements ...string) {
	r.t.Helper()
	for _, q := range statements {
		_, err := r.db.ExecContext(context.Background(), q)
		require.NoError(r.t, err, q)
	}
}

// mixed lets transactions write also to tables that have none, which MySQL refuses
// as long as it numbers transactions.
func (r *rig) mixed() {
	r.t.Helper()
	if family() == server.MariaDB {
		return
	}
	r.exec("SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = OFF_PERMISSIVE", "SET GLOBAL enforce_gtid_consistency = OFF")
	r.t.Cleanup(func() {
		r.exec("SET GLOBAL enforce_gtid_consistency = ON", "SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = ON")
	})
}

// session runs statements on one connection, which ends with them.
func (r *rig) session(statements ...string) {
	r.t.Helper()
	conn, err := r.db.Conn(context.Background())
	require.NoError(r.t, err)
	defer conn.Close()
	defer conn.Raw(func(any) error { return driver.ErrBadConn }) // not to be used again
	for _, q := range statements {
		_, err := conn.ExecContext(context.Background(), q)
		require.NoError(r.t, err, q)
	}
}

func (r *rig) mark(kind dxf.MarkerKind) int64 {
	r.t.Helper()
	id, err := r.store.Mark(context.Background(), r.job, kind)
	require.NoError(r.t, err)
	return id
}

// marked waits for a marker's acknowledgement.
func (r *rig) marked(id int64) error {
	for end := time.Now().Add(patience); ; {
		ok, err := r.store.Marked(context.Background(), r.job, id)
		if ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return errors.New("marker was not acknowledged")
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}

// sync waits until everything committed so far is in the shadow.
func (r *rig) sync() {
	r.t.Helper()
	require.NoError(r.t, r.marked(r.mark(dxf.MarkSync)))
}

// eventually polls.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	require.Eventually(r.t, ok, patience, 5*time.Millisecond, what)
}

// never looks for a while, in the test's own goroutine: no look outlives the test.
func (r *rig) never(what string, wrong func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(100 * time.Millisecond); ; {
		require.False(r.t, wrong(), what)
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

func (r *rig) feed() dxf.Feed {
	r.t.Helper()
	f, err := r.store.Feed(context.Background(), r.job)
	require.NoError(r.t, err)
	return f
}

// binlogEnd is where the binlog ends now. Other tests write to it too.
func (r *rig) binlogEnd() uint32 {
	r.t.Helper()
	p, err := server.BinlogEnd(r.t.Context(), r.db)
	require.NoError(r.t, err)
	return p.Pos
}

// failed waits until the feed has failed, and returns why.
func (r *rig) failed() *dxf.Error {
	r.t.Helper()
	r.eventually("the feed fails", func() bool { return r.feed().Mode == dxf.FeedFailed })
	require.NotNil(r.t, r.feed().Error)
	return r.feed().Error
}

// setMode does what executors do under their subtask's lease.
func (r *rig) setMode(from, to dxf.FeedMode) {
	r.t.Helper()
	res, err := r.db.Exec("UPDATE "+r.meta+".changefeed SET mode = ? WHERE job_id = ? AND mode = ?", string(to), r.job, string(from))
	require.NoError(r.t, err)
	n, err := res.RowsAffected()
	require.NoError(r.t, err)
	require.EqualValues(r.t, 1, n, "the feed was not in mode %s but %s", from, r.feed().Mode)
}

// strict takes the feed from merge to strict, as the build step does, which runs
// statements on the shadow meanwhile.
func (r *rig) strict(statements ...string) {
	r.t.Helper()
	require.NoError(r.t, r.marked(r.mark(dxf.MarkPause)))
	require.Equal(r.t, dxf.FeedPaused, r.feed().Mode)
	r.exec(statements...)
	r.setMode(dxf.FeedPaused, dxf.FeedStrict)
}

// same compares table and shadow, every byte of every column.
func (r *rig) same() int {
	r.t.Helper()
	want, got := r.rows("t"), r.rows(r.shadow)
	for k, v := range want {
		if got[k] != v {
			r.t.Errorf("row %s\n  table:  %s\n  shadow: %s", k, v, got[k])
		}
	}
	for k, v := range got {
		if want[k] == "" {
			r.t.Errorf("row %s\n  table:  none\n  shadow: %s", k, v)
		}
	}
	return len(want)
}

func (r *rig) rows(name string) map[string]string {
	r.t.Helper()
	conn, err := r.db.Conn(context.Background())
	require.NoError(r.t, err)
	defer conn.Close()
	// The text of a FLOAT has six digits; as a DOUBLE it has them all.
	_, err = conn.ExecContext(context.Background(), "SET time_zone = '+00:00'")
	require.NoError(r.t, err)
	info, err := table.Load(context.Background(), conn, r.schema, name)
	require.NoError(r.t, err)
	var cols []string
	for _, c := range info.Columns {
		q := server.Quote(c.Name)
		e := "COALESCE(HEX(" + q + "), 'NULL')"
		switch c.DataType {
		case "float", "double":
			e = "COALESCE(CONCAT(CAST(" + q + " AS CHAR), '/', " + q + " * 1e0), 'NULL')"
		case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "date", "time", "datetime", "timestamp":
			e = "COALESCE(CAST(" + q + " AS CHAR), 'NULL')"
		case "enum", "set":
			e = "COALESCE(CONCAT(" + q + "+0, '/', HEX(" + q + ")), 'NULL')"
		}
		cols = append(cols, e)
	}
	var key []string
	for _, c := range info.CopyKey.Columns {
		key = append(key, "HEX(CAST("+server.Quote(c.Name)+" AS BINARY))")
	}
	rows, err := conn.QueryContext(context.Background(), "SELECT CONCAT_WS(',', "+strings.Join(key, ", ")+"), CONCAT_WS(' | ', "+strings.Join(cols, ", ")+") FROM "+server.Quote(name))
	require.NoError(r.t, err)
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var k, v string
		require.NoError(r.t, rows.Scan(&k, &v))
		all[k] = v
	}
	require.NoError(r.t, rows.Err())
	return all
}
