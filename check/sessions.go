package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// sessions is what check knows of how others' sessions write to the binlog, whatever
// the global variables are.
type sessions struct {
	hidden     bool    // the server tells nobody, or not this account
	statements []int64 // connections with binlog_format other than ROW
	unlogged   []int64 // connections with sql_log_bin OFF
	// changed: binlog_format was set while the server ran, so that older sessions have
	// another one.
	changed bool
}

const (
	// MariaDB shows nobody the variables of others' sessions.
	selectFormatOrigin = `SELECT GLOBAL_VALUE_ORIGIN = 'SQL' FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'BINLOG_FORMAT'`

	selectFormatOriginMySQL = `SELECT VARIABLE_SOURCE = 'DYNAMIC' FROM performance_schema.variables_info WHERE VARIABLE_NAME = 'binlog_format'`
	selectSessionsMySQL     = `SELECT t.PROCESSLIST_ID, v.VARIABLE_NAME
FROM performance_schema.variables_by_thread v JOIN performance_schema.threads t USING (THREAD_ID)
WHERE t.PROCESSLIST_ID IS NOT NULL
	AND (v.VARIABLE_NAME = 'binlog_format' AND v.VARIABLE_VALUE <> 'ROW' OR v.VARIABLE_NAME = 'sql_log_bin' AND v.VARIABLE_VALUE = 'OFF')
ORDER BY 1`
)

func loadSessions(ctx context.Context, db *sql.DB, kind string) (sessions, error) {
	s := sessions{hidden: kind != mySQL}
	origin := selectFormatOrigin
	if kind == mySQL {
		origin = selectFormatOriginMySQL
	}
	var no *mysql.MySQLError
	err := db.QueryRowContext(ctx, origin).Scan(&s.changed)
	if errors.As(err, &no) || errors.Is(err, sql.ErrNoRows) {
		err = nil // not this server, or not this account
	}
	if err != nil || s.hidden {
		return s, err
	}
	rows, err := db.QueryContext(ctx, selectSessionsMySQL)
	if errors.As(err, &no) {
		s.hidden = true
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return s, err
		}
		if name == "sql_log_bin" {
			s.unlogged = append(s.unlogged, id)
		} else {
			s.statements = append(s.statements, id)
		}
	}
	return s, rows.Err()
}

// lookSessions tells of sessions whose changes jobs would not see.
func lookSessions(s *inspected) (found []finding) {
	if n := s.sessions.statements; len(n) > 0 {
		found = append(found, finding{
			note: true,
			what: fmt.Sprintf("sessions have a binlog_format other than ROW (connections %s): what they change ends jobs", list(n)),
			fix:  []string{"let their applications connect again"},
		})
	}
	if n := s.sessions.unlogged; len(n) > 0 {
		found = append(found, finding{
			note: true,
			what: fmt.Sprintf("sessions have sql_log_bin OFF (connections %s): what they change in the table of a job may be lost", list(n)),
			fix:  []string{"let no job run beside them"},
		})
	}
	if s.sessions.hidden && s.sessions.changed && s.binlog.Format == "ROW" {
		found = append(found, finding{
			note: true,
			what: "binlog_format was set while the server ran: older sessions keep another one, the server does not tell which, " +
				"and what they change ends jobs",
			fix: []string{"let all applications connect again"},
		})
	}
	return found
}

// list names a few connections.
func list(ids []int64) string {
	const most = 8
	var words []string
	for i, id := range ids {
		if i == most {
			words = append(words, fmt.Sprintf("%d more", len(ids)-most))
			break
		}
		words = append(words, fmt.Sprint(id))
	}
	return strings.Join(words, ", ")
}
