package mariadbdtest

import (
	"database/sql"
	"fmt"
	"testing"

	"dxfproxy/mariadbd"
)

// ReplicaT starts a server that follows source from now on, and writes to its own
// binlog what it is told. Both should be as they were started: what source has
// already is not copied.
func ReplicaT(t testing.TB, source *mariadbd.Server, options ...string) *mariadbd.Server {
	t.Helper()
	// MariaDB would ask for TLS, MySQL for the source's key.
	status, follow, start := "SHOW MASTER STATUS",
		"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %d, MASTER_USER = 'root', MASTER_LOG_FILE = '%s', "+
			"MASTER_LOG_POS = %d, MASTER_SSL = 0", "START SLAVE"
	if source.Kind() == mariadbd.MySQL {
		status, follow, start = "SHOW BINARY LOG STATUS",
			"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, SOURCE_USER = 'root', SOURCE_LOG_FILE = '%s', "+
				"SOURCE_LOG_POS = %d, GET_SOURCE_PUBLIC_KEY = 1", "START REPLICA"
	}
	var file string
	var pos int64
	rows, err := open(t, source, "").QueryContext(t.Context(), status)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		dest := []any{&file, &pos}
		for range columns[2:] {
			dest = append(dest, new(sql.RawBytes))
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
	}
	replica := StartT(t, append([]string{"server-id=2", "log-slave-updates=ON"}, options...)...)
	db := open(t, replica, "")
	for _, q := range []string{fmt.Sprintf(follow, source.Port(), file, pos), start} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return replica
}
