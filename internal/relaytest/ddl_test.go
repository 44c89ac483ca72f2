package relaytest

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// TestAddIndex: a node gives a store that can run jobs a job, and lets TiDB
// answer with its own.
func TestAddIndex(t *testing.T) {
	node := startNode(t)
	schema, _ := mariadbdtest.Schema(t, srv)
	w := way{t, node.Addr, schema}
	c := w.conn()
	w.exec(c, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)")
	w.exec(c, "INSERT INTO t VALUES (1, 1, 1), (2, 1, 2)")
	w.exec(c, "ALTER TABLE t ADD INDEX by_a (a)")
	w.exec(c, "CREATE UNIQUE INDEX by_b ON t (b)")
	_, err := c.ExecContext(w.Context(), "ALTER TABLE t ADD INDEX by_a (b)")
	require.Equal(t, 1061, errno(w, err))
	_, err = c.ExecContext(w.Context(), "ALTER TABLE t ADD UNIQUE INDEX u (a)")
	require.Equal(t, 1062, errno(w, err))
	_, err = c.ExecContext(w.Context(), "ALTER TABLE t ADD INDEX by_nothing (nothing)")
	require.Equal(t, 1072, errno(w, err))
	require.Equal(t, 2, scan[int](w, c, "SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics WHERE table_schema = ? AND index_name LIKE 'by%'", schema))

	rows, err := c.QueryContext(w.Context(), "ADMIN SHOW DDL JOBS 30")
	require.NoError(t, err)
	defer rows.Close()
	cols, err := rows.Columns()
	require.NoError(t, err)
	require.Equal(t, "JOB_ID DB_NAME TABLE_NAME JOB_TYPE SCHEMA_STATE SCHEMA_ID TABLE_ID ROW_COUNT CREATE_TIME START_TIME END_TIME STATE COMMENTS", strings.Join(cols, " "))
	synced := 0
	for rows.Next() {
		row := make([]any, len(cols))
		for i := range row {
			row[i] = new([]byte)
		}
		require.NoError(t, rows.Scan(row...))
		text := func(i int) string { return string(*row[i].(*[]byte)) }
		if text(1) == schema && text(3) == "add index" && text(11) == "synced" {
			synced++
		}
	}
	require.NoError(t, rows.Err())
	require.Equal(t, 2, synced)

	log, err := os.ReadFile(node.Log)
	require.NoError(t, err)
	const relays = "this node only relays: TiDB runs ADD INDEX and the like as jobs of its own"
	if srv.Kind() == mariadbd.TiDB {
		require.Contains(t, string(log), relays)
	} else {
		require.NotContains(t, string(log), relays)
	}
}
