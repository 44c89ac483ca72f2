package importinto_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/importinto"
	"dxfproxy/server"
	"dxfproxy/table"
)

// startUncounted begins the import of files into a table that MariaDB counts.
func startUncounted(t *testing.T, text string, change func(*importinto.Meta), tables ...string) *importJob {
	t.Helper()
	j := startImport(t, map[string]string{"1.csv": text}, change, tables...)
	require.NoError(t, j.until(importinto.StepProbe))
	require.True(t, j.next())
	family, err := server.FamilyOf(t.Context(), j.DB)
	require.NoError(t, err)
	require.Equal(t, family == server.MariaDB, j.meta.Uncounted != "")
	return j
}

// counted says whether the table that is loaded counts.
func (j *importJob) counted() bool {
	info, err := table.Load(j.Context(), j.DB, j.Schema, j.meta.Loaded())
	require.NoError(j, err)
	return info.AutoIncrementColumn() != ""
}

// TestImportUncounted: rows with numbers are loaded without the counter, and are in
// the staging table once and for all when the build has begun.
func TestImportUncounted(t *testing.T) {
	const n = 3000
	for _, counter := range []int{1, 50_000} {
		j := startUncounted(t, manyRows(n), nil, "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(100), KEY (a))", fmt.Sprintf("ALTER TABLE t AUTO_INCREMENT = %d", counter))
		require.NoError(t, j.step())
		require.Equal(t, j.meta.Uncounted == "", j.counted())
		loaded := fmt.Sprintf("SELECT COUNT(*), SUM(id) FROM `%s`", j.meta.Loaded())
		staged := fmt.Sprintf("SELECT COUNT(*), SUM(id) FROM `%s`", j.meta.Staging)
		rows := j.rows(loaded)
		if j.meta.Uncounted != "" {
			// Whoever built before died when the rows had just been exchanged.
			j.SQL(table.Exchange(j.Schema, j.meta.Uncounted, j.meta.Staging))
			require.Equal(t, "0", j.Query(fmt.Sprintf("SELECT COUNT(*) FROM `%s`", j.meta.Uncounted)))
		}
		require.NoError(t, j.until(importinto.StepBuild))
		require.Equal(t, rows, j.rows(staged))
		j.finish()
		require.Equal(t, rows, j.rows("SELECT COUNT(*), SUM(id) FROM t"))
		j.SQL("INSERT INTO t (a) VALUES (1)")
		require.Equal(t, fmt.Sprint(max(n+1, counter)), j.Query("SELECT MAX(id) FROM t"))
	}
}

// TestImportNumbersMissing: a row that brings no number gets one, wherever it stands,
// behind the table's own counter and the numbers before it.
func TestImportNumbersMissing(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			before, own int // rows with numbers, and the table's counter
		}{
			"first row":          {0, 1},
			"first row, counter": {0, 700},
			"late":               {30_000, 1},
			"late, counter":      {30_000, 70_000},
		} {
			t.Run(name, func(t *testing.T) {
				var text strings.Builder
				for i := range c.before {
					fmt.Fprintf(&text, "%d,%d,%s\n", i+1, i, strings.Repeat("x", i%7))
				}
				for i, number := range []string{`\N`, "0", "00", "-0", "+0", "0.2"} {
					fmt.Fprintf(&text, "%s,%d,none\n", number, c.before+i)
				}
				j := startUncounted(t, text.String(), func(m *importinto.Meta) { m.MaxWriteSpeed = 1 << 20 },
					"CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20), KEY (a))", fmt.Sprintf("ALTER TABLE t AUTO_INCREMENT = %d", c.own))
				require.NoError(t, j.step())
				require.True(t, j.counted())
				j.finish()
				require.Equal(t, fmt.Sprint(c.before+6), j.Query("SELECT COUNT(*) FROM t"))
				require.Equal(t, fmt.Sprintf("%d|1\n", max(c.before+1, c.own)),
					j.rows(fmt.Sprintf("SELECT MIN(id), SUM(a = %d) FROM t WHERE a >= %d", c.before, c.before)), "it counts on")
				require.Equal(t, "0", j.Query(fmt.Sprintf("SELECT COUNT(*) FROM t x JOIN t y ON y.a = x.a + 1 WHERE y.id <= x.id OR x.a < %d AND x.id <> x.a + 1", c.before)), "in the order of the file")
			})
		}
	})
}
