package dxftest

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exactly is an expression that tells all values of a column apart.
func exactly(name, typ string) string {
	q := "`" + name + "`"
	switch typ {
	case "float", "double":
		return "CAST(" + q + " + 0e0 AS CHAR)"
	case "bit", "enum", "set":
		return "CONCAT(CAST(" + q + " AS UNSIGNED), ' ', HEX(" + q + "))"
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "date", "time", "datetime", "timestamp", "year":
		return "CAST(" + q + " AS CHAR)"
	case "uuid", "inet4", "inet6":
		return "HEX(CAST(" + q + " AS BINARY))"
	}
	return "HEX(" + q + ")"
}

// sameRows compares two tables row by row and byte by byte, in the order of the key,
// but for some columns, and returns how many rows each has.
func (h *house) sameRows(got, want, key string, except ...string) int {
	h.Helper()
	rows, err := h.direct.QueryContext(h.Context(), "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position", h.schema, want[1:len(want)-1])
	require.NoError(h, err)
	var names, exprs []string
	for rows.Next() {
		var name, typ string
		require.NoError(h, rows.Scan(&name, &typ))
		if !slices.Contains(except, name) {
			names, exprs = append(names, name), append(exprs, exactly(name, typ))
		}
	}
	require.NoError(h, rows.Err())
	var sides [2][][]sql.NullString
	for i, table := range []string{got, want} {
		rows, err := h.direct.QueryContext(h.Context(), "SELECT "+strings.Join(exprs, ", ")+" FROM "+table+" ORDER BY "+key)
		require.NoError(h, err)
		for rows.Next() {
			row := make([]sql.NullString, len(exprs))
			into := make([]any, len(exprs))
			for j := range row {
				into[j] = &row[j]
			}
			require.NoError(h, rows.Scan(into...))
			sides[i] = append(sides[i], row)
		}
		require.NoError(h, rows.Err())
	}
	wrong := 0
	for i := range min(len(sides[0]), len(sides[1])) {
		for j := range names {
			if got, want := sides[0][i][j], sides[1][i][j]; got != want {
				if wrong++; wrong <= 10 {
					h.Errorf("row %d, %s: %.200v, want %.200v", i, names[j], got, want)
				}
			}
		}
	}
	require.Equal(h, len(sides[1]), len(sides[0]), "rows")
	require.Zero(h, wrong, "values that differ")
	h.Logf("%d rows are the same", len(sides[0]))
	return len(sides[0])
}

// same compares the twins row by row, and then their definitions, after the twin has
// had the same change from the store itself.
func (w *twins) same() {
	w.Helper()
	n := w.sameRows(w.names[0], w.names[1], strings.Join(w.key, ", "))
	execute(w.T, w.direct, "ALTER TABLE "+w.names[1]+" "+w.alter)
	require.Equal(w, w.definition(w.names[1]), w.definition(w.names[0]))
	checkTable(w.T, w.direct, w.names[0])
	for _, index := range w.indexes() {
		entries := scan[int](w.T, w.direct, "SELECT COUNT(*) FROM "+w.names[0]+" FORCE INDEX (`"+index+"`)")
		require.Equal(w, n, entries, "entries of index %s", index)
	}
}

// checkTable has the server check a table. Warnings about delete-marked entries
// that purge has not come to may stand in front of the verdict, the last row.
func checkTable(t *testing.T, db *sql.DB, name string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "CHECK TABLE "+name+" EXTENDED")
	require.NoError(t, err)
	defer rows.Close()
	var table, op, kind, text string
	for rows.Next() {
		require.NoError(t, rows.Scan(&table, &op, &kind, &text))
	}
	require.NoError(t, rows.Err())
	require.Equal(t, "status OK", kind+" "+text)
}

// indexes lists the names of the table's indexes.
func (w *twins) indexes() []string {
	w.Helper()
	rows, err := w.direct.QueryContext(w.Context(), "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? AND index_type = 'BTREE'", w.schema, w.table)
	require.NoError(w, err)
	var names []string
	for rows.Next() {
		var name string
		require.NoError(w, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(w, rows.Err())
	return names
}

// definition is SHOW CREATE TABLE without the table's name and its counter.
func (h *house) definition(quoted string) string {
	h.Helper()
	var name, def string
	require.NoError(h, h.direct.QueryRowContext(h.Context(), "SHOW CREATE TABLE "+quoted).Scan(&name, &def))
	_, def, _ = strings.Cut(def, "\n")
	if before, after, found := strings.Cut(def, " AUTO_INCREMENT="); found {
		def = before + strings.TrimLeft(after, "0123456789")
	}
	return def
}
