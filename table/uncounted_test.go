package table_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/table"
)

// TestTrustCounters: of the definition of a column that counts, nothing is executed
// but its type and its comment.
func TestTrustCounters(t *testing.T) {
	for line, counts := range map[string]bool{
		"`id` bigint(20) unsigned NOT NULL AUTO_INCREMENT":                                       true,
		"`i``d` int NOT NULL AUTO_INCREMENT COMMENT 'it''s \\\\, */ -- AUTO_INCREMENT'":          true,
		"`id` int(11) NOT NULL AUTO_INCREMENT /* `x`='*/, RENAME TO victim.planted -- ' */":      false,
		"`id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'x' /* `x`='*/, RENAME TO v.planted -- '":  false,
		"`id` int(11) NOT NULL DEFAULT nextval(`victim`.`s`) AUTO_INCREMENT":                     false,
		"`id` int(11) NOT NULL AUTO_INCREMENT CHECK (`id` <> _latin1'x')":                        false,
		"`id` int(11) NOT NULL AUTO_INCREMENT REFERENCES victim.secret (id)":                     false,
		"`id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'x', RENAME TO victim.planted, COMMENT ''": true, // it ends at the comma
	} {
		name := "id"
		if strings.HasPrefix(line, "`i``d`") {
			name = "i`d"
		}
		info := &table.Info{
			Schema: "s", Name: "t", Columns: []table.Column{{Name: name, AutoIncrement: true}},
			Create: "CREATE TABLE `t` (\n  " + line + ",\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB",
		}
		statements := table.Uncounted(info, "u")
		require.Equal(t, counts, len(statements) > 0, "%s: %s", line, statements)
		require.NotContains(t, strings.Join(statements, "\n"), "planted", line)
	}
}
