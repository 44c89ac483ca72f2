package dxftest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/cluster"
	"dxfproxy/grants"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/workload"
)

// fault is what happens to which node at a random moment of the job.
type fault int

const (
	killOwner fault = iota
	killApplier
	killExecutor
	killClients // the node the waiting client is on
	freeze      // any node, with SIGSTOP past its leases, then SIGCONT
	faults
)

func (f fault) String() string {
	return [...]string{"kill the owner", "kill the applier", "kill an executor", "kill the client's node", "freeze a node"}[f]
}

// runs is how many times something random is tried: inCI, or DXFPROXY_FAULT_RUNS by hand.
func runs(t *testing.T, inCI int) int {
	text := os.Getenv("DXFPROXY_FAULT_RUNS")
	if text == "" {
		return inCI
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// firstSeed is DXFPROXY_SEED, or any.
func firstSeed(t *testing.T) uint64 {
	text := os.Getenv("DXFPROXY_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

// TestFaults adds an index under load again and again, each time with one node
// killed or frozen at a random moment. Whatever dies, the index is there at the
// end, every acknowledged row is there once, and nothing is left behind.
func TestFaults(t *testing.T) {
	first := firstSeed(t)
	for i := range runs(t, int(faults)) {
		s := first + uint64(i)
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Logf("seed %d: DXFPROXY_SEED=%d go test ./dxftest -run 'TestFaults/0'", s, s)
			r := &faultRun{T: t, rnd: rand.New(rand.NewPCG(s, 0)), seed: s, kind: fault(s % uint64(faults))}
			r.run()
		})
	}
}

type faultRun struct {
	*testing.T
	rnd  *rand.Rand
	seed uint64
	kind fault

	cluster *cluster.Cluster
	direct  *sql.DB // to the store
	table   workload.Table
}

const faultRows = 60_000

func (r *faultRun) run() {
	t := r.T
	schema, direct := mariadbdtest.Schema(t, srv)
	r.direct = direct
	r.cluster = startCluster(t, 3)
	r.table = workload.Table{Schema: schema, Name: "orders", Rows: faultRows, Seed: int64(r.seed % 1000)}
	require.NoError(t, r.table.Create(t.Context(), direct, nil))
	db := open(t, r.cluster.Nodes[0])
	execute(t, db, "SET GLOBAL dxf_native_ddl_max_size = 0")

	load := workload.Start(t.Context(), workload.Config{
		Table: r.table, DSNs: r.cluster.DSNs(), Writers: 3, Pause: 2 * time.Millisecond, Seed: r.seed,
	})
	defer load.Stop()
	began := time.Now()
	answered := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(context.Background(), "ALTER TABLE "+r.table.Quoted()+" ADD INDEX by_day (created_at), ADD UNIQUE INDEX u (code)")
		answered <- err
	}()
	r.waitForJob()
	victim := r.strike()
	r.waitForEnd()
	err := <-answered
	t.Logf("%v: done after %v, client was answered: %v", r.kind, time.Since(began).Round(time.Millisecond), err)
	if victim != r.cluster.Nodes[0] {
		require.NoError(t, err, "the waiting client's node was never touched")
	}
	require.NoError(t, load.Stop())
	s := load.Stats()
	t.Logf("load: %d commits, %d reconnects, slowest %v", s.Commits, s.Reconnects, s.MaxLatency)
	rep, err := load.Verify(t.Context(), direct)
	require.NoError(t, err)
	require.True(t, rep.Clean(), rep.String())
	r.checkTable()
}

// meta names a framework table of this run.
func (r *faultRun) meta(table string) string { return "`" + metaSchema(r.T) + "`." + table }

func (r *faultRun) waitForJob() {
	require.Eventually(r.T, func() bool {
		return scan[int](r.T, r.direct, "SELECT COUNT(*) FROM "+r.meta("tidb_ddl_job")) == 1
	}, 20*time.Second, 5*time.Millisecond)
}

// strike picks the moment and the node, and does what is to be done.
func (r *faultRun) strike() *cluster.Node {
	t := r.T
	// A moment: a step, and a while within it, about as long as it takes.
	step := 1 + r.rnd.IntN(4)
	while := time.Duration(r.rnd.IntN([...]int{800, 500, 300, 80}[step-1])) * time.Millisecond
	require.Eventually(t, func() bool {
		var at sql.NullInt64
		err := r.direct.QueryRowContext(t.Context(), "SELECT step FROM "+r.meta("tidb_global_task")).Scan(&at)
		return err == sql.ErrNoRows || err == nil && at.Int64 >= int64(step)
	}, time.Minute, 5*time.Millisecond)
	moment := time.NewTimer(while)
	defer moment.Stop()
	<-moment.C

	n := r.victim()
	t.Logf("step %d + %v: %v, %s (%s)", step, while, r.kind, n.Name, n.Addr)
	if r.kind != freeze {
		require.NoError(t, n.Kill())
		return n
	}
	r.freeze(n)
	return n
}

// freeze stops a node for longer than its leases last, which is 10 s.
func (r *faultRun) freeze(n *cluster.Node) {
	require.NoError(r, n.Freeze())
	thaw := time.NewTimer(14 * time.Second)
	defer thaw.Stop()
	<-thaw.C
	require.NoError(r, n.Thaw())
}

func (r *faultRun) victim() *cluster.Node {
	var addr string
	var err error
	switch r.kind {
	case killOwner:
		err = r.direct.QueryRow("SELECT host FROM " + r.meta("owner")).Scan(&addr)
	case killApplier:
		err = r.direct.QueryRow("SELECT exec_id FROM " + r.meta("changefeed") + " WHERE exec_id <> ''").Scan(&addr)
	case killExecutor:
		err = r.direct.QueryRow("SELECT exec_id FROM " + r.meta("tidb_background_subtask") + " WHERE state = 'running' ORDER BY RAND() LIMIT 1").Scan(&addr)
	case killClients:
		return r.cluster.Nodes[0]
	}
	if err != nil && err != sql.ErrNoRows {
		require.NoError(r.T, err)
	}
	for _, n := range r.cluster.Nodes {
		if n.Addr == addr {
			return n
		}
	}
	return r.cluster.Nodes[r.rnd.IntN(len(r.cluster.Nodes))]
}

func (r *faultRun) waitForEnd() {
	t := r.T
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for scan[int](t, r.direct, "SELECT COUNT(*) FROM "+r.meta("tidb_ddl_job")) > 0 {
		if time.Now().After(deadline) {
			var meta string
			_ = r.direct.QueryRow("SELECT job_meta FROM " + r.meta("tidb_ddl_job")).Scan(&meta)
			require.FailNow(t, "the job does not end", meta)
		}
		<-tick.C
	}
}

// checkTable looks at the table from the outside: both indexes are there and
// agree with the rows, and nothing is left behind.
func (r *faultRun) checkTable() {
	t := r.T
	meta := scan[string](t, r.direct, "SELECT CONVERT(job_meta USING utf8mb4) FROM "+r.meta("tidb_ddl_history")+" ORDER BY job_id DESC LIMIT 1")
	require.Contains(t, meta, `"state":"synced"`)
	for _, index := range []string{"by_day", "u", "by_customer", "by_code", "by_note"} {
		n := scan[int](t, r.direct, "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = ? AND table_name = 'orders' AND index_name = ? AND seq_in_index = 1", r.table.Schema, index)
		require.Equal(t, 1, n, "index %s", index)
	}
	checkTable(t, r.direct, r.table.Quoted())
	require.Eventually(t, func() bool {
		left := scan[int](t, r.direct, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name <> 'orders'", r.table.Schema) +
			scan[int](t, r.direct, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE 'scratch%'", grants.Scratch(metaSchema(t))) +
			scan[int](t, r.direct, "SELECT COUNT(*) FROM "+r.meta("changefeed")) +
			scan[int](t, r.direct, "SELECT COUNT(*) FROM "+r.meta("changefeed_marker"))
		return left == 0
	}, 20*time.Second, 100*time.Millisecond, "something is left behind")
	count := scan[int64](t, r.direct, "SELECT COUNT(*) FROM "+r.table.Quoted()+" FORCE INDEX (PRIMARY)")
	for _, index := range []string{"by_day", "u"} {
		n := scan[int64](t, r.direct, fmt.Sprintf("SELECT COUNT(%s) FROM %s FORCE INDEX (%s)", map[string]string{"by_day": "created_at", "u": "code"}[index], r.table.Quoted(), index))
		require.Equal(t, count, n, "rows in index %s", index)
	}
}
