package dxftest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"dxfproxy/mariadbd/mariadbdtest"
)

// program finds a client program. One that is missing fails the test: what is
// not tested is not known to work.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err, "run make setup")
	return path
}

// output runs a client program that must succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// mariadbArgs are the arguments of the mariadb programs for a node.
func (h *house) mariadbArgs(more ...string) []string {
	host, port, err := net.SplitHostPort(h.nodes[0].Addr)
	require.NoError(h, err)
	return append([]string{"--no-defaults", "-h" + host, "-P" + port, "-uroot"}, more...)
}

// TestMariaDBClient does a day's work with the programs of the MariaDB client.
func TestMariaDBClient(t *testing.T) {
	h := newHouse(t, 1)
	mariadb := program(t, "mariadb")
	again := "CREATE INDEX IF NOT EXISTS by_at ON day (at);"
	if !onMariaDB() {
		again = "DROP INDEX by_at ON day; CREATE INDEX by_at ON day (at);"
	}
	out := output(t, mariadb, h.mariadbArgs("-vvv", h.schema, "-e", `
		CREATE TABLE day (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME, note VARCHAR(80));
		INSERT INTO day (at, note) SELECT NOW() - INTERVAL seq SECOND, SHA2(seq, 256) FROM `+mariadbdtest.Numbers(20000)+`;
		SET GLOBAL tidb_enable_dist_task = ON;
		ALTER TABLE day ADD INDEX by_at (at);
		`+again+`
		SHOW WARNINGS;
		SHOW VARIABLES LIKE 'tidb_ddl_reorg%';
		ADMIN SHOW DDL JOBS 2;
		ADMIN SHOW DDL;
		SELECT state, step FROM mysql.tidb_global_task_history;
		SELECT COUNT(*) FROM day FORCE INDEX (by_at) WHERE at > '2000-01-01';`)...)
	if onMariaDB() {
		require.Contains(t, out, "Query OK, 0 rows affected, 1 warning")
		require.Contains(t, out, "| Note  | 1061 | Duplicate key name 'by_at' |")
	}
	require.Regexp(t, `add index +\| public .* synced \| ingest, DXF`, out)
	require.Contains(t, out, "| succeed |   -2 |")
	require.Contains(t, out, "|    20000 |")
	require.Contains(t, output(t, program(t, "mariadb-dump"), h.mariadbArgs("--single-transaction", h.schema)...), "KEY `by_at` (`at`)")
	require.Contains(t, output(t, program(t, "mariadb-check"), h.mariadbArgs("--check", h.schema)...), "OK")

	cmd := exec.Command(mariadb, h.mariadbArgs(h.schema, "-e", "ALTER TABLE day ADD INDEX i (nope)")...)
	text, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, "ERROR 1072 (42000) at line 1: Key column 'nope' doesn't exist in table", strings.TrimSpace(lastLine(string(text))))
}

// lastLine is the last line that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// TestProgressBar runs the mariadb client on a terminal: while a job waits, it
// shows how far it is and what it waits for; Ctrl-C there cancels the job.
func TestProgressBar(t *testing.T) {
	if !onMariaDB() {
		// MySQL's protocol has no such packets: a client of a MySQL server does not
		// ask for them, and there is nothing to see. make test runs it on MariaDB.
		t.Skip("progress reports are part of MariaDB's protocol")
	}
	h := newHouse(t, 1)
	terminal := startOnTerminal(t, program(t, "mariadb"), h.mariadbArgs("--progress-reports", h.schema)...)
	terminal.waitFor("MariaDB [" + h.schema + "]> ")

	tx, err := h.direct.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec("UPDATE t SET a = 5 WHERE id = 1")
	require.NoError(t, err)
	terminal.write("ALTER TABLE t ADD INDEX waits (a);\n")
	terminal.waitFor("perhaps held by connection")
	require.NoError(t, tx.Rollback())
	terminal.waitFor("Query OK, 0 rows affected")

	tx, err = h.direct.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec("UPDATE t SET a = 5 WHERE id = 1")
	require.NoError(t, err)
	terminal.forget()
	terminal.write("ALTER TABLE t ADD INDEX never (a);\n")
	terminal.waitFor("perhaps held by connection")
	terminal.write("\x03") // Ctrl-C
	terminal.waitFor("ERROR 1317 (70100)")
	require.NoError(t, tx.Rollback())
	h.nothingLeft()
	require.NotContains(t, h.definitions(), "never")
	terminal.write("exit\n")
	require.NoError(t, terminal.cmd.Wait())
}

// terminal is a program on a pseudo terminal.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File

	mu   sync.Mutex
	text strings.Builder
}

func startOnTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer slave.Close()
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 200}))

	term := &terminal{t: t, master: master, cmd: exec.Command(name, args...)}
	term.cmd.Env = append(os.Environ(), "TERM=dumb", "MYSQL_HISTFILE=/dev/null", "LANG=C")
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, slave
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, term.cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			term.mu.Lock()
			term.text.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return // the program has ended
			}
		}
	}()
	t.Cleanup(func() {
		_ = term.cmd.Process.Kill()
		_ = term.cmd.Wait()
		<-read
		master.Close()
		if t.Failed() {
			t.Logf("on the terminal:\n%s", term.seen())
		}
	})
	return term
}

func (m *terminal) seen() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// forget makes waitFor look at what comes from now on.
func (m *terminal) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text.Reset()
}

func (m *terminal) write(s string) {
	m.t.Helper()
	_, err := io.WriteString(m.master, s)
	require.NoError(m.t, err)
}

func (m *terminal) waitFor(s string) {
	m.t.Helper()
	require.Eventually(m.t, func() bool { return strings.Contains(m.seen(), s) }, 30*time.Second, 10*time.Millisecond, "never seen: %s", s)
}

// TestPyMySQL uses the client of many scripts.
func TestPyMySQL(t *testing.T) {
	const python = "/usr/bin/python3"
	require.NoError(t, exec.Command(python, "-c", "import pymysql").Run(), "PyMySQL is not installed: run make setup")
	h := newHouse(t, 1)
	_, port, err := net.SplitHostPort(h.nodes[0].Addr)
	require.NoError(t, err)
	out := output(t, python, "-c", `
import pymysql, pymysql.cursors, sys
from pymysql.constants import CLIENT
c = pymysql.connect(host="127.0.0.1", port=int(sys.argv[1]), user="root", database=sys.argv[2], client_flag=CLIENT.MULTI_STATEMENTS)
cur = c.cursor()
cur.execute("CREATE TABLE py (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(100))")
cur.executemany("INSERT INTO py (a, s) VALUES (%s, %s)", [(i, "näme-%d" % i) for i in range(1000)])
c.commit()
print("alter", cur.execute("ALTER TABLE py ADD INDEX ia (a)"))
for sql in ["ALTER TABLE py ADD INDEX ib (nope)", "ALTER TABLE py ADD UNIQUE INDEX us (s(2))", "SET GLOBAL tidb_enable_dist_task = 'x'"]:
    try:
        cur.execute(sql)
    except pymysql.MySQLError as e:
        print(type(e).__name__, e.args[0])
cur.execute("SET tidb_ddl_reorg_worker_cnt = 2"); cur.execute("SELECT @@tidb_ddl_reorg_worker_cnt, @@autocommit")
print(cur.fetchone())
cur = c.cursor(pymysql.cursors.SSDictCursor)
cur.execute("ADMIN SHOW DDL JOBS WHERE job_type = 'create table'")
row = cur.fetchone()
print(row["TABLE_NAME"], row["STATE"], type(row["CREATE_TIME"]).__name__, type(row["JOB_ID"]).__name__)
cur.fetchall()
cur.execute("SELECT COUNT(*) AS n FROM py FORCE INDEX (ia); SELECT 2 AS n")
print(cur.fetchall(), cur.nextset(), cur.fetchall())
c.close()`, port, h.schema)
	require.Equal(t, `alter 0
OperationalError 1072
IntegrityError 1062
OperationalError 1231
(2, 0)
py synced datetime int
[{'n': 1000}] True [{'n': 2}]
`, out)
}

// TestGoDriver uses database/sql, with and without prepared statements on the
// server, from many goroutines.
func TestGoDriver(t *testing.T) {
	h := newHouse(t, 2)
	for _, params := range []string{"interpolateParams=true", "interpolateParams=false"} {
		t.Run(params, func(t *testing.T) {
			h := h.in(t)
			s := h.session(0, "", params, "parseTime=true")
			h.run(s, "DROP TABLE IF EXISTS g", "CREATE TABLE g (id INT AUTO_INCREMENT PRIMARY KEY, a INT, at DATETIME(6))")
			var clients sync.WaitGroup
			errs := make(chan error, 8)
			for i := range 8 {
				c := h.session(i%2, "", params, "parseTime=true")
				clients.Add(1)
				go func() {
					defer clients.Done()
					for n := range 100 {
						if _, err := c.ExecContext(t.Context(), "INSERT INTO g (a, at) VALUES (?, ?)", i*1000+n, time.Now()); err != nil {
							errs <- err
							return
						}
						var at sql.NullTime
						if err := c.QueryRowContext(t.Context(), "SELECT MAX(at) FROM g WHERE a = ?", i*1000+n).Scan(&at); err != nil || !at.Valid {
							errs <- fmt.Errorf("read back: %w (%v)", err, at)
							return
						}
					}
				}()
			}
			h.run(s, "ALTER TABLE g ADD INDEX ia (a)")
			clients.Wait()
			close(errs)
			for err := range errs {
				t.Error(err)
			}
			require.Equal(t, 800, scan[int](t, h.direct, "SELECT COUNT(*) FROM g FORCE INDEX (ia) WHERE a >= 0"))
		})
	}
	h.nothingLeft()
}

// TestSysbench runs sysbench's transactions through a node while indexes are
// added to its tables.
func TestSysbench(t *testing.T) {
	sysbench := program(t, "sysbench")
	h := newHouse(t, 1)
	host, port, err := net.SplitHostPort(h.nodes[0].Addr)
	require.NoError(t, err)
	args := func(test string, more ...string) []string {
		return append([]string{
			test, "--db-driver=mysql", "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=root", "--mysql-db=" + h.schema,
			"--tables=2", "--table-size=2000", "--threads=4", "--time=2", "--report-interval=0",
		}, more...)
	}
	s := h.session(0, "")
	output(t, sysbench, args("oltp_read_write", "prepare")...)
	require.Equal(t, "add index", text(t, s, "SELECT job_type FROM information_schema.ddl_jobs WHERE table_name = 'sbtest1' ORDER BY job_id DESC LIMIT 1"), "sysbench's own index is a job")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	number := 0
	for _, test := range []string{"oltp_read_write", "oltp_point_select"} {
		for _, mode := range []string{"auto", "disable"} {
			t.Run(test+" "+mode, func(t *testing.T) {
				h := h.in(t)
				done := make(chan string, 1)
				go func() {
					out, err := exec.CommandContext(t.Context(), sysbench, args(test, "--db-ps-mode="+mode, "run")...).CombinedOutput()
					if err != nil {
						done <- fmt.Sprintf("%v\n%s", err, out)
						return
					}
					done <- string(out)
				}()
				number++
				h.run(s, fmt.Sprintf("ALTER TABLE sbtest1 ADD INDEX added_%d (c)", number))
				out := <-done
				require.NotContains(t, out, "FATAL")
				require.NotContains(t, out, "exit status")
				require.Regexp(t, `transactions: +[1-9]\d+ `, out)
				require.Regexp(t, `reconnects: +0 `, out)
				h.nothingLeft()
				checkTable(t, h.direct, "sbtest1")
			})
		}
	}
}
