package dxftest

import (
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
)

// TestTablesChanged: another client, who knows of no job, changes the table
// while one runs. The job fails, says why, and leaves the change alone.
func TestTablesChanged(t *testing.T) {
	h := newHouse(t, 2)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	for _, c := range []struct {
		change, says string
		rows         int
		gone         bool
	}{
		{change: "ALTER TABLE u ADD COLUMN extra INT", says: ": ALTER TABLE", rows: uniqueRows},
		{change: "ALTER TABLE u DROP INDEX old", says: ": ALTER TABLE", rows: uniqueRows},
		{change: "TRUNCATE TABLE u", says: "TRUNCATE"},
		{change: "CREATE TRIGGER tr AFTER INSERT ON u FOR EACH ROW SET @x = 1", says: "TRIGGER", rows: uniqueRows},
		{change: "CREATE OR REPLACE TABLE u (id INT)", says: ": CREATE TABLE"},
		{change: "RENAME TABLE u TO v", says: "RENAME", gone: true},
		{change: "DROP TABLE u", says: "DROP", gone: true},
	} {
		if srv.Kind() != mariadbd.MariaDB && c.says == ": CREATE TABLE" {
			continue // MySQL has no such statement
		}
		t.Run(c.change, func(t *testing.T) {
			h := h.in(t)
			uniqueTable(h)
			j := h.startSlow(holdBuild, addUnique)
			execute(t, h.direct, c.change)
			var definition string
			if !c.gone {
				definition = h.definition("u")
			}
			err := j.release()
			var e *mysql.MySQLError
			require.ErrorAs(t, err, &e)
			require.EqualValues(t, 8028, e.Number, e.Message)
			require.Contains(t, e.Message, c.says)
			h.nothingLeft()
			if !c.gone {
				require.Equal(t, definition, h.definition("u"))
				require.Equal(t, c.rows, scan[int](t, h.direct, "SELECT COUNT(*) FROM u"))
			}
			execute(t, h.direct, "DROP TABLE IF EXISTS u, v")
		})
	}
}
