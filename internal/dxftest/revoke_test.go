package dxftest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// TestC12RevokedWhileItCopies: the nodes' account loses its rights on the tables of
// others in the middle of a job. The job says so, and has taken its tables away once
// the rights are back.
func TestC12RevokedWhileItCopies(t *testing.T) {
	h := newHouse(t, 2)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	uniqueTable(h)
	definition := h.definition("u")
	j := h.startSlow(holdCopy, addUnique)
	cfg, err := mysql.ParseDSN(mariadbdtest.StoreDSN(t, srv, h.meta))
	require.NoError(t, err)
	account := "'" + cfg.User + "'@'127.0.0.1'"
	var granted string
	for _, line := range column[string](t, h.direct, "SHOW GRANTS FOR "+account) {
		if strings.Contains(line, " ON *.* ") {
			granted, _, _ = strings.Cut(line, " IDENTIFIED BY ")
		}
	}
	privileges, _, _ := strings.Cut(strings.TrimPrefix(granted, "GRANT "), " ON *.* ")
	execute(t, h.direct, "REVOKE "+privileges+" ON *.* FROM "+account)
	for _, id := range column[int64](t, h.direct, "SELECT id FROM information_schema.processlist WHERE user = '"+cfg.User+"'") {
		_, _ = h.direct.ExecContext(t.Context(), fmt.Sprint("KILL ", id)) // it may be gone
	}
	h.run(j.holder, holdCopy.end)
	told := func() string {
		return scan[string](t, h.direct, "SELECT COALESCE(GROUP_CONCAT(CONVERT(m USING utf8mb4)), '') FROM (SELECT job_meta m FROM `"+
			h.meta+"`.tidb_ddl_job UNION ALL SELECT job_meta FROM `"+h.meta+"`.tidb_ddl_history) x")
	}
	require.Eventually(t, func() bool { return strings.Contains(told(), "denied") }, 30*time.Second, 50*time.Millisecond, "it does not say so: %s", told())
	execute(t, h.direct, granted)
	err = <-j.answer
	t.Log(err)
	if err != nil {
		require.Equal(t, definition, h.definition("u"))
		require.NotContains(t, err.Error(), "no such table")
	}
	h.nothingLeft()
}

// column is what a query answers, whose rows have one value.
func column[T any](t *testing.T, db *sql.DB, query string) (values []T) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var v T
		require.NoError(t, rows.Scan(&v))
		values = append(values, v)
	}
	require.NoError(t, rows.Err())
	return values
}
