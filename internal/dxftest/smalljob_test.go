package dxftest

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd/mariadbdtest"
)

// maxQuestions of one ADD INDEX on a small table, with what is written to the history and what
// the node asks by itself meanwhile. They are about 12, and were 120 while it was a job.
const maxQuestions = 20

// TestSmallIndexAsksLittle counts the questions that an ADD INDEX on an empty table puts to
// the store: one after the other, they are what a dump with many small changes waits for.
// While a transaction uses the table it is a job, which keeps nobody waiting.
func TestSmallIndexAsksLittle(t *testing.T) {
	own := mariadbdtest.StartT(t) // where nobody else's are counted
	schema, direct := mariadbdtest.Schema(t, own)
	node := clustertest.Start(t, mariadbdtest.StoreDSN(t, own, metaSchema(t)), 1, "--meta-schema", metaSchema(t)).Nodes[0]
	c := open(t, node)
	questions := func() int {
		var name string
		var n int
		require.NoError(t, direct.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n))
		return n
	}
	least := 0
	const jobs = 8
	for i := range jobs {
		execute(t, direct, fmt.Sprintf("CREATE TABLE `%s`.e%d (id INT PRIMARY KEY, a INT)", schema, i))
		before := questions()
		execute(t, c, fmt.Sprintf("ALTER TABLE `%s`.e%d ADD INDEX i (a)", schema, i))
		n := questions() - before
		t.Logf("%d questions", n)
		if i == 1 || i > 1 && n < least { // the first finds connections that the node's start has left
			least = n
		}
	}
	require.LessOrEqual(t, least, maxQuestions)
	count := func(what string) int { return scan[int](t, direct, "SELECT COUNT(*) FROM `"+metaSchema(t)+"`."+what) }
	shown, err := c.QueryContext(t.Context(), "ADMIN SHOW DDL JOBS 20")
	require.NoError(t, err)
	n := 0
	for shown.Next() {
		n++
	}
	require.NoError(t, shown.Err())
	require.Equal(t, jobs, n, "all are in the history")
	require.Zero(t, count("tidb_background_subtask_history"))

	execute(t, direct, fmt.Sprintf("CREATE TABLE `%s`.used (id INT PRIMARY KEY, a INT)", schema))
	tx, err := direct.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var none int
	require.NoError(t, tx.QueryRow(fmt.Sprintf("SELECT COUNT(*) FROM `%s`.used", schema)).Scan(&none))
	ended := make(chan error, 1)
	go func() {
		_, err := c.ExecContext(t.Context(), fmt.Sprintf("ALTER TABLE `%s`.used ADD INDEX i (a)", schema))
		ended <- err
	}()
	require.Eventually(t, func() bool { return count("tidb_ddl_job") == 1 }, 10*time.Second, 5*time.Millisecond)
	began := time.Now()
	execute(t, direct, fmt.Sprintf("INSERT INTO `%s`.used VALUES (1, 1)", schema))
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-ended)
	archived(t, direct, metaSchema(t))
	require.Equal(t, 1, count("tidb_background_subtask_history"))
}

// BenchmarkSmallIndex measures ADD INDEX on an empty table, at the store and through a node.
func BenchmarkSmallIndex(b *testing.B) {
	const meta = "dxf_small_index"
	own := mariadbdtest.StartT(b)
	schema, direct := mariadbdtest.Schema(b, own)
	node := clustertest.Start(b, mariadbdtest.StoreDSN(b, own, meta), 1, "--meta-schema", meta).Nodes[0]
	through, err := node.Open()
	require.NoError(b, err)
	b.Cleanup(func() { through.Close() })
	n := 0
	for _, way := range []struct {
		name string
		db   *sql.DB
	}{{"store", direct}, {"node", through}} {
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				n++
				name := fmt.Sprintf("`%s`.e%d", schema, n)
				b.StopTimer()
				_, err := direct.ExecContext(b.Context(), "CREATE TABLE "+name+" (id INT PRIMARY KEY, a INT)")
				require.NoError(b, err)
				b.StartTimer()
				_, err = way.db.ExecContext(b.Context(), "ALTER TABLE "+name+" ADD INDEX i (a)")
				require.NoError(b, err)
			}
		})
	}
}
