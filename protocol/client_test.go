package protocol

import (
	"bytes"
	"context"
	"crypto/sha1"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

func TestGoDriver(t *testing.T) {
	addr := startRelay(t, &Server{Handler: &testHandler{}})
	schema, _ := mariadbdtest.Schema(t, testStore)
	db := open(t, addr, schema+"?multiStatements=true&allowAllFiles=true&maxAllowedPacket=67108864")

	_, err := db.Exec("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(50), b LONGBLOB)")
	require.NoError(t, err)
	res, err := db.Exec("INSERT INTO t (a) VALUES ('one'), ('two')")
	require.NoError(t, err)
	n, _ := res.RowsAffected()
	require.EqualValues(t, 2, n)

	stmt, err := db.Prepare("SELECT a FROM t WHERE id = ?")
	require.NoError(t, err)
	for range 3 {
		var a string
		require.NoError(t, stmt.QueryRow(2).Scan(&a))
		require.Equal(t, "two", a)
	}
	require.NoError(t, stmt.Close())

	rows, err := db.Query("SELECT 1; SELECT 'x', 2 UNION SELECT 'y', 3; DO 1; SELECT 4")
	require.NoError(t, err)
	results := 1
	for rows.Next() || rows.NextResultSet() {
		results++
	}
	require.NoError(t, rows.Err())
	require.Greater(t, results, 4)
	require.NoError(t, rows.Close())

	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = tx.Exec("INSERT INTO t (a) VALUES (?)", "gone")
	require.NoError(t, err)
	require.NoError(t, tx.Rollback())
	var count int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM t").Scan(&count))
	require.Equal(t, 2, count)

	var e *mysql.MySQLError
	_, err = db.Exec("INSERT INTO t (id) VALUES (1)")
	require.ErrorAs(t, err, &e)
	require.EqualValues(t, 1062, e.Number)

	file := filepath.Join(t.TempDir(), "rows.tsv")
	var text strings.Builder
	const lines = 50_000
	for i := range lines {
		fmt.Fprintf(&text, "%d\tline %d\n", 1000+i, i)
	}
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o644))
	res, err = db.Exec("LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE t (id, a)")
	require.NoError(t, err)
	n, _ = res.RowsAffected()
	require.EqualValues(t, lines, n)
	_, err = db.Exec("LOAD DATA LOCAL INFILE '/nowhere' INTO TABLE t (id, a)")
	require.Error(t, err)

	// Many rows, read slowly and given up half way.
	rows, err = db.Query("SELECT id, a, REPEAT('x', 500) FROM t")
	require.NoError(t, err)
	for range 10 {
		require.True(t, rows.Next())
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM t").Scan(&count))
	require.Equal(t, lines+2, count)
}

// TestPacketsLongerThanAPacket sends and fetches what needs several packets, at
// the lengths where the last one is full, empty or tiny.
func TestPacketsLongerThanAPacket(t *testing.T) {
	addr := startRelay(t, &Server{Handler: &testHandler{}})
	db := open(t, addr, "?maxAllowedPacket=67108864")
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	const overhead = len("\x03SELECT SHA1('')")
	for _, n := range []int{maxPayload - overhead - 1, maxPayload - overhead, maxPayload - overhead + 1, 17 << 20, 2*maxPayload - overhead} {
		text := bytes.Repeat([]byte("x"), n)
		var sum string
		require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT SHA1('"+string(text)+"')").Scan(&sum))
		require.Equal(t, fmt.Sprintf("%x", sha1.Sum(text)), sum)
	}
	// A text row is the length of its value and the value; the length takes 4
	// bytes below 16 MiB and 9 from there on.
	for _, n := range []int{maxPayload - 5, maxPayload - 4, maxPayload - 3, maxPayload, maxPayload + 1, 17 << 20, 2*maxPayload - 9, 2*maxPayload - 8} {
		var got []byte
		require.NoError(t, conn.QueryRowContext(t.Context(), fmt.Sprintf("SELECT REPEAT('y', %d)", n)).Scan(&got))
		require.Len(t, got, n)
		require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT REPEAT(?, ?)", "z", n).Scan(&got))
		require.Len(t, got, n)
	}
	var one int
	require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT 1").Scan(&one))
}

func TestRequestTheStoreFindsTooLong(t *testing.T) {
	addr := startRelay(t, &Server{})
	c := dialRaw(t, addr, capsPyMySQL)
	go func() {
		var seq byte
		_, _ = c.conn.Write(appendPacket(nil, &seq, append([]byte("\x03DO '"), make([]byte, 70<<20)...)))
	}()
	// The store says why and hangs up; the reset may overtake what it says.
	for {
		pkt, err := readPacket(c.conn, nil, 1000)
		if err != nil {
			break
		}
		require.EqualValues(t, 1153, parseError(pkt[headerSize:]).Code)
	}
	require.NoError(t, open(t, addr, "").Ping(), "others are fine")
}

func TestPipelinedCommands(t *testing.T) {
	addr := startRelay(t, &Server{Handler: &testHandler{}})
	c := dialRaw(t, addr, capsLibMariaDB)
	var all []byte
	const n = 300
	for i := range n {
		var seq byte
		all = appendPacket(all, &seq, fmt.Appendf(nil, "\x03SELECT %d, REPEAT('x', %d)", i, i*7))
		seq = 0
		all = appendPacket(all, &seq, []byte{comPing})
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.conn.Write(all)
		sent <- err
	}()
	for i := range n {
		pkts, _ := c.response(respQuery)
		row, err := parseTextRow(pkts[len(pkts)-2].payload, 2)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), row[0])
		_, s := c.response(respOne)
		require.False(t, s.Failed)
	}
	require.NoError(t, <-sent)
}

func TestCommandsCutIntoSingleBytes(t *testing.T) {
	addr := startRelay(t, &Server{Handler: &testHandler{}})
	c := dialRaw(t, addr, capsPyMySQL)
	var seq byte
	for i := range appendPacket(nil, &seq, []byte("\x03SELECT 1")) {
		seq = 0
		_, err := c.conn.Write(appendPacket(nil, &seq, []byte("\x03SELECT 1"))[i : i+1])
		require.NoError(t, err)
	}
	_, s := c.response(respQuery)
	require.False(t, s.Failed)
	c.write(0, nil) // no command at all
	_, s = c.response(respOne)
	require.EqualValues(t, 1047, s.Code)
	c.write(3, []byte{comPing}) // out of order
	_, s = c.response(respOne)
	require.EqualValues(t, 1156, s.Code)
}

func TestChangeUser(t *testing.T) {
	root := open(t, testStore.Addr(), "")
	for _, sql := range []string{
		"CREATE OR REPLACE USER chris@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret')",
		"CREATE OR REPLACE USER eddy@'%' IDENTIFIED BY ''",
	} {
		_, err := root.Exec(sql)
		require.NoError(t, err)
	}
	addr := handling(t, func(_ context.Context, c *Conn, _ Statement) Reply {
		return &ResultSet{Columns: []Column{{Name: "user"}}, Rows: [][]any{{c.User()}}}
	})
	c := dialRaw(t, addr, capsMySQL)
	c.must("SET @a = 1")
	require.False(t, c.changeUser("chris", "secret").Failed)
	pkts := c.must("SELECT CURRENT_USER(), @a")
	require.Equal(t, "\x07chris@%\xfb", string(pkts[3].payload))
	pkts = c.must("TEST user")
	require.Equal(t, "\x05chris", string(pkts[2].payload))
	require.False(t, c.changeUser("eddy", "").Failed)
	require.True(t, c.changeUser("chris", "wrong").Failed)
}

// changeUser logs in anew, with mysql_native_password.
func (c *rawClient) changeUser(user, password string) *scanner {
	c.t.Helper()
	c.send(comChangeUser, []byte(user+"\x00\x00\x00\x2d\x00mysql_native_password\x00")...)
	p := c.read()
	for p.payload[0] == 0xfe {
		_, salt, _ := bytes.Cut(p.payload[1:], []byte{0})
		var answer []byte
		if password != "" {
			answer = scramble(bytes.TrimRight(salt, "\x00"), password)
		}
		c.write(p.seq+1, answer)
		p = c.read()
	}
	return &scanner{caps: c.caps, Failed: p.payload[0] == 0xff}
}

// scramble is the answer of mysql_native_password.
func scramble(salt []byte, password string) []byte {
	one := sha1.Sum([]byte(password))
	two := sha1.Sum(one[:])
	mix := sha1.Sum(append(bytes.Clone(salt), two[:]...))
	for i := range mix {
		mix[i] ^= one[i]
	}
	return mix[:]
}

func TestLogins(t *testing.T) {
	root := open(t, testStore.Addr(), "")
	_, err := root.Exec("CREATE OR REPLACE USER paul@'%' IDENTIFIED BY 'secret'")
	require.NoError(t, err)
	addr := startRelay(t, &Server{})
	var user string
	require.NoError(t, openAs(t, addr, "paul:secret").QueryRow("SELECT CURRENT_USER()").Scan(&user))
	require.Equal(t, "paul@%", user)
	for _, account := range []string{"paul:wrong", "paul", "unknown:secret"} {
		var e *mysql.MySQLError
		require.ErrorAs(t, openAs(t, addr, account).Ping(), &e)
		require.EqualValues(t, 1045, e.Number)
	}
	var e *mysql.MySQLError
	require.ErrorAs(t, openAs(t, addr, "paul:secret", "nowhere").Ping(), &e)
	require.Contains(t, []uint16{1044, 1049}, e.Number)
}

func TestBinlogDumpIsATunnel(t *testing.T) {
	addr := startRelay(t, &Server{})
	c := dialRaw(t, addr, capsPyMySQL)
	c.must("SET @master_binlog_checksum = 'NONE'")
	c.must("SET @mariadb_slave_capability = 4")
	pkts := c.must("SHOW MASTER STATUS")
	if len(pkts) < 8 {
		t.Fatal("the test server keeps no binlog")
	}
	row, err := parseTextRow(pkts[len(pkts)-2].payload, 4)
	require.NoError(t, err)
	b := binary.LittleEndian.AppendUint32(nil, 4)
	b = append(b, 0, 0, 77, 0, 0, 0)
	c.send(comBinlogDump, append(b, row[0].(string)...)...)
	for range 3 {
		require.Equal(t, byte(0), c.read().payload[0])
	}
	c.conn.Close() // the leak check of startRelay waits for the tunnel
}

// run runs a client program and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: run make setup", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestMariaDBClient(t *testing.T) {
	addr := startRelay(t, &Server{Handler: &testHandler{handle: func(_ context.Context, c *Conn, stmt Statement) Reply {
		switch {
		case string(stmt.SQL) == "TEST ok":
			_ = c.Progress(1, 1, 50, "working")
		case bytes.HasPrefix(stmt.SQL, []byte("ALTER")):
			return Forward{}
		}
		return replyTo(stmt.SQL)
	}}})
	_, port, _ := net.SplitHostPort(addr)
	schema, _ := mariadbdtest.Schema(t, testStore)
	out := run(t, "mariadb", "--no-defaults", "-h127.0.0.1", "-P"+port, "-uroot", "-vv", "--progress-reports", schema, "-e", `
		TEST ok; TEST full; TEST rows; TEST empty; SELECT 'after';
		CREATE TABLE t (a INT, b VARCHAR(300));
		INSERT INTO t SELECT seq, REPEAT('x', 300) FROM seq_1_to_20000;
		ALTER TABLE t ENGINE=Aria;
		SELECT COUNT(*) FROM t;`)
	require.Contains(t, out, "Query OK, 300 rows affected, 2 warnings")
	require.Contains(t, out, "2026-11-21 05:00:01.25")
	require.Contains(t, out, "20000")
	dump := run(t, "mariadb-dump", "--no-defaults", "-h127.0.0.1", "-P"+port, "-uroot", schema)
	require.Contains(t, dump, "Dump completed")
	require.Contains(t, run(t, "mariadb-admin", "--no-defaults", "-h127.0.0.1", "-P"+port, "-uroot", "ping", "status", "processlist"), "mysqld is alive")
}

func TestPyMySQL(t *testing.T) {
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import pymysql").Run(); err != nil {
		t.Fatal("PyMySQL is not installed: run make setup")
	}
	addr := startRelay(t, &Server{Handler: &testHandler{handle: func(_ context.Context, _ *Conn, stmt Statement) Reply { return replyTo(stmt.SQL) }}})
	_, port, _ := net.SplitHostPort(addr)
	out := run(t, python, "-c", `
import pymysql, pymysql.cursors, sys
from pymysql.constants import CLIENT
c = pymysql.connect(host="127.0.0.1", port=int(sys.argv[1]), user="root", client_flag=CLIENT.MULTI_STATEMENTS)
cur = c.cursor()
cur.execute("SELECT 1; SELECT 2")
print(cur.fetchall(), cur.nextset(), cur.fetchall())
cur.execute("TEST rows")
print(cur.fetchall())
print(cur.execute("TEST full"))
try:
    cur.execute("TEST error")
except pymysql.MySQLError as e:
    print(e.args)
cur = c.cursor(pymysql.cursors.SSCursor)
cur.execute("SELECT REPEAT('x', 1000) FROM seq_1_to_5000".replace("seq_1", "mysql.seq_1"))
print(sum(1 for _ in cur))
c.ping(); c.kill if False else None
c.select_db("mysql"); c.autocommit(False)
big = "x" * (17 << 20)
cur = c.cursor()
cur.execute("SELECT LENGTH(%s)", (big,))
print(cur.fetchall())
c.close()`, port)
	require.Contains(t, out, "((1,),) True ((2,),)")
	require.Contains(t, out, "'one', datetime.datetime(2026, 11, 21, 5, 0, 1, 250000), 7, 1.5, 1")
	require.Contains(t, out, "300\n(8200, 'not today')\n5000\n((17825792,),)")
}

// TestManySessions runs statements of many kinds at once.
func TestManySessions(t *testing.T) {
	addr := startRelay(t, &Server{Handler: &testHandler{}})
	db := open(t, addr, "")
	db.SetMaxOpenConns(40)
	errs := make(chan error)
	const sessions = 40
	for i := range sessions {
		go func() { errs <- session(t.Context(), db, i) }()
	}
	for range sessions {
		require.NoError(t, <-errs)
	}
}

func session(ctx context.Context, db *sql.DB, i int) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for j := range 50 {
		want := fmt.Sprint(i*1000 + j)
		var got, padding string
		if err := conn.QueryRowContext(ctx, "SELECT ?, REPEAT('x', ?)", want, j*1500).Scan(&got, &padding); err != nil {
			return err
		}
		if got != want || len(padding) != j*1500 {
			return errors.New("answers are mixed up")
		}
	}
	return nil
}
