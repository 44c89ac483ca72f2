package dxftest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// running is an import that a client waits for.
type running struct {
	*importer
	answer chan error
}

// start begins an import that takes a while, and returns when rows are being loaded.
func (im *importer) start(n int, statement string) *running {
	im.Helper()
	r := &running{importer: im, answer: make(chan error, 1)}
	c := im.session(n, "")
	go func() {
		_, err := im.ask(c, statement)
		r.answer <- err
	}()
	require.Eventually(im, func() bool {
		var rows sql.NullInt64
		err := im.direct.QueryRowContext(im.Context(), "SELECT SUM(JSON_VALUE(CONVERT(summary USING utf8mb4), '$.row_count')) FROM `"+im.meta+"`.tidb_background_subtask WHERE step = 1").Scan(&rows)
		return len(r.answer) > 0 || err == nil && rows.Int64 > 0
	}, 30*time.Second, 3*time.Millisecond)
	return r
}

func (r *running) wait() error {
	r.Helper()
	select {
	case err := <-r.answer:
		return err
	case <-time.After(time.Minute):
		require.FailNow(r, "the import does not end")
		return nil
	}
}

// slowFiles are some MB in files that are loaded in about two seconds.
func (im *importer) slowFiles() (statement string, rows int) {
	im.Helper()
	for i := range 4 {
		im.file(fmt.Sprintf("slow-%d.csv", i), csvRows(i*1000+1, (i+1)*1000))
	}
	return "IMPORT INTO load_t FROM " + quote(im.dir+"/slow-*.csv") + " WITH max_write_speed = '2MiB'", 4000
}

// TestImportBeside is what happens beside an import, to its table.
func TestImportBeside(t *testing.T) {
	im := newImporter(t, 3)
	statement, rows := im.slowFiles()
	fresh := func(im *importer) string {
		execute(im.T, im.direct, "DROP TABLE IF EXISTS load_t")
		execute(im.T, im.direct, loadTable)
		return im.definition("load_t")
	}
	t.Run("reads, and a second import", func(t *testing.T) {
		im := im.in(t)
		fresh(im)
		reader := im.poll()
		r := im.start(0, statement)
		other := im.session(1, "")
		for range 3 {
			_, err := im.ask(other, statement)
			refused(t, err, 8173, "HY000", "PreCheck failed: there is active job on the target table already")
		}
		job := im.job(other)
		require.Equal(t, "running|importing", job["Status"]+"|"+job["Phase"])
		require.Contains(t, job["Result_Message"], "import, ")
		require.NoError(t, r.wait())
		reader.zeroOr(t, rows)
		im.loaded(rows)
		im.nothingLeft()
		require.Equal(t, "PreCheck failed: target table is not empty", im.refuse(2, statement, 8173))
		im.loaded(rows)
	})
	t.Run("a row of another client's", func(t *testing.T) {
		im := im.in(t)
		definition := fresh(im)
		r := im.start(0, statement)
		execute(t, im.direct, "INSERT INTO load_t VALUES (7, 7, 'seven', 'mine')")
		refused(t, r.wait(), 8173, "HY000", "PreCheck failed: target table is not empty")
		im.nothingLeft()
		require.Equal(t, "7|7|seven|mine\n", im.list("SELECT * FROM load_t"))
		require.Equal(t, definition, im.definition("load_t"))
		execute(t, im.direct, "DELETE FROM load_t")
		im.load(1, strings.ReplaceAll(statement, "2MiB", "100MiB"))
		im.loaded(rows)
	})
	t.Run("a row that is there for a while", func(t *testing.T) {
		im := im.in(t)
		fresh(im)
		r := im.start(0, statement)
		execute(t, im.direct, "INSERT INTO load_t VALUES (7, 7, 'seven', 'mine')")
		execute(t, im.direct, "DELETE FROM load_t")
		require.NoError(t, r.wait())
		im.loaded(rows)
		im.nothingLeft()
	})
	t.Run("an open transaction", func(t *testing.T) {
		// It has written a row that nobody else sees yet, and commits while the import
		// waits for it.
		im := im.in(t)
		definition := fresh(im)
		other := im.session(1, "")
		defer other.Close()
		im.run(other, "BEGIN", "INSERT INTO load_t VALUES (7, 7, 'seven', 'mine')")
		r := im.start(0, strings.ReplaceAll(statement, "2MiB", "100MiB"))
		im.untilStep(12, r.answer)
		im.run(other, "COMMIT")
		refused(t, r.wait(), 8173, "HY000", "PreCheck failed: target table is not empty")
		im.nothingLeft()
		require.Equal(t, "7|7|seven|mine\n", im.list("SELECT * FROM load_t"))
		require.Equal(t, definition, im.definition("load_t"))
	})
	t.Run("another definition", func(t *testing.T) {
		im := im.in(t)
		fresh(im)
		r := im.start(0, statement)
		execute(t, im.direct, "ALTER TABLE load_t ADD COLUMN extra INT")
		definition := im.definition("load_t")
		refused(t, r.wait(), 8028, "HY000", "")
		im.nothingLeft()
		require.Equal(t, definition, im.definition("load_t"))
		require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM load_t"))
	})
	t.Run("an index", func(t *testing.T) {
		// A change that a job makes waits its turn, or makes the import fail: rows and
		// index are never lost.
		im := im.in(t)
		fresh(im)
		r := im.start(0, statement)
		im.run(im.session(1, ""), "ALTER TABLE load_t ADD INDEX by_pad (pad(50))")
		err := r.wait()
		t.Logf("the import: %v", err)
		if err != nil {
			refused(t, err, 8028, "HY000", "")
		} else {
			im.loaded(rows)
		}
		require.Contains(t, im.definition("load_t"), "KEY `by_pad` (`pad`(50))")
		im.nothingLeft()
	})
	t.Run("the table is dropped", func(t *testing.T) {
		im := im.in(t)
		fresh(im)
		r := im.start(0, statement)
		execute(t, im.direct, "DROP TABLE load_t")
		refused(t, r.wait(), 1146, "42S02", "Table '"+im.schema+".load_t' doesn't exist")
		im.nothingLeft()
	})
	t.Run("the client goes", func(t *testing.T) {
		// TiDB cancels the job of a client that is killed. One whose connection is gone
		// is not told from one whose network is.
		im := im.in(t)
		fresh(im)
		c := im.session(0, "")
		answer := make(chan error, 1)
		go func() {
			_, err := im.ask(c, statement)
			answer <- err
		}()
		im.untilStep(1, answer)
		im.run(im.session(1, ""), "KILL "+text(t, im.session(1, ""), "SELECT id FROM information_schema.processlist WHERE user = 'root' AND info LIKE '%IMPORT INTO load_t%' AND info NOT LIKE '%processlist%' UNION SELECT conn_id FROM `"+im.meta+"`.import_job ORDER BY 1 DESC LIMIT 1"))
		require.Error(t, <-answer)
		job := im.ended(im.session(1, ""), fmt.Sprint(scan[int64](t, im.direct, "SELECT MAX(id) FROM `"+im.meta+"`.tidb_import_jobs")))
		require.Equal(t, "cancelled", job["Status"])
		im.nothingLeft()
		require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM load_t"))
	})
}

// TestImportBadRows: what is wrong with a row is said with its file, line and value,
// and the table is as it was.
func TestImportBadRows(t *testing.T) {
	im := newImporter(t, 2)
	const table = "CREATE TABLE bad_t (id INT NOT NULL PRIMARY KEY, a TINYINT, d DATE, s VARCHAR(5) NOT NULL, e ENUM('x', 'y'), UNIQUE KEY us (s))"
	execute(t, im.direct, table)
	definition := im.definition("bad_t")
	good := "1,1,2020-01-01,a,x\n2,2,2020-01-02,b,y\n"
	const strict, lenient = "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'", "SET sql_mode = ''"
	for i, c := range []struct {
		name    string
		files   []string
		code    uint16
		says    []string // in strict mode
		lenient string   // the third row otherwise; "" when it fails all the same
	}{
		{"text for a number", []string{good, "3,abc,2020-01-03,c,x\n"}, 1366, []string{"'abc' for column", "a", "-1.csv, line 1)"}, "3|0|2020-01-03|c|x\n"},
		{"a number too large", []string{good + "\n3,1000,2020-01-03,c,x\n"}, 1264, []string{"'a'", `value "1000"`, "-0.csv, line 4)"}, "3|127|2020-01-03|c|x\n"},
		{"no date", []string{good, "3,3,2020-02-30,c,x\n"}, 1292, []string{"'2020-02-30' for column", "d", "-1.csv, line 1)"}, "3|3|0000-00-00|c|x\n"},
		{"part of a date", []string{good, "3,3,1990-01-00,c,x\n"}, 1292, []string{"'1990-01-00' for column", "-1.csv, line 1)"}, "3|3|1990-01-00|c|x\n"},
		{"too long", []string{good + "3,3,2020-01-03,abcdefgh,x\n"}, 1406, []string{"Data too long for column 's'", `value "abcdefgh"`, "-0.csv, line 3)"}, "3|3|2020-01-03|abcde|x\n"},
		{"no member", []string{good + "3,3,2020-01-03,c,z\n"}, 1265, []string{"Data truncated for column 'e'", `value "z"`, "-0.csv, line 3)"}, "3|3|2020-01-03|c|\n"},
		{"NULL", []string{good + "\\N,3,2020-01-03,c,z\n"}, 1048, []string{"Column 'id' cannot be null", "-0.csv, line 3)"}, "-"},
		{"not UTF-8", []string{good + "3,3,2020-01-03,c\xff,x\n"}, 1366, []string{`Incorrect string value '\xFF' for column 's'`, "-0.csv, line 3)"}, ""},
		{"a key twice in a file", []string{good + "2,3,2020-01-03,c,x\n"}, 1062, []string{"Duplicate entry '2' for key 'bad_t.PRIMARY'", "-0.csv, line 3)"}, ""},
		{"a key in two files", []string{good, "3,3,2020-01-03,c,x\n1,3,2020-01-03,d,x\n"}, 1062, []string{"Duplicate entry '1' for key 'bad_t.PRIMARY'", "-1.csv, line 2)"}, ""},
		{"a unique value twice", []string{good, "3,3,2020-01-03,a,x\n"}, 1062, []string{"Duplicate entry 'a' for key 'bad_t.us'"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := im.in(t)
			for n, text := range c.files {
				im.file(fmt.Sprintf("bad%d-%d.csv", i, n), text)
			}
			statement := "IMPORT INTO bad_t FROM " + quote(fmt.Sprintf("%s/bad%d-*.csv", im.dir, i))
			client := im.session(i%2, "")
			defer client.Close()
			im.run(client, strict)
			message := im.refuseOn(client, statement, c.code)
			t.Log(message)
			for _, says := range c.says {
				require.Contains(t, message, says)
			}
			job := im.job(client)
			require.Equal(t, "failed", job["Status"])
			require.Contains(t, job["Result_Message"], message)
			require.NotEqual(t, "NULL", job["End_Time"])
			require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM bad_t"))
			require.Equal(t, definition, im.definition("bad_t"))

			im.run(client, lenient)
			switch c.lenient {
			case "":
				require.Equal(t, message, im.refuseOn(client, statement, c.code))
			case "-":
				_, err := im.ask(client, statement)
				t.Logf("without a strict mode: %v", err)
			default:
				im.loadOn(client, statement)
				require.Equal(t, "1|1|2020-01-01|a|x\n2|2|2020-01-02|b|y\n"+c.lenient, im.list("SELECT * FROM bad_t ORDER BY id"))
			}
			execute(t, im.direct, "TRUNCATE TABLE bad_t")
		})
	}
}

// TestImportDirect imports into tables that no other can take the place of: the rows
// come in one transaction.
func TestImportDirect(t *testing.T) {
	im := newImporter(t, 2)
	const rows = 2000
	statement := "IMPORT INTO load_t FROM " + quote(im.file("a.csv", csvRows(1, rows)))
	for _, c := range []struct {
		name         string
		before, more []string
		after        string // undoes it
	}{
		{"child", []string{"CREATE TABLE parent (n INT PRIMARY KEY)", "INSERT INTO parent SELECT seq - 1 FROM " + mariadbdtest.Numbers(1000)}, []string{"ALTER TABLE load_t ADD CONSTRAINT up FOREIGN KEY (n) REFERENCES parent (n)"}, "DROP TABLE load_t, parent"},
		{"parent", nil, []string{"CREATE TABLE child (x INT, CONSTRAINT down FOREIGN KEY (x) REFERENCES load_t (id))"}, "DROP TABLE child, load_t"},
		// TiDB's imports run no triggers.
		{"trigger", nil, []string{"CREATE TABLE noted (n INT)", "CREATE TRIGGER tr AFTER INSERT ON load_t FOR EACH ROW INSERT INTO noted VALUES (1)"}, "DROP TABLE load_t, noted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := im.in(t)
			for _, q := range append(append(c.before, loadTable), c.more...) {
				execute(t, im.direct, q)
			}
			definition := im.definition("load_t")
			reader := im.poll()
			im.load(1, statement)
			reader.zeroOr(t, rows)
			im.loaded(rows)
			require.Equal(t, definition, im.definition("load_t"))
			im.nothingLeft()
			if c.name == "trigger" {
				t.Logf("rows that the trigger wrote: %s", im.list("SELECT COUNT(*) FROM noted"))
			}
			if c.name == "parent" {
				execute(t, im.direct, "INSERT INTO child VALUES (5)") // the key still leads there
				_, err := im.direct.ExecContext(t.Context(), "INSERT INTO child VALUES (50000000)")
				refused(t, err, 1452, "23000", "")
				execute(t, im.direct, "DELETE FROM child")
			}
			// A row of another's, and a duplicate: nothing of the import stays.
			execute(t, im.direct, "DELETE FROM load_t")
			r := im.start(0, statement+" WITH max_write_speed = '1MiB'")
			execute(t, im.direct, "INSERT INTO load_t VALUES (7, 7, 'seven', 'mine')")
			refused(t, r.wait(), 8173, "HY000", "PreCheck failed: target table is not empty")
			require.Equal(t, "7|7|seven|mine\n", im.list("SELECT * FROM load_t"))
			im.nothingLeft()
			execute(t, im.direct, c.after)
		})
	}
}
