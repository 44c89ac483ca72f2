package dxftest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// staged counts the rows in the table beside load_t.
func (im *importer) staged() (n int) {
	im.Helper()
	name := scan[string](im.T, im.direct, "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE 'load\\_t\\_\\_dxfi%\\_new'", im.schema)
	require.NoError(im, im.direct.QueryRowContext(im.Context(), "SELECT COUNT(*) FROM `"+name+"`").Scan(&n))
	return n
}

// paused halts the import that runs, and looks at how it shows.
func (im *importer) paused(admin *sql.Conn) (id string) {
	im.Helper()
	id = im.job(admin)["Job_ID"]
	began := time.Now()
	im.run(admin, "PAUSE IMPORT JOB "+id)
	job := im.job(admin)
	im.Logf("paused after %v: %s", time.Since(began).Round(time.Millisecond), job["Result_Message"])
	require.Equal(im, "running", job["Status"])
	require.Contains(im, job["Result_Message"], "paused, to go on: RESUME IMPORT JOB "+id)
	require.Equal(im, "paused", text(im.T, admin, "SELECT state FROM mysql.tidb_global_task"))
	require.Zero(im, scan[int](im.T, im.direct, "SELECT COUNT(*) FROM load_t"))
	return id
}

// holder is a client's transaction that has read load_t: it keeps the tables from being exchanged.
func (im *importer) holder() *sql.Tx {
	im.Helper()
	tx, err := im.direct.BeginTx(im.Context(), nil)
	require.NoError(im, err)
	im.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.Exec("DO (SELECT COUNT(*) FROM load_t)")
	require.NoError(im, err)
	return tx
}

// TestImportPaused: while an import is paused its rows stand still, whatever becomes
// of the nodes, and its client waits. Afterwards it goes on, or can be cancelled.
func TestImportPaused(t *testing.T) {
	im := newImporter(t, 3)
	admin := im.session(1, "")
	statement, rows := im.slowFiles()

	t.Run("cancelled", func(t *testing.T) {
		im := im.in(t)
		execute(t, im.direct, loadTable)
		definition := im.definition("load_t")
		r := im.start(0, statement)
		id := im.paused(admin)
		im.run(admin, "CANCEL IMPORT JOB "+id)
		refused(t, r.wait(), 1105, "HY000", "cancelled by user")
		im.nothingLeft()
		require.Equal(t, definition, im.definition("load_t"))
		require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM load_t"))
	})
	t.Run("at the exchange", func(t *testing.T) {
		// A client's transaction keeps the tables from being exchanged. The pause
		// leaves them as they were before it was tried.
		im := im.in(t)
		definition := im.definition("load_t")
		r := im.start(0, statement)
		holder := im.holder()
		require.Eventually(t, func() bool {
			return strings.Contains(im.job(admin)["Result_Message"], "publish waits for a lock on the table")
		}, time.Minute, 10*time.Millisecond)
		id := im.paused(admin)
		require.Equal(t, rows, im.staged())
		require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE '%\\_old'", im.schema), "the sentry")
		require.Equal(t, definition, im.definition("load_t"))
		require.NoError(t, holder.Commit())
		require.Empty(t, r.answer)
		im.run(admin, "RESUME IMPORT JOB "+id)
		require.NoError(t, r.wait())
		im.loaded(rows)
		im.nothingLeft()
	})
	t.Run("a node killed", func(t *testing.T) {
		im := im.in(t)
		execute(t, im.direct, "TRUNCATE TABLE load_t")
		r := im.start(0, statement)
		id := im.paused(admin)
		n := im.staged()
		t.Logf("%d of %d rows", n, rows)
		require.Less(t, n, rows)
		require.NoError(t, im.nodes[2].Kill())
		require.Never(t, func() bool { return im.staged() != n }, 3*time.Second, 50*time.Millisecond)
		require.Empty(t, r.answer, "the client waits")
		holder := im.holder() // it must not end before it is paused again, however busy the machine is
		im.run(admin, "RESUME IMPORT JOB "+id)
		// Once more, in the midst of it.
		require.Eventually(t, func() bool { return len(r.answer) > 0 || im.staged() > n }, 30*time.Second, 5*time.Millisecond)
		im.paused(admin)
		require.NoError(t, holder.Commit())
		im.run(admin, "RESUME IMPORT JOB "+id)
		require.NoError(t, r.wait())
		require.Equal(t, fmt.Sprint(rows), im.job(admin)["Imported_Rows"])
		im.loaded(rows)
		im.nothingLeft()
	})
}
