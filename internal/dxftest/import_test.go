package dxftest

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// importer is a house with a folder for the files of its imports.
type importer struct {
	*house
	dir string
}

func newImporter(t *testing.T, nodes int, args ...string) *importer {
	t.Helper()
	return &importer{house: newHouse(t, nodes, args...), dir: t.TempDir()}
}

// in is the importer for a subtest.
func (im *importer) in(t *testing.T) *importer {
	return &importer{house: im.house.in(t), dir: im.dir}
}

// file writes a file and returns its path.
func (im *importer) file(name, content string) string {
	im.Helper()
	path := filepath.Join(im.dir, name)
	require.NoError(im, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(im, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// packed writes a file with its content packed as its name says.
func (im *importer) packed(name, content string) string {
	im.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if strings.HasSuffix(name, ".zst") {
		var err error
		w, err = zstd.NewWriter(&b)
		require.NoError(im, err)
	}
	_, err := io.WriteString(w, content)
	require.NoError(im, err)
	require.NoError(im, w.Close())
	return im.file(name, b.String())
}

// importRow is a row of SHOW IMPORT JOBS, by names; NULL is "NULL".
type importRow map[string]string

// ask runs a statement that answers with import jobs.
func (im *importer) ask(c *sql.Conn, statement string) ([]importRow, error) {
	im.Helper()
	rows, err := c.QueryContext(im.Context(), statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(im, err)
	var all []importRow
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		require.NoError(im, rows.Scan(to...))
		row := importRow{}
		for i, name := range columns {
			row[name] = "NULL"
			if values[i].Valid {
				row[name] = values[i].String
			}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// load runs an import through node n, which must succeed.
func (im *importer) load(n int, statement string) importRow {
	im.Helper()
	c := im.session(n, "")
	defer c.Close()
	return im.loadOn(c, statement)
}

func (im *importer) loadOn(c *sql.Conn, statement string) importRow {
	im.Helper()
	rows, err := im.ask(c, statement)
	require.NoError(im, err, statement)
	require.Len(im, rows, 1)
	require.Equal(im, "finished", rows[0]["Status"])
	return rows[0]
}

// refuse runs an import that must end with a number, and nothing left behind but the
// job, if it came to one. It returns what the client was told.
func (im *importer) refuse(n int, statement string, code uint16) string {
	im.Helper()
	c := im.session(n, "")
	defer c.Close()
	return im.refuseOn(c, statement, code)
}

func (im *importer) refuseOn(c *sql.Conn, statement string, code uint16) string {
	im.Helper()
	_, err := im.ask(c, statement)
	var e *mysql.MySQLError
	require.ErrorAs(im, err, &e, statement)
	require.Equal(im, code, e.Number, e.Message)
	require.NotContains(im, e.Message, "__dxf", "a name of ours")
	im.nothingLeft()
	return e.Message
}

// nothingLeft is the house's, and no import is unfinished.
func (im *importer) nothingLeft() {
	im.Helper()
	im.house.nothingLeft()
	require.Zero(im, scan[int](im.T, im.direct, "SELECT COUNT(*) FROM `"+im.meta+"`.tidb_import_jobs WHERE status IN ('pending', 'running')"))
}

// job is the newest import, as SHOW IMPORT JOBS has it.
func (im *importer) job(c *sql.Conn) importRow {
	im.Helper()
	rows, err := im.ask(c, fmt.Sprintf("SHOW IMPORT JOB %d", scan[int64](im.T, im.direct, "SELECT MAX(id) FROM `"+im.meta+"`.tidb_import_jobs")))
	require.NoError(im, err)
	return rows[0]
}

// ended waits for the end of a job.
func (im *importer) ended(c *sql.Conn, id string) importRow {
	im.Helper()
	var row importRow
	require.Eventually(im, func() bool {
		rows, err := im.ask(c, "SHOW IMPORT JOB "+id)
		require.NoError(im, err)
		row = rows[0]
		return row["Status"] != "pending" && row["Status"] != "running"
	}, 2*time.Minute, 20*time.Millisecond, "job %s does not end", id)
	return row
}

// list is a query's rows as text, fields between bars.
func (im *importer) list(query string) string {
	im.Helper()
	rows, err := im.direct.QueryContext(im.Context(), query)
	require.NoError(im, err, query)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(im, err)
	var b strings.Builder
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		require.NoError(im, rows.Scan(to...))
		for i, v := range values {
			if i > 0 {
				b.WriteByte('|')
			}
			if v.Valid {
				b.WriteString(v.String)
			} else {
				b.WriteString("NULL")
			}
		}
		b.WriteByte('\n')
	}
	require.NoError(im, rows.Err())
	return b.String()
}

// quote writes a text as SQL.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`).Replace(s) + "'"
}

// csvRows is a CSV file of rows first to last of about 1 KB, for loadTable.
func csvRows(first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&b, "%d,%d,c%d,%s\n", i, i%1000, i, strings.Repeat("x", 960+i%20))
	}
	return b.String()
}

// loadTable is a table for such rows; loaded asks for those that are not as csvRows
// wrote them.
const (
	loadTable = "CREATE TABLE load_t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, n INT, code VARCHAR(20), pad VARCHAR(1000), KEY by_n (n), UNIQUE KEY u (code))"
	wrongRows = "SELECT COUNT(*) FROM load_t WHERE NOT (n <=> id % 1000 AND code <=> CONCAT('c', id) AND pad <=> REPEAT('x', 960 + id % 20))"
)

// loaded checks rows 1 to n of csvRows one by one, and the indexes.
func (im *importer) loaded(n int) {
	im.Helper()
	require.Equal(im, fmt.Sprintf("%d|1|%d|%d\n", n, n, n), im.list("SELECT COUNT(*), MIN(id), MAX(id), COUNT(DISTINCT id) FROM load_t FORCE INDEX (PRIMARY)"))
	require.Zero(im, scan[int](im.T, im.direct, wrongRows), "rows with other values")
	for _, index := range []string{"by_n", "u"} {
		require.Equal(im, n, scan[int](im.T, im.direct, "SELECT COUNT(*) FROM load_t FORCE INDEX ("+index+")"), "entries of %s", index)
	}
	checkTable(im.T, im.direct, "load_t")
}
