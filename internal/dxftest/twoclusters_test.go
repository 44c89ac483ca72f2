package dxftest

import (
	"database/sql"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/grants"
	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd/mariadbdtest"
)

// TestC11TwoClusters: two clusters that know nothing of each other change one table of
// one store at once. Each job that says so has made its index; one that the other has
// taken the table from says that, and nothing of either is left.
func TestC11TwoClusters(t *testing.T) {
	schema, direct := mariadbdtest.Schema(t, srv)
	execute(t, direct, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)")
	fillRests(t, direct)
	metas := []string{metaSchema(t), metaSchema(t) + "_2"}
	answers := make([]chan error, len(metas))
	for i, meta := range metas {
		c := clustertest.Start(t, mariadbdtest.StoreDSN(t, srv, meta), 1, "--meta-schema", meta)
		db := open(t, c.Nodes[0])
		execute(t, db, "SET GLOBAL dxf_native_ddl_max_size = 0")
		answers[i] = make(chan error, 1)
		defer func() { execute(t, direct, "DROP DATABASE IF EXISTS "+meta) }()
		go func() {
			_, err := db.ExecContext(t.Context(), "ALTER TABLE "+schema+".t ADD INDEX by_"+[]string{"a", "b"}[i]+" ("+[]string{"a", "b"}[i]+")")
			answers[i] <- err
		}()
	}
	made := 0
	for i := range metas {
		err := <-answers[i]
		t.Logf("cluster %d: %v", i+1, err)
		n := scan[int](t, direct, "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = ? AND table_name = 't' AND index_name = ?", schema, []string{"by_a", "by_b"}[i])
		if err == nil {
			made++
			require.Equal(t, 1, n)
			continue
		}
		var e *mysql.MySQLError
		require.ErrorAs(t, err, &e)
		require.Contains(t, []uint16{8028, 1105}, e.Number, e.Message)
		require.Contains(t, e.Message, "changed")
		require.Zero(t, n)
	}
	require.Positive(t, made)
	left := scan[sql.NullString](t, direct, "SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE (table_schema = ? AND table_name <> 't') OR (table_schema IN (?, ?) AND table_name LIKE 'scratch%')",
		schema, grants.Scratch(metas[0]), grants.Scratch(metas[1]))
	require.False(t, left.Valid, left.String)
	require.Equal(t, 20000, scan[int](t, direct, "SELECT COUNT(*) FROM t WHERE a = id % 100 AND b = id % 1000"))
}

// fillRests fills t with 20,000 rows.
func fillRests(t *testing.T, db *sql.DB) {
	t.Helper()
	execute(t, db, "INSERT INTO t SELECT seq, seq % 100, seq % 1000 FROM "+mariadbdtest.Numbers(20000))
}
