package changefeed_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSavepoints(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE m (a INT) ENGINE=MyISAM")
	r.mixed()
	r.run("node-a")
	r.session("BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT a", "INSERT INTO t VALUES (2, 2)", "ROLLBACK TO a", "COMMIT",
		// With a table that cannot roll back, the rows and the ROLLBACK TO are in the binlog.
		"BEGIN", "INSERT INTO t VALUES (3, 3)", "SAVEPOINT a", "INSERT INTO m VALUES (1)", "INSERT INTO t VALUES (4, 4)",
		"SAVEPOINT b", "INSERT INTO t VALUES (5, 5)", "ROLLBACK TO b", "ROLLBACK TO a", "INSERT INTO t VALUES (6, 6)", "COMMIT",
		"BEGIN", "INSERT INTO t VALUES (7, 7)", "INSERT INTO m VALUES (1)", "ROLLBACK")
	r.sync()
	require.Equal(t, 3, r.same())
}

// TestTrustSavepointNames: to the servers A is a again. A writer of the table could
// end its job by that, or make the shadow lose rows.
func TestTrustSavepointNames(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE m (a INT) ENGINE=MyISAM")
	r.mixed()
	r.run("node-a")
	r.session("BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT a", "INSERT INTO m VALUES (1)", "INSERT INTO t VALUES (2, 2)", "ROLLBACK TO A", "COMMIT",
		"BEGIN", "SAVEPOINT a", "INSERT INTO m VALUES (1)", "INSERT INTO t VALUES (3, 3)", "SAVEPOINT A", "INSERT INTO t VALUES (4, 4)", "ROLLBACK TO a", "COMMIT")
	r.sync()
	require.Equal(t, 2, r.same())
}
