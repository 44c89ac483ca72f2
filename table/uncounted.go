package table

import (
	"fmt"
	"regexp"
	"strings"

	"dxfproxy/server"
)

// MariaDB keeps an AUTO_INCREMENT counter on the table's root page, which every
// insert latches: a second session that inserts adds nothing. Rows that bring
// their numbers along can be loaded into an uncounted table, which is the counted
// one without the attribute. ALTER TABLE … EXCHANGE PARTITION overlooks just this
// difference, and moves them at once.

// counterPattern is all that the definition of a column that counts may say: its
// type and a comment. It is executed under the account that does the jobs' work, and
// what else could stand there (checks, options in comments) is text of the user's.
var counterPattern = regexp.MustCompile("(?s)^(`(?:[^`]|``)+` [a-z]+(?:\\([0-9]+\\))?(?: unsigned)?(?: zerofill)?" +
	" NOT NULL(?: INVISIBLE)?) AUTO_INCREMENT" +
	`( COMMENT '(?:[^'\\]|''|\\.)*')?$`)

// counterLine cuts the definition of the AUTO_INCREMENT column in two: what is
// before the attribute, and what is behind.
func (t *Info) counterLine() (before, behind string, ok bool) {
	d, err := Parse(t.Create)
	if err != nil {
		return "", "", false
	}
	for _, l := range d.Columns {
		if m := counterPattern.FindStringSubmatch(l.Text); m != nil && strings.EqualFold(l.Name, t.AutoIncrementColumn()) {
			return m[1], m[2], clear(l.Text)
		}
	}
	return "", "", false
}

// Uncounted are the statements that make the table name like this counted one,
// which is empty. The last one fails where the two cannot be exchanged. None for a
// table that does not count, or has partitions of its own.
func Uncounted(counted *Info, name string) []string {
	before, behind, ok := counted.counterLine()
	if !ok || counted.Partitioned {
		return nil
	}
	alter := "ALTER TABLE " + server.Quote(counted.Schema, name)
	return []string{
		CreateLike(counted, name),
		alter + " MODIFY " + before + behind,
		alter + " PARTITION BY KEY () PARTITIONS 1",
		Exchange(counted.Schema, name, counted.Name),
	}
}

// Exchange puts the rows of the uncounted table into the counted one, which is
// empty; run twice, it puts them back.
func Exchange(schema, uncounted, counted string) string {
	return fmt.Sprintf("ALTER TABLE %s EXCHANGE PARTITION p0 WITH TABLE %s", server.Quote(schema, uncounted), server.Quote(schema, counted))
}

// CountFrom lets a table number its rows from next on. After an exchange InnoDB also
// takes a number below those that are there.
func CountFrom(schema, name string, next uint64) string {
	return fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", server.Quote(schema, name), next)
}

// Count makes the uncounted table count after all, from where the counted one
// would. It copies the rows, and renumbers those with 0 unless sql_mode has
// NO_AUTO_VALUE_ON_ZERO.
func Count(counted *Info, uncounted string) string {
	before, behind, _ := counted.counterLine()
	return fmt.Sprintf("ALTER TABLE %s MODIFY %s AUTO_INCREMENT%s, AUTO_INCREMENT = %d",
		server.Quote(counted.Schema, uncounted), before, behind, max(counted.AutoIncrement, 1))
}
