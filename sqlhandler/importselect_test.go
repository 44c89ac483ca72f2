package sqlhandler_test

import (
	"fmt"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/stretchr/testify/require"
)

func fromSelect(b *bench) {
	db := b.open(0, "root")
	conn, err := client.Connect(b.nodes[0], "root", "", b.schema)
	require.NoError(b, err)
	defer conn.Close()
	res, err := conn.Execute("IMPORT INTO t FROM SELECT 1, 'a', 100 UNION ALL SELECT 2, 'b', 200 WITH thread=2, disable_precheck")
	require.NoError(b, err)
	require.EqualValues(b, 2, res.AffectedRows)
	var rows string
	list := "SELECT GROUP_CONCAT(id, a, g ORDER BY id) FROM t"
	require.NoError(b, db.QueryRow(list).Scan(&rows))
	require.Equal(b, "1a2,2b3", rows, "the store computes generated columns")
	b.refused(db, 8173, "target table is not empty", "IMPORT INTO t FROM SELECT 3, 'c', 1")
	b.exec(db, "DELETE FROM t")

	b.refused(db, 1136, "Column count doesn't match value count at row 1", "IMPORT INTO t FROM SELECT 1, 'a'")
	b.refused(db, 1136, "Column count doesn't match value count at row 1", "IMPORT INTO t (id) FROM SELECT 1, 'a'")
	b.refused(db, 1054, "Unknown column 'nope' in 'field list'", "IMPORT INTO t (nope) FROM SELECT 1")
	b.refused(db, 1110, "Column 'id' specified twice", "IMPORT INTO t (id, id) FROM SELECT 1, 2")
	b.refused(db, 8166, "Unsupported option detached for import from query", "IMPORT INTO t (id) FROM SELECT 1 WITH detached")
	b.refused(db, 8164, "thread", "IMPORT INTO t (id) FROM SELECT 1 WITH thread=0")
	b.refused(db, 1062, "Duplicate entry", "IMPORT INTO t (id) FROM SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 1")
	var n int
	require.NoError(b, db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
	require.Zero(b, n, "all rows or none")

	b.exec(db, "SET autocommit = 0")
	b.exec(db, "IMPORT INTO t (a, id) FROM WITH c AS (SELECT 'x', 5) SELECT * FROM c")
	require.NoError(b, b.direct.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
	require.Equal(b, 1, n, "it is committed")
	require.Empty(b, b.jobs(db, "SHOW IMPORT JOBS"))
	b.exec(db, "CREATE TABLE tasks (id BIGINT, state VARCHAR(64))")
	b.exec(db, "IMPORT INTO tasks FROM SELECT id, state FROM mysql.tidb_global_task")
}

// fromSelectKilled: KILL is the way to stop an import that is no job.
func fromSelectKilled(b *bench) {
	db := b.open(0, "root")
	done := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(b.Context(), "IMPORT INTO t (id) FROM SELECT 1 UNION ALL SELECT SLEEP(60) + 2")
		done <- err
	}()
	var conn int64
	require.Eventually(b, func() bool {
		const sleepingSQL = "SELECT id FROM information_schema.processlist WHERE db = ? AND info LIKE 'INSERT INTO%SLEEP(60)%'"
		return b.direct.QueryRow(sleepingSQL, b.schema).Scan(&conn) == nil
	}, 15*time.Second, 10*time.Millisecond)
	b.exec(b.open(1, "root"), fmt.Sprintf("KILL QUERY %d", conn))
	select {
	case err := <-done:
		b.isError(err, 1317, "interrupted")
	case <-time.After(20 * time.Second):
		b.Fatal("it still sleeps")
	}
	var n int
	require.NoError(b, db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
	require.Zero(b, n)
}

func fromSelectUser(b *bench) {
	b.exec(b.direct, "CREATE TABLE source (id INT, hidden INT)")
	b.user("picker", "SELECT, UPDATE, INSERT, DELETE, ALTER ON SCHEMA.t", "SELECT (id) ON SCHEMA.source")
	db := b.open(0, "picker")
	b.refused(db, 1143, "column 'hidden'", "IMPORT INTO t (id, a) FROM SELECT id, hidden FROM source")
	b.exec(db, "IMPORT INTO t (id, a) FROM SELECT id, id FROM source")
}
