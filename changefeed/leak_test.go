package changefeed_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestNothingIsLeft: a manager that was stopped has waited for all it started,
// and its dump thread is gone from the server.
func TestNothingIsLeft(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY)")
	before := goleak.IgnoreCurrent()
	stop := r.run("node-a")
	r.exec("INSERT INTO t VALUES (1)")
	r.sync()
	stop()
	r.eventually("the dump thread ends", func() bool {
		var n int
		err := r.db.QueryRow("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'").Scan(&n)
		return err == nil && n == 0
	})
	if f := r.feed(); f.ExecID != "" {
		t.Errorf("the lease was not given up: %+v", f)
	}
	// The rig's own pools open and tidy connections meanwhile.
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionCleaner"),
		goleak.IgnoreAnyFunction("github.com/go-sql-driver/mysql.(*mysqlConn).startWatcher.func1"))
}
