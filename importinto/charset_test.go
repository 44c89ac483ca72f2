package importinto_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/importinto"
	"dxfproxy/sqltext"
)

const charsetTable = `CREATE TABLE t (id INT PRIMARY KEY, m4 VARCHAR(10) CHARACTER SET utf8mb4, m3 VARCHAR(10) CHARACTER SET utf8mb3,
	l CHAR(10) CHARACTER SET latin1, w VARCHAR(10) CHARACTER SET utf16, e ENUM('a', 'ü', 'b') CHARACTER SET latin1, KEY (l), KEY (m4))`

// TestImportCharsets: a text arrives in the column's own character set, be it alone
// with others of its kind or beside those of other kinds.
func TestImportCharsets(t *testing.T) {
	rows := []string{
		`1,plain,"a\tb",~,x,a`,
		`2,"1234567890",1234567890,1234567890,1234567890,b`,
		`3,ünïcödé,ünï,é€ÿ,漢字,ü`,
		`4,😀😀😀😀😀😀😀😀😀😀,漢字漢字漢字漢字漢字,,😀,a`,
	}
	bothWays(t, func(t *testing.T) {
		for name, some := range map[string][]string{"ASCII": rows[:2], "all": rows} {
			for _, columns := range []string{"id, m4", "id, m4, m3, l, e", "id, m4, m3, l, w, e"} {
				t.Run(name+": "+columns, func(t *testing.T) {
					wanted := strings.Split(columns, ", ")
					at := map[string]int{"id": 0, "m4": 1, "m3": 2, "l": 3, "w": 4, "e": 5}
					var text strings.Builder
					for _, row := range some {
						fields := strings.Split(row, ",")
						for i, c := range wanted {
							text.WriteString(map[bool]string{true: ",", false: ""}[i > 0] + fields[at[c]])
						}
						text.WriteByte('\n')
					}
					list := make([]sqltext.ImportField, len(wanted))
					for i, c := range wanted {
						list[i].Column = c
					}
					j := startImport(t, map[string]string{"1.csv": text.String()}, func(m *importinto.Meta) { m.Fields = list }, charsetTable)
					j.finish()
					// The same by INSERT.
					j.SQL(strings.Replace(charsetTable, "TABLE t ", "TABLE twin ", 1))
					for _, row := range some {
						values := strings.Split(strings.ReplaceAll(strings.ReplaceAll(row, `"`, ""), `\t`, "\t"), ",")
						var set []string
						for _, c := range wanted {
							set = append(set, fmt.Sprintf("%s = '%s'", c, values[at[c]]))
						}
						j.SQL("INSERT INTO twin SET " + strings.Join(set, ", "))
					}
					const all = "SELECT id, HEX(m4), HEX(m3), HEX(l), HEX(w), e + 0 FROM %s ORDER BY id"
					require.Equal(t, j.rows(fmt.Sprintf(all, "twin")), j.rows(fmt.Sprintf(all, "t")))
				})
			}
		}
	})
}

// TestImportCharsetRefuses: what a column cannot hold is refused, in characters and
// not in bytes.
func TestImportCharsetRefuses(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for _, c := range []struct {
			columns, row string
			code         uint16
		}{
			{"m4", "😀😀😀😀😀😀😀😀😀😀x", 1406},
			{"m4", "12345678901", 1406},
			{"m3", "😀", 1366},
			{"l", "漢", 1366},
			{"l", "12345678901", 1406},
			{"e", "c", 1265},
			{"e", "漢", 1265},
		} {
			j := startImport(t, map[string]string{"1.csv": "1," + c.row + "\n"},
				func(m *importinto.Meta) { m.Fields = []sqltext.ImportField{{Column: "id"}, {Column: c.columns}} }, charsetTable)
			e := j.fail(importinto.StepImport)
			require.Equal(t, c.code, e.Code, "%s: %s", c.columns, e.Message)
			require.Contains(t, e.Message, "1.csv, line 1")
		}
	})
}
