package table

import (
	"fmt"
	"unicode/utf8"
)

// maxName is the length of an identifier, in characters.
const maxName = 64

// ShadowName is the name of the copy that a job fills.
func ShadowName(table string, job int64) (string, error) {
	return sortAfter(table, fmt.Sprintf("_dxf%d_new", job))
}

// OldName is the name the table has after the cut-over, and the sentry before.
func OldName(table string, job int64) (string, error) {
	return sortAfter(table, fmt.Sprintf("_dxf%d_old", job))
}

// joints are what may stand between a table's name and a suffix. Longer names
// lose their end, and then the joint has to be greater than what it replaces.
var joints = []string{"_", "~", "\uffee"}

// sortAfter is table with a tail, at most maxName characters long, and greater
// than table byte by byte.
func sortAfter(table, tail string) (string, error) {
	runes := []rune(table)
	if keep := maxName - 1 - len(tail); len(runes) > keep {
		runes = runes[:keep]
	}
	head := string(runes)
	for _, j := range joints {
		if name := head + j + tail; name > table && utf8.RuneCountInString(name) <= maxName {
			return name, nil
		}
	}
	return "", fmt.Errorf("no name of at most %d characters with %s at its end sorts after %s", maxName, tail, table)
}

// LockName names the advisory lock of a job's one-node work: who holds it on a
// session may create, build, swap and drop the job's tables on that session.
func LockName(job int64) string { return fmt.Sprintf("dxf_job_%d", job) }

// SwapLockName names the lock of the session that renames at the cut-over. A
// successor needs both: only then no RENAME of its predecessor can be waiting.
func SwapLockName(job int64) string { return fmt.Sprintf("dxf_job_%d_swap", job) }

// TurnName names the n-th turn of chunks in the store, of all jobs.
func TurnName(n int) string { return fmt.Sprintf("dxf_turn_%d", n) }

// SentryComment is the comment of the table that holds the old name until the
// cut-over.
func SentryComment(job int64, attempt int) string {
	return fmt.Sprintf("dxf job=%d attempt=%d", job, attempt)
}
