package dxftest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// TestAnswers: warnings, counters and errors are those that the store gives itself.
func TestAnswers(t *testing.T) {
	h := newHouse(t, 1)
	s := h.session(0, "")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	// counter is where the table counts on.
	counter := func(table string) (n int) {
		h.run(s, "INSERT INTO "+table+" (a) VALUES (77)")
		return scan[int](t, h.direct, "SELECT MAX(id) FROM "+table)
	}
	t.Run("notes", func(t *testing.T) { h.in(t).sameNotes(s) })
	t.Run("affected rows", func(t *testing.T) { h.in(t).sameCounts(s) })
	t.Run("AUTO_INCREMENT below the counter", func(t *testing.T) {
		h := h.in(t)
		h.run(s, "CREATE TABLE n (id INT PRIMARY KEY AUTO_INCREMENT, a INT) AUTO_INCREMENT = 5001", "INSERT INTO n (id, a) VALUES (1, 1), (20, 2)",
			"ALTER TABLE n AUTO_INCREMENT = 100, ADD INDEX i (a)")
		require.Equal(t, copied, h.steps())
		require.Equal(t, 100, counter("n"))
		h.run(s, "ALTER TABLE n AUTO_INCREMENT = 7, ADD INDEX j (a)")
		require.Equal(t, 101, counter("n"))
		h.run(s, "DELETE FROM n WHERE id > 50", "ALTER TABLE n ADD INDEX k (a)")
		require.Equal(t, 102, counter("n"), "it counts on where it was")
	})
	t.Run("surely double", func(t *testing.T) { h.in(t).doubled(s) })
	if onMariaDB() { // MySQL has that time for SELECT alone, and no periods
		t.Run("max_statement_time", func(t *testing.T) {
			h := h.in(t)
			h.run(s, "CREATE TABLE l (id INT PRIMARY KEY, a INT)", "INSERT INTO l SELECT seq, seq FROM "+mariadbdtest.Numbers(20000))
			slow := h.session(0, "")
			defer slow.Close()
			h.run(slow, "SET max_statement_time = 0.5", "SET GLOBAL tidb_ddl_reorg_max_write_speed = '1KiB'")
			defer h.run(s, "SET GLOBAL tidb_ddl_reorg_max_write_speed = 0")
			_, err := slow.ExecContext(t.Context(), "ALTER TABLE l ADD INDEX i (a)")
			var e *mysql.MySQLError
			require.ErrorAs(t, err, &e)
			require.EqualValues(t, 1969, e.Number)
			require.NotContains(t, h.definition("l"), "KEY `i`")
		})
		t.Run("WITHOUT OVERLAPS", func(t *testing.T) {
			h := h.in(t)
			h.run(s, "CREATE TABLE p (id INT, a INT, x DATE, y DATE, PERIOD FOR v (x, y), PRIMARY KEY (id, v WITHOUT OVERLAPS))", "INSERT INTO p VALUES (1, 1, '2020-01-01', '2020-02-01')",
				"ALTER TABLE p ADD INDEX i (a)")
			require.Equal(t, natively, h.steps())
			require.Contains(t, h.definition("p"), "KEY `i`")
		})
	}
	t.Run("cancel in the queue", func(t *testing.T) { h.in(t).cancelQueued(s) })
	t.Run("pause, alter, resume", func(t *testing.T) { h.in(t).retune(s) })
}

// doubled adds what would be a duplicate whatever is in the table: no job is made of it.
func (h *house) doubled(s *sql.Conn) {
	t := h.T
	h.run(s, "CREATE TABLE d (id INT PRIMARY KEY)", "INSERT INTO d VALUES (1), (2)")
	made := h.made()
	for _, add := range []string{"ADD COLUMN e VARCHAR(5) NOT NULL DEFAULT '', ADD UNIQUE (e)", "ADD COLUMN e INT NOT NULL, ADD COLUMN f INT DEFAULT -3, ADD UNIQUE e (e, f)"} {
		_, err := s.ExecContext(t.Context(), "ALTER TABLE d "+add)
		_, direct := h.direct.ExecContext(t.Context(), "ALTER TABLE d "+add)
		var a, b *mysql.MySQLError
		require.True(t, errors.As(err, &a) && errors.As(direct, &b), "%v %v", err, direct)
		require.Equal(t, b.Number, a.Number)
		require.Equal(t, strings.Replace(strings.Replace(b.Message, "key 'd.", "key '", 1), "key '", "key 'd.", 1), a.Message)
	}
	require.Equal(t, made, h.made(), "a job was made of it")
	h.run(s, "DELETE FROM d WHERE id = 2", "ALTER TABLE d ADD COLUMN e VARCHAR(5) NOT NULL DEFAULT '', ADD UNIQUE (e)")
}

// sameCounts compares how many rows an ALTER says it has changed.
func (h *house) sameCounts(s *sql.Conn) {
	t := h.T
	for _, alter := range []string{"MODIFY a BIGINT, ADD INDEX i (a)", "ADD INDEX i (a), ALGORITHM=COPY", "ADD COLUMN c INT FIRST, ADD INDEX i (a)", "CHANGE a c INT, ADD INDEX i (c)"} {
		var rows [2]int64
		for i, db := range []interface {
			ExecContext(context.Context, string, ...any) (sql.Result, error)
		}{h.direct, s} {
			execute(t, h.direct, "DROP TABLE IF EXISTS r")
			execute(t, h.direct, "CREATE TABLE r (id INT PRIMARY KEY, a INT)")
			execute(t, h.direct, "INSERT INTO r VALUES (1, 1), (2, 2), (3, 3)")
			res, err := db.ExecContext(t.Context(), "ALTER TABLE r "+alter)
			require.NoError(t, err, alter)
			rows[i], err = res.RowsAffected()
			require.NoError(t, err)
		}
		require.Equal(t, rows[0], rows[1], alter)
	}
	h.run(s, "SET sql_notes = 0", "ALTER TABLE r CHANGE c d INT, ADD INDEX k (d, id)")
	require.Empty(t, h.warnings(s))
	h.run(s, "SET sql_notes = 1", "ALTER TABLE r CHANGE d c INT, ADD INDEX l (id, c)")
	require.Contains(t, h.warnings(s), "cannot be copied online")
}

// sameNotes reads the warnings that the store itself would give.
func (h *house) sameNotes(s *sql.Conn) {
	t := h.T
	for _, c := range []struct {
		alter   string
		mariadb bool
	}{
		{alter: "ADD INDEX i (c)", mariadb: true}, // 1071: cut; an error in MySQL
		{alter: "ADD INDEX i (a), ADD INDEX j (a)"},
		{alter: "ADD INDEX IF NOT EXISTS ib (b), ADD INDEX j (b, id)", mariadb: true},
		{alter: "DROP INDEX IF EXISTS nobody, ADD INDEX j (b, id)", mariadb: true},
	} {
		if c.mariadb && !onMariaDB() {
			continue
		}
		direct, err := h.direct.Conn(t.Context())
		require.NoError(t, err)
		h.run(direct, "DROP TABLE IF EXISTS m, twin", "CREATE TABLE m (id INT PRIMARY KEY, a INT, b VARCHAR(20), c VARCHAR(4000), KEY ib (b)) CHARACTER SET latin1",
			"CREATE TABLE twin LIKE m", "ALTER TABLE twin "+c.alter)
		want := strings.ReplaceAll(h.warnings(direct), "twin", "m")
		h.run(s, "ALTER TABLE m "+c.alter)
		require.Equal(t, want, h.warnings(s), c.alter)
		direct.Close()
	}
}

// cancelQueued cancels one of three jobs on a table, the one in the middle: only its client
// hears of it.
func (h *house) cancelQueued(s *sql.Conn) {
	h.run(s, "CREATE TABLE q (id INT PRIMARY KEY, a INT)", "INSERT INTO q VALUES (1, 1), (2, 2)")
	tx, err := h.direct.BeginTx(h.Context(), nil)
	require.NoError(h, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(h.Context(), "INSERT INTO q VALUES (3, 3)")
	require.NoError(h, err)
	var jobs []int
	answers := make([]chan error, 3)
	for i := range answers {
		answers[i] = make(chan error, 1)
		c := h.session(0, "")
		defer c.Close()
		go func() {
			_, err := c.ExecContext(h.Context(), fmt.Sprintf("ALTER TABLE q ADD INDEX i%d (a)", i))
			answers[i] <- err
		}()
		var id int
		require.Eventually(h, func() bool {
			return h.direct.QueryRowContext(h.Context(), "SELECT job_id FROM `"+h.meta+"`.tidb_ddl_job WHERE job_meta LIKE ?", fmt.Sprintf("%%[\"i%d\"]%%", i)).Scan(&id) == nil
		}, 15*time.Second, 5*time.Millisecond)
		jobs = append(jobs, id)
	}
	h.run(s, fmt.Sprintf("ADMIN CANCEL DDL JOBS %d", jobs[1]))
	refused(h.T, <-answers[1], 8214, "HY000", "Cancelled DDL job")
	require.NoError(h, tx.Rollback())
	require.NoError(h, <-answers[0])
	require.NoError(h, <-answers[2])
	require.NotContains(h, h.definition("q"), "`i1`")
}

// retune pauses a job, alters and resumes it, all at once.
func (h *house) retune(s *sql.Conn) {
	h.run(s, "DROP TABLE IF EXISTS r", "CREATE TABLE r (id INT PRIMARY KEY, a INT)", "INSERT INTO r SELECT seq, seq FROM "+mariadbdtest.Numbers(20000))
	slow := h.session(0, "")
	defer slow.Close()
	h.run(slow, "SET GLOBAL tidb_ddl_reorg_max_write_speed = '1KiB'")
	defer h.run(s, "SET GLOBAL tidb_ddl_reorg_max_write_speed = 0")
	done := make(chan error, 1)
	go func() {
		_, err := slow.ExecContext(h.Context(), "ALTER TABLE r ADD INDEX i (a)")
		done <- err
	}()
	var id int
	require.Eventually(h, func() bool {
		return h.direct.QueryRowContext(h.Context(), "SELECT job_id FROM `"+h.meta+"`.tidb_ddl_job WHERE job_meta LIKE '%\"running\"%'").Scan(&id) == nil
	}, 15*time.Second, 5*time.Millisecond)
	n := strconv.Itoa(id)
	result := func(q string) string {
		_, values := firstRow(h.T, func() (*sql.Rows, error) { return s.QueryContext(h.Context(), q) })
		return values[1]
	}
	require.Equal(h, "successful", result("ADMIN PAUSE DDL JOBS "+n))
	h.run(s, "ADMIN ALTER DDL JOBS "+n+" MAX_WRITE_SPEED = 0")
	require.Equal(h, "successful", result("ADMIN RESUME DDL JOBS "+n))
	require.NoError(h, <-done)
}
