package dxftest

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
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
	return im.startAs(n, "", statement)
}

// startAs is start for another user than root.
func (im *importer) startAs(n int, user, statement string) *running {
	im.Helper()
	r := &running{importer: im, answer: make(chan error, 1)}
	c := im.session(n, user)
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

// slowFiles are some MB in files that are loaded in about a second.
func (im *importer) slowFiles() (statement string, rows int) {
	im.Helper()
	for i := range 4 {
		im.file(fmt.Sprintf("slow-%d.csv", i), csvRows(i*1000+1, (i+1)*1000))
	}
	return "IMPORT INTO load_t FROM " + quote(im.dir+"/slow-*.csv") + " WITH max_write_speed = '4MiB'", 4000
}

// fresh makes the table anew, and returns its definition.
func (im *importer) fresh() string {
	execute(im.T, im.direct, "DROP TABLE IF EXISTS load_t")
	execute(im.T, im.direct, loadTable)
	return im.definition("load_t")
}

// TestImportBeside is what happens beside an import, to its table.
func TestImportBeside(t *testing.T) {
	t.Parallel()
	im := newImporter(t, 3)
	statement, rows := im.slowFiles()
	t.Run("reads, and a second import", func(t *testing.T) { im.in(t).besideReads(statement, rows) })
	t.Run("a row of another client's", func(t *testing.T) {
		im := im.in(t)
		definition := im.fresh()
		r := im.start(0, statement)
		execute(t, im.direct, "INSERT INTO load_t VALUES (7, 7, 'seven', 'mine')")
		refused(t, r.wait(), 8173, "HY000", "PreCheck failed: target table is not empty")
		im.nothingLeft()
		require.Equal(t, "7|7|seven|mine\n", im.list("SELECT * FROM load_t"))
		require.Equal(t, definition, im.definition("load_t"))
		execute(t, im.direct, "DELETE FROM load_t")
		im.load(1, strings.ReplaceAll(statement, "4MiB", "100MiB"))
		im.loaded(rows)
	})
	t.Run("a row that is there for a while", func(t *testing.T) {
		im := im.in(t)
		im.fresh()
		r := im.start(0, statement)
		execute(t, im.direct, "INSERT INTO load_t VALUES (7, 7, 'seven', 'mine')")
		execute(t, im.direct, "DELETE FROM load_t")
		require.NoError(t, r.wait())
		im.loaded(rows)
		im.nothingLeft()
	})
	t.Run("an open transaction", func(t *testing.T) { im.in(t).besideTransaction(statement) })
	t.Run("another definition", func(t *testing.T) {
		im := im.in(t)
		im.fresh()
		r := im.start(0, statement)
		execute(t, im.direct, "ALTER TABLE load_t ADD COLUMN extra INT")
		definition := im.definition("load_t")
		refused(t, r.wait(), 8028, "HY000", "")
		im.nothingLeft()
		require.Equal(t, definition, im.definition("load_t"))
		require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM load_t"))
	})
	t.Run("an index", func(t *testing.T) { im.in(t).besideIndex(statement, rows) })
	t.Run("the table is dropped", func(t *testing.T) {
		im := im.in(t)
		im.fresh()
		r := im.start(0, statement)
		execute(t, im.direct, "DROP TABLE load_t")
		refused(t, r.wait(), 1146, "42S02", "Table '"+im.schema+".load_t' doesn't exist")
		im.nothingLeft()
	})
	t.Run("the client goes", func(t *testing.T) { im.in(t).clientGoes(statement) })
}

// besideTransaction: it has written a row that nobody else sees yet, and commits while
// the import waits for it.
func (im *importer) besideTransaction(statement string) {
	t := im.T
	definition := im.fresh()
	other := im.session(1, "")
	defer other.Close()
	im.run(other, "BEGIN", "INSERT INTO load_t VALUES (7, 7, 'seven', 'mine')")
	r := im.start(0, strings.ReplaceAll(statement, "4MiB", "100MiB"))
	im.untilStep(12, r.answer)
	im.run(other, "COMMIT")
	refused(t, r.wait(), 8173, "HY000", "PreCheck failed: target table is not empty")
	im.nothingLeft()
	require.Equal(t, "7|7|seven|mine\n", im.list("SELECT * FROM load_t"))
	require.Equal(t, definition, im.definition("load_t"))
}

// besideIndex: a change that a job makes waits its turn, or makes the import fail: rows
// and index are never lost.
func (im *importer) besideIndex(statement string, rows int) {
	t := im.T
	im.fresh()
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
}

// clientGoes: TiDB cancels the job of a client that is killed. One whose connection is
// gone is not told from one whose network is.
func (im *importer) clientGoes(statement string) {
	t := im.T
	im.fresh()
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
}

// besideReads: who reads the table meanwhile finds none of the rows or all of them.
func (im *importer) besideReads(statement string, rows int) {
	t := im.T
	im.fresh()
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
}

// badRow is a file or two with something wrong in the third row.
type badRow struct {
	name    string
	files   []string
	code    uint16
	says    []string // in strict mode
	lenient string   // the row otherwise; "" when it fails all the same
}

const goodRows = "1,1,2020-01-01,a,x\n2,2,2020-01-02,b,y\n"

var badRows = []badRow{
	{"text for a number", []string{goodRows, "3,abc,2020-01-03,c,x\n"}, 1366, []string{"'abc' for column", "a", "-1.csv, line 1)"}, "3|0|2020-01-03|c|x\n"},
	{"a number too large", []string{goodRows + "\n3,1000,2020-01-03,c,x\n"}, 1264, []string{"'a'", `value "1000"`, "-0.csv, line 4)"}, "3|127|2020-01-03|c|x\n"},
	{"no date", []string{goodRows, "3,3,2020-02-30,c,x\n"}, 1292, []string{"'2020-02-30' for column", "d", "-1.csv, line 1)"}, "3|3|0000-00-00|c|x\n"},
	{"part of a date", []string{goodRows, "3,3,1990-01-00,c,x\n"}, 1292, []string{"'1990-01-00' for column", "-1.csv, line 1)"}, "3|3|1990-01-00|c|x\n"},
	{"too long", []string{goodRows + "3,3,2020-01-03,abcdefgh,x\n"}, 1406, []string{"Data too long for column 's'", `value "abcdefgh"`, "-0.csv, line 3)"}, "3|3|2020-01-03|abcde|x\n"},
	{"no member", []string{goodRows + "3,3,2020-01-03,c,z\n"}, 1265, []string{"Data truncated for column 'e'", `value "z"`, "-0.csv, line 3)"}, "3|3|2020-01-03|c|\n"},
	{"NULL", []string{goodRows + "3,3,2020-01-03,\\N,x\n"}, 1048, []string{"Column 's' cannot be null", "-0.csv, line 3)"}, "3|3|2020-01-03||x\n"},
	{"not UTF-8", []string{goodRows + "3,3,2020-01-03,c\xff,x\n"}, 1366, []string{`Incorrect string value '\xFF' for column 's'`, "-0.csv, line 3)"}, ""},
	{"a key twice in a file", []string{goodRows + "2,3,2020-01-03,c,x\n"}, 1062, []string{"Duplicate entry '2' for key '%s.PRIMARY'", "-0.csv, line 3)"}, ""},
	{"a key in two files", []string{goodRows, "3,3,2020-01-03,c,x\n1,3,2020-01-03,d,x\n"}, 1062, []string{"Duplicate entry '1' for key '%s.PRIMARY'", "-1.csv, line 2)"}, ""},
	// The build meets it, which knows of no files.
	{"a unique value twice", []string{goodRows, "3,3,2020-01-03,a,x\n"}, 1062, []string{"Duplicate entry 'a' for key '%s.us'"}, ""},
	{"no partition", []string{goodRows + "3000,3,2020-01-03,c,x\n"}, 1526, []string{"Table has no partition for value 3000", "-0.csv, line 3)"}, ""},
}

// TestImportBadRows: what is wrong with a row is said with its file, line and value,
// and the table is as it was. Without a strict mode it is made to fit, if it can be.
func TestImportBadRows(t *testing.T) {
	t.Parallel()
	im := newImporter(t, 2)
	for i, c := range badRows {
		definition := "CREATE TABLE bad_%d (id INT NOT NULL PRIMARY KEY, a TINYINT, d DATE, s VARCHAR(5) NOT NULL, e ENUM('x', 'y')"
		if c.name == "no partition" {
			definition += ") PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (1000))"
		} else {
			definition += ", UNIQUE KEY us (s))"
		}
		execute(t, im.direct, fmt.Sprintf(definition, i))
		for n, text := range c.files {
			im.file(fmt.Sprintf("bad%d-%d.csv", i, n), text)
		}
	}
	before := im.definitions()
	strict := im.loadBadRows("STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE")
	jobs, err := im.ask(im.session(0, ""), "SHOW IMPORT JOBS")
	require.NoError(t, err)
	for i, c := range badRows {
		t.Run(c.name, func(t *testing.T) {
			state, ok := map[uint16]string{1062: "23000", 1048: "23000", 1264: "22003", 1292: "22007", 1406: "22001", 1265: "01000"}[c.code]
			if !ok {
				state = "HY000"
			}
			refused(t, strict[i], c.code, state, "")
			for _, says := range c.says {
				require.Contains(t, strict[i].Error(), strings.Replace(says, "%s", fmt.Sprintf("bad_%d", i), 1))
			}
			require.NotContains(t, strict[i].Error(), "__dxf", "a name of ours")
			require.Zero(t, scan[int](t, im.direct, fmt.Sprintf("SELECT COUNT(*) FROM bad_%d", i)))
			for _, job := range jobs {
				if job["Target_Table"] == fmt.Sprintf("`%s`.`bad_%d`", im.schema, i) {
					require.Equal(t, "failed", job["Status"])
					require.Contains(t, strict[i].Error(), job["Result_Message"][strings.IndexByte(job["Result_Message"], ']')+1:])
					require.NotEqual(t, "NULL", job["End_Time"])
				}
			}
		})
	}
	require.Equal(t, before, im.definitions())

	lenient := im.loadBadRows("")
	for i, c := range badRows {
		t.Run(c.name+", not strict", func(t *testing.T) {
			rows := im.in(t).list(fmt.Sprintf("SELECT * FROM bad_%d ORDER BY id", i))
			if c.lenient == "" {
				require.Equal(t, strict[i], lenient[i])
				require.Empty(t, rows)
				return
			}
			require.NoError(t, lenient[i])
			require.Equal(t, "1|1|2020-01-01|a|x\n2|2|2020-01-02|b|y\n"+c.lenient, rows)
		})
	}
}

// loadBadRows imports the files of all bad rows at once.
func (im *importer) loadBadRows(sqlMode string) []error {
	im.Helper()
	told := make([]error, len(badRows))
	var work sync.WaitGroup
	for i := range badRows {
		c := im.session(i%2, "")
		im.run(c, "SET sql_mode = '"+sqlMode+"'")
		work.Go(func() {
			defer c.Close()
			_, told[i] = im.ask(c, fmt.Sprintf("IMPORT INTO bad_%d FROM %s", i, quote(fmt.Sprintf("%s/bad%d-*.csv", im.dir, i))))
		})
	}
	work.Wait()
	im.nothingLeft()
	return told
}

// TestImportDirect imports into tables that no other can take the place of: the rows
// come in one transaction.
func TestImportDirect(t *testing.T) {
	t.Parallel()
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
