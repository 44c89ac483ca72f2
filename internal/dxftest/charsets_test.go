package dxftest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNamesBeyondTheFirstPlane: no name has such a character; what the store makes of one that
// a client writes it makes of it through a node.
func TestNamesBeyondTheFirstPlane(t *testing.T) {
	h := newHouse(t, 1)
	s := h.session(0, "")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	var results [2]string
	for i, db := range []interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}{h.direct, s} {
		for _, q := range []string{"DROP TABLE IF EXISTS `t?`", "CREATE TABLE `t?` (id INT PRIMARY KEY, a INT)", "INSERT INTO `t?` VALUES (1, 1), (2, 2)"} {
			execute(t, h.direct, q)
		}
		for _, q := range []string{"ALTER TABLE `t😀` ADD INDEX `i😀` (a)", "CREATE INDEX j ON `t😀` (a, id)"} {
			_, err := db.ExecContext(t.Context(), q)
			results[i] += fmt.Sprintln(err)
		}
		results[i] += h.definition("`t?`")
	}
	require.Equal(t, results[0], results[1])
}

// TestD4Charsets: names and texts of a client come through in its character set, by a
// statement as it is and by a prepared one.
func TestD4Charsets(t *testing.T) {
	h := newHouse(t, 1)
	s := h.session(0, "")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	for _, c := range []struct{ set, letter, bytes string }{
		{"SET NAMES latin1", "é", "\xe9"}, {"SET NAMES latin1", "Ÿ", "\x9f"}, {"SET NAMES cp1251", "ж", "\xe6"}, {"SET NAMES utf8mb4", "é", "é"},
		{"SET character_set_client = latin1, character_set_connection = utf8mb4, character_set_results = NULL", "é", "\xe9"},
		{"SET CHARACTER SET latin1", "é", "\xe9"},
	} {
		for _, prepared := range []bool{false, true} {
			client := h.session(0, "")
			h.run(client, c.set)
			for _, q := range []string{
				"CREATE TABLE `t#` (id INT PRIMARY KEY, a INT, b VARCHAR(20) CHARACTER SET utf8mb4)", "INSERT INTO `t#` VALUES (1, 1, 'x'), (2, 2, 'y')",
				"ALTER TABLE `t#` ADD COLUMN `c#` VARCHAR(20) CHARACTER SET utf8mb4 DEFAULT '#', ADD INDEX `i#` (`c#`) COMMENT '#'",
			} {
				q = strings.ReplaceAll(q, "#", c.bytes)
				if !prepared {
					h.run(client, q)
					continue
				}
				p, err := client.PrepareContext(t.Context(), q)
				require.NoError(t, err)
				_, err = p.ExecContext(t.Context())
				require.NoError(t, err)
				p.Close()
			}
			table := "`t" + c.letter + "`"
			def := h.definition(table)
			require.Contains(t, def, "KEY `i"+c.letter+"` (`c"+c.letter+"`) COMMENT '"+c.letter+"'", c.set)
			require.Equal(t, c.letter, text(t, s, "SELECT `c"+c.letter+"` FROM "+table+" WHERE id = 1"))
			execute(t, h.direct, "DROP TABLE "+table)
			client.Close()
		}
	}
}
