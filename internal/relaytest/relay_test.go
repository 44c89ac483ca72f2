package relaytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mysqlproto "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

// values are one of each type, as every store writes them.
const values = `SELECT 1, -1, 18446744073709551615, 1.5e0, 1.50, 'text', X'0001', NULL, DATE'2026-11-21',
	TIMESTAMP'2026-11-21 01:02:03.456', TIME'-25:00:01', CAST('{"a": 1}' AS JSON)`

func TestText(t *testing.T) {
	bothWays(t, func(w way) {
		query := values
		if srv.Kind() == mariadbd.MariaDB {
			query = strings.Replace(query, "CAST('{\"a\": 1}' AS JSON)", "JSON_COMPACT('{\"a\":1}')", 1)
		}
		c := w.conn()
		for range 2 {
			// As text, then as a prepared statement.
			for _, args := range [][]any{nil, {1}} {
				q := query
				if args != nil {
					q += " FROM DUAL WHERE ? = 1"
				}
				rows, err := c.QueryContext(w.Context(), q, args...)
				require.NoError(w, err)
				cols, err := rows.ColumnTypes()
				require.NoError(w, err)
				require.True(w, rows.Next())
				got := make([]any, len(cols))
				for i := range got {
					got[i] = new([]byte)
				}
				require.NoError(w, rows.Scan(got...))
				var texts []string
				for _, v := range got {
					texts = append(texts, string(*v.(*[]byte)))
				}
				require.False(w, rows.Next())
				require.NoError(w, rows.Err())
				require.Equal(w, "1|-1|18446744073709551615|1.5|1.50|text|\x00\x01||2026-11-21|2026-11-21 01:02:03.456|-25:00:01|{\"a\":1}",
					strings.ReplaceAll(strings.Join(texts, "|"), ": ", ":"))
			}
		}
	})
}

func TestPrepared(t *testing.T) {
	bothWays(t, func(w way) {
		c := w.conn()
		w.exec(c, "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(40), b BLOB)")
		insert, err := c.PrepareContext(w.Context(), "INSERT INTO t VALUES (?, ?, ?)")
		require.NoError(w, err)
		for i := range 300 {
			_, err := insert.ExecContext(w.Context(), i, fmt.Sprint("row ", i), []byte{0, byte(i), 0xff})
			require.NoError(w, err)
		}
		require.NoError(w, insert.Close())
		byID, err := c.PrepareContext(w.Context(), "SELECT a, b FROM t WHERE id = ?")
		require.NoError(w, err)
		all, err := c.PrepareContext(w.Context(), "SELECT id FROM t ORDER BY id")
		require.NoError(w, err)
		for i := range 300 {
			var a string
			var b []byte
			require.NoError(w, byID.QueryRowContext(w.Context(), i).Scan(&a, &b))
			require.Equal(w, fmt.Sprint("row ", i), a)
			require.Equal(w, []byte{0, byte(i), 0xff}, b)
		}
		for range 3 {
			rows, err := all.QueryContext(w.Context())
			require.NoError(w, err)
			n := 0
			for ; rows.Next(); n++ {
				var id int
				require.NoError(w, rows.Scan(&id))
				require.Equal(w, n, id)
			}
			require.NoError(w, rows.Err())
			require.Equal(w, 300, n)
		}
		// The table is another one now: the columns are sent anew.
		w.exec(c, "ALTER TABLE t ADD COLUMN c INT")
		star, err := c.PrepareContext(w.Context(), "SELECT * FROM t WHERE id = ?")
		require.NoError(w, err)
		rows, err := star.QueryContext(w.Context(), 7)
		require.NoError(w, err)
		cols, err := rows.Columns()
		require.NoError(w, err)
		require.Equal(w, []string{"id", "a", "b", "c"}, cols)
		require.NoError(w, rows.Close())
		require.NoError(w, rows.Err())
		_, err = c.PrepareContext(w.Context(), "SELECT * FROM nowhere")
		require.Equal(w, 1146, errno(w, err))
	})
}

// TestCursor fetches a result in pieces, with another statement in between.
func TestCursor(t *testing.T) {
	bothWays(t, func(w way) {
		setup := w.conn()
		w.exec(setup, "CREATE TABLE t (id INT PRIMARY KEY)")
		var all []string
		for i := range 1000 {
			all = append(all, fmt.Sprintf("(%d)", i))
		}
		w.exec(setup, "INSERT INTO t VALUES "+strings.Join(all, ","))

		const comStmtExecute, comStmtFetch, comStmtReset = 0x17, 0x1c, 0x1a
		const readOnlyCursor = 1
		c := w.raw("root", "")
		send := func(cmd byte, stmt uint32, rest ...byte) {
			c.ResetSequence()
			require.NoError(w, c.WritePacket(append(binary.LittleEndian.AppendUint32([]byte{0, 0, 0, 0, cmd}, stmt), rest...)))
		}
		// read reads to the end packet and returns how many came before it, and
		// the server's status.
		read := func() (n int, status uint16) {
			for ; ; n++ {
				p, err := c.ReadPacket()
				require.NoError(w, err)
				require.NotEqual(w, byte(mysqlproto.ERR_HEADER), p[0], "%q", p)
				if p[0] == mysqlproto.EOF_HEADER && len(p) < 64 {
					return n, binary.LittleEndian.Uint16(p[3:])
				}
			}
		}
		stmt, err := c.Prepare("SELECT id FROM t ORDER BY id")
		require.NoError(w, err)
		id := stmt.ID
		for range 2 {
			send(comStmtExecute, id, readOnlyCursor, 1, 0, 0, 0)
			_, status := read()
			require.NotZero(w, status&mysqlproto.SERVER_STATUS_CURSOR_EXISTS)
			total := 0
			for total < 900 {
				send(comStmtFetch, id, 100, 0, 0, 0)
				n, _ := read()
				require.Equal(w, 100, n)
				total += n
				_, err := c.Execute("DO 1")
				require.NoError(w, err)
			}
			send(comStmtFetch, id, 200, 0, 0, 0)
			n, status := read()
			require.Equal(w, 100, n)
			require.NotZero(w, status&mysqlproto.SERVER_STATUS_LAST_ROW_SEND)
			send(comStmtReset, id)
			_, err := c.ReadOKPacket()
			require.NoError(w, err)
		}
		require.NoError(w, stmt.Close())
		require.NoError(w, c.Ping())
	})
}

func TestMultipleResults(t *testing.T) {
	bothWays(t, func(w way) {
		c := w.conn(func(cfg *mysql.Config) error { cfg.MultiStatements = true; return nil })
		w.exec(c, "CREATE TABLE t (id INT PRIMARY KEY)")
		rows, err := c.QueryContext(w.Context(), "INSERT INTO t VALUES (1), (2); SELECT id FROM t ORDER BY id; SELECT 'a', 'b'; DELETE FROM t; SELECT COUNT(*) FROM t")
		require.NoError(w, err)
		var sizes []int
		for {
			cols, err := rows.Columns()
			require.NoError(w, err)
			if len(cols) > 0 {
				n := 0
				for rows.Next() {
					n++
				}
				sizes = append(sizes, n)
			}
			if !rows.NextResultSet() {
				break
			}
		}
		require.NoError(w, rows.Err())
		require.Equal(w, []int{2, 1, 1}, sizes)

		// The second fails: the third is never run.
		_, err = c.ExecContext(w.Context(), "INSERT INTO t VALUES (5); INSERT INTO t VALUES (5); INSERT INTO t VALUES (6)")
		require.Equal(w, 1062, errno(w, err))
		require.Equal(w, 1, scan[int](w, c, "SELECT COUNT(*) FROM t"))
		if srv.Kind() != mariadbd.TiDB { // which has no procedures
			w.exec(c, "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2, 3; END")
			rows, err := c.QueryContext(w.Context(), "CALL p()")
			require.NoError(w, err)
			results := 1
			for rows.NextResultSet() {
				results++
			}
			require.NoError(w, rows.Err())
			require.GreaterOrEqual(w, results, 2)
		}
		require.Equal(w, 7, scan[int](w, c, "SELECT 7"))
	})
}

func TestLocalInfile(t *testing.T) {
	bothWays(t, func(w way) {
		c := w.conn(func(cfg *mysql.Config) error { cfg.AllowAllFiles = true; return nil })
		w.exec(c, "SET GLOBAL local_infile = ON")
		w.exec(c, "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(60))")
		var text bytes.Buffer
		const lines = 20_000
		for i := range lines {
			fmt.Fprintf(&text, "%d\tline %d\n", i, i)
		}
		file := filepath.Join(w.TempDir(), "rows.tsv")
		require.NoError(w, os.WriteFile(file, text.Bytes(), 0o644))
		n, err := w.exec(c, "LOAD DATA LOCAL INFILE '"+file+"' INTO TABLE t").RowsAffected()
		require.NoError(w, err)
		require.EqualValues(w, lines, n)
		require.Equal(w, "line 19999", scan[string](w, c, "SELECT a FROM t WHERE id = 19999"))
		_, err = c.ExecContext(w.Context(), "LOAD DATA LOCAL INFILE '/nowhere' INTO TABLE t")
		require.Error(w, err)
		require.Equal(w, lines, scan[int](w, c, "SELECT COUNT(*) FROM t"))
	})
}

// TestLongPackets sends and fetches what needs two packets of the protocol.
func TestLongPackets(t *testing.T) {
	bothWays(t, func(w way) {
		long := bytes.Repeat([]byte("0123456789abcdef"), 17<<16) // 17 MiB
		sum := fmt.Sprintf("%x", sha256.Sum256(long))
		c := w.conn(func(cfg *mysql.Config) error { cfg.InterpolateParams = true; return nil })
		require.Equal(w, sum, scan[string](w, c, "SELECT SHA2('"+string(long)+"', 256)"))
		require.Equal(w, sum, fmt.Sprintf("%x", sha256.Sum256([]byte(scan[string](w, c, "SELECT REPEAT('0123456789abcdef', 1114112)")))))

		c = w.conn()
		w.exec(c, "CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB)")
		stored := long
		if srv.Kind() == mariadbd.TiDB {
			stored = long[:5<<20] // the longest that it keeps is 6 MiB
		}
		w.exec(c, "INSERT INTO t VALUES (?, ?)", 1, stored)
		require.Equal(w, string(stored), scan[string](w, c, "SELECT b FROM t WHERE id = ?", 1))
		require.Equal(w, 1, scan[int](w, c, "SELECT 1"))
	})
}

func TestTransactions(t *testing.T) {
	bothWays(t, func(w way) {
		a, b := w.conn(), w.conn()
		w.exec(a, "CREATE TABLE t (id INT PRIMARY KEY, n INT)")
		w.exec(a, "INSERT INTO t VALUES (1, 1), (2, 2)")
		w.exec(b, "SET SESSION innodb_lock_wait_timeout = 1")
		tx, err := a.BeginTx(w.Context(), nil)
		require.NoError(w, err)
		_, err = tx.Exec("UPDATE t SET n = 10 WHERE id = 1")
		require.NoError(w, err)
		require.Equal(w, 1, scan[int](w, b, "SELECT n FROM t WHERE id = 1"), "not committed yet")
		if srv.Kind() != mariadbd.TiDB { // whose in-memory engine waits for minutes
			_, err = b.ExecContext(w.Context(), "UPDATE t SET n = 11 WHERE id = 1")
			require.Equal(w, 1205, errno(w, err), "the row is locked")
		}
		require.NoError(w, tx.Commit())
		require.Equal(w, 10, scan[int](w, b, "SELECT n FROM t WHERE id = 1"))

		tx, err = a.BeginTx(w.Context(), nil)
		require.NoError(w, err)
		_, err = tx.Exec("DELETE FROM t")
		require.NoError(w, err)
		_, err = tx.Exec("INSERT INTO t VALUES (?, ?)", 3, 3)
		require.NoError(w, err)
		require.NoError(w, tx.Rollback())
		require.Equal(w, 2, scan[int](w, b, "SELECT COUNT(*) FROM t"))

		w.exec(a, "SET autocommit = 0")
		w.exec(a, "DELETE FROM t WHERE id = 2")
		require.Equal(w, 2, scan[int](w, b, "SELECT COUNT(*) FROM t"))
		w.exec(a, "COMMIT")
		require.Equal(w, 1, scan[int](w, b, "SELECT COUNT(*) FROM t"))
	})
}

// TestKill ends a statement, then a connection, from another connection.
func TestKill(t *testing.T) {
	bothWays(t, func(w way) {
		victim, killer := w.conn(), w.conn()
		id := scan[uint64](w, victim, "SELECT CONNECTION_ID()")
		for _, kill := range []string{"KILL QUERY %d", "KILL %d"} {
			ended := make(chan error, 1)
			go func() {
				_, err := victim.ExecContext(w.Context(), "SELECT SLEEP(30) /* victim */")
				ended <- err
			}()
			const running = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ? AND INFO LIKE '%victim%'"
			require.Eventually(w, func() bool { return scan[int](w, killer, running, id) == 1 }, 10*time.Second, 10*time.Millisecond)
			w.exec(killer, fmt.Sprintf(kill, id))
			select {
			case err := <-ended:
				w.Logf(kill+": %v", id, err)
			case <-time.After(20 * time.Second):
				require.FailNow(w, "the statement goes on")
			}
			if kill == "KILL QUERY %d" {
				require.Equal(w, id, scan[uint64](w, victim, "SELECT CONNECTION_ID()"))
			}
		}
		require.Error(w, victim.PingContext(w.Context()))
		require.Eventually(w, func() bool {
			return scan[int](w, killer, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ?", id) == 0
		}, 10*time.Second, 10*time.Millisecond)
	})
}
