package dxftest

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden is what a text file of testdata/csv says about the CSV file beside it.
type golden struct {
	options []string   // as in the statement
	rows    [][]string // fields; NULL without quotes is NULL
	failure string     // why it cannot be read to its end
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	head, body, _ := strings.Cut(string(text), "\n\n")
	var g golden
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		require.True(t, ok, line)
		if name != "skip_rows" {
			value, err = strconv.Unquote(value)
			require.NoError(t, err)
			value = quote(value)
		}
		g.options = append(g.options, name+" = "+value)
	}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if failure, ok := strings.CutPrefix(line, "error: "); ok {
			g.failure = failure
			continue
		}
		_, fields, ok := strings.Cut(line, "\t")
		require.True(t, ok, line)
		g.rows = append(g.rows, strings.Split(fields, " | "))
	}
	return g
}

// noField is the default of the columns: what a row has that ends before.
const noField = "no field"

// awkward is a CSV file and the import of it.
type awkward struct {
	golden
	name, path string
	table, typ string
	id         string // of the job; "" if there is none
}

// TestImportAwkwardCSV loads every CSV file that the decoder is tested with, with the
// options beside it, all at once, and finds the rows beside it.
func TestImportAwkwardCSV(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/csv/*.csv")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 30)
	folder, err := filepath.Abs("../../testdata/csv")
	require.NoError(t, err)
	im := newImporter(t, 3, "--import-dir", folder)
	var clients []*sql.Conn
	for i := range im.nodes {
		clients = append(clients, im.session(i, ""))
	}
	var all []*awkward
	for i, path := range files {
		path, err := filepath.Abs(path)
		require.NoError(t, err)
		a := &awkward{
			golden: readGolden(t, strings.TrimSuffix(path, ".csv")+".txt"), name: strings.TrimSuffix(filepath.Base(path), ".csv"), path: path,
			table: fmt.Sprintf("csv_%d", i), typ: "VARCHAR(60) CHARACTER SET utf8mb4",
		}
		if a.name == "not-utf8" {
			a.typ = "VARBINARY(60)"
		}
		im.submit(clients[i%len(clients)], a)
		all = append(all, a)
	}
	for _, a := range all {
		t.Run(a.name, func(t *testing.T) { im.in(t).awkward(clients[0], a) })
	}
	im.nothingLeft()
}

func (im *importer) submit(c *sql.Conn, a *awkward) {
	im.Helper()
	var columns []string
	for n := range 5 {
		columns = append(columns, fmt.Sprintf("f%d %s DEFAULT '%s'", n, a.typ, noField))
	}
	// The rows of a file are numbered in its order, if they are few.
	execute(im.T, im.direct, "CREATE TABLE "+a.table+" ("+strings.Join(columns, ", ")+", n INT AUTO_INCREMENT PRIMARY KEY)")
	statement := "IMPORT INTO " + a.table + " (f0, f1, f2, f3, f4) FROM " + quote(a.path) + " WITH " + strings.Join(append(a.options, "DETACHED"), ", ")
	rows, err := im.ask(c, statement)
	if info, statErr := os.Stat(a.path); statErr == nil && info.Size() == 0 {
		refused(im.T, err, 8173, "HY000", "PreCheck failed: No file matched, or the file is empty. Please provide a valid file location.")
		return
	}
	require.NoError(im, err, statement)
	a.id = rows[0]["Job_ID"]
}

// awkward waits for the import and looks at what it has loaded.
func (im *importer) awkward(c *sql.Conn, a *awkward) {
	if a.id == "" {
		return
	}
	job := im.ended(c, a.id)
	if a.failure != "" {
		require.Equal(im, "failed", job["Status"])
		require.Equal(im, a.path+": "+a.failure, job["Result_Message"])
		require.Zero(im, scan[int](im.T, im.direct, "SELECT COUNT(*) FROM "+a.table))
		return
	}
	require.Equal(im, "finished", job["Status"], job["Result_Message"])
	require.Equal(im, fmt.Sprint(len(a.rows)), job["Imported_Rows"])

	var want strings.Builder
	for _, row := range a.rows {
		for n := range 5 {
			switch {
			case n >= len(row):
				fmt.Fprintf(&want, "%x", noField)
			case row[n] == "NULL":
				want.WriteString("NULL")
			default:
				text, err := strconv.Unquote(row[n])
				require.NoError(im, err, row[n])
				fmt.Fprintf(&want, "%x", text)
			}
			want.WriteString([]string{"|", "|", "|", "|", "\n"}[n])
		}
	}
	require.Equal(im, want.String(), im.list("SELECT LOWER(HEX(f0)), LOWER(HEX(f1)), LOWER(HEX(f2)), LOWER(HEX(f3)), LOWER(HEX(f4)) FROM "+a.table+" ORDER BY n"))
}
