package sqltext

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Texts that a client may send to make the reading of a statement dear: a piece that
// is repeated between a head and a tail.
var dear = map[string][3]string{
	"blanks":               {"SHOW VARIABLES", " ", ""},
	"comments":             {"SHOW VARIABLES ", "/**/", ""},
	"open comments":        {"ALTER TABLE t ", "/*", ""},
	"line comments":        {"ALTER TABLE t ", "-- \n", ""},
	"executable comments":  {"ALTER TABLE t ", "/*! */", ""},
	"semicolons":           {"", ";", "SELECT 1"},
	"quotes":               {"ALTER TABLE t COMMENT ", "''", ""},
	"open quotes":          {"SET tidb_x = ", "'\\'\"", ""},
	"backslashes":          {"SHOW VARIABLES LIKE '", "\\\\", "'"},
	"parentheses":          {"ALTER TABLE t ADD INDEX i ", "(", ""},
	"closed parentheses":   {"SET tidb_redact_log = ", "()", ""},
	"nested parentheses":   {"SHOW VARIABLES WHERE ", "((a)", ""},
	"dots":                 {"SET tidb_x", ".a", " = 1"},
	"dots of a variable":   {"SELECT @@tidb_x", ".a", ""},
	"variables":            {"SELECT 1+1, ", "@@tidb_redact_log,", "1"},
	"variables in sums":    {"SELECT ", "1+@@tidb_redact_log,", "1"},
	"half variables":       {"SELECT ", "@@", ""},
	"scopes":               {"SELECT 1, ", "@@global.", "tidb_x"},
	"assignments":          {"SET ", "@a=@@tidb_redact_log,", "tidb_redact_log=1"},
	"tables":               {"SELECT * FROM ", "mysql.tidb_global_task,", "x"},
	"qualifiers":           {"SELECT ", "tidb_global_task.", "id FROM mysql.tidb_global_task"},
	"bare tables":          {"SELECT * FROM ", "tidb_global_task,", "x"},
	"lists in lists":       {"SELECT * FROM ", "(tidb_global_task,", "x"},
	"ids":                  {"ADMIN CANCEL DDL JOBS ", "1,", "1"},
	"options":              {"ADMIN ALTER DDL JOBS 1 ", "thread=1,", "thread=1"},
	"expression":           {"ADMIN SHOW DDL JOBS WHERE ", "~", "1"},
	"expression with rows": {"SHOW IMPORT JOBS WHERE ", "(1),", "(1)"},
	"indexes":              {"ALTER TABLE t ", "ADD INDEX (a),", "ADD INDEX (a)"},
	"columns":              {"CREATE INDEX i ON t (", "a,", "a)"},
	"drops":                {"DROP TABLE ", "a.b,", "a"},
	"renames":              {"RENAME TABLE ", "a TO b,", "a TO b"},
	"definitions":          {"CREATE TABLE t (", "a INT,", "b INT)"},
	"bytes above ASCII":    {"ALTER TABLE t COMMENT '", "\xe9\\\\", "'"},
}

// TestS8ReadingIsLinear: what a statement costs to be read grows with its length, and
// not faster: four times the text takes no more than nine times as long, where twice as
// much with each step (n²) would take sixteen.
func TestS8ReadingIsLinear(t *testing.T) {
	read := func(text []byte) {
		for _, m := range []Mode{{}, {AnsiQuotes: true}} {
			st := Classify(text, m)
			Match(text)
			RewriteTables(text, m, "dxf")
			if st, ok := st.(*Mixed); ok {
				st.In("dxf", "mysql", "")
				st.In("dxf", "information_schema", "(SELECT 1)")
			}
			if st, ok := st.(*AlterTable); ok {
				st.Understood()
				st.Public()
			}
		}
	}
	const size = 1 << 16
	for name, d := range dear {
		t.Run(name, func(t *testing.T) {
			text := func(n int) []byte { return []byte(d[0] + strings.Repeat(d[1], n/len(d[1])) + d[2]) }
			var small, large time.Duration
			for range 5 { // another process may have had the machine: the best of several counts
				small, large = fastest(read, text(size)), fastest(read, text(4*size))
				if large < 9*small+clockStep {
					return
				}
			}
			t.Errorf("%d bytes: %s, %d bytes: %s", size, small, 4*size, large)
		})
	}
}

// clockStep is ten ticks of the clock by which the kernel tells a thread's time. Where
// the cost grows with the square, the larger text takes seconds.
const clockStep = 40 * time.Millisecond

// fastest is how much of a processor's time a reading takes, the least of a few:
// others may have the processor meanwhile.
func fastest(read func([]byte), text []byte) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		const thread = 1 // RUSAGE_THREAD
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			panic(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	best := time.Hour
	for range 3 {
		begun := used()
		read(text)
		best = min(best, used()-begun)
	}
	return best
}
