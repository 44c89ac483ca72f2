package dxftest

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/cluster/clustertest"
	"dxfproxy/mariadbd/mariadbdtest"
)

// maxQuestions of one ADD INDEX on a small table, with the set-up of its sessions and what
// the node asks by itself meanwhile. They are about 120, and were 150 once.
const maxQuestions = 135

// TestSmallIndexAsksLittle counts the questions that an ADD INDEX on an empty table puts to
// the store: one after the other, they are what a dump with many small changes waits for.
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
		archived(t, direct, metaSchema(t))
		before := questions()
		execute(t, c, fmt.Sprintf("ALTER TABLE `%s`.e%d ADD INDEX i (a)", schema, i))
		n := questions() - before
		t.Logf("%d questions", n)
		if i == 1 || i > 1 && n < least { // the first finds connections that the node's start has left
			least = n
		}
	}
	archived(t, direct, metaSchema(t))
	require.LessOrEqual(t, least, maxQuestions)
	require.Equal(t, jobs, scan[int](t, direct, "SELECT COUNT(*) FROM `"+metaSchema(t)+"`.tidb_background_subtask_history"), "all were jobs")
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
