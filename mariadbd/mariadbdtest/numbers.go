package mariadbdtest

import "fmt"

// Numbers is a table of the numbers from 1 to n, at most 100,000, in its column
// seq: what MariaDB has as seq_1_to_n, for every store. They come in order: without
// the LIMIT MySQL takes an ORDER BY in here for nothing.
func Numbers(n int) string {
	const digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4" +
		" UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	return fmt.Sprintf("(SELECT seq FROM (SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS seq"+
		" FROM %[1]s a, %[1]s b, %[1]s c, %[1]s e, %[1]s f) digits WHERE seq <= %[2]d ORDER BY seq LIMIT %[2]d) numbers", digits, n)
}
