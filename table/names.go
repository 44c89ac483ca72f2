package table

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the length of an identifier, in characters.
const maxName = 64

// ShadowName is the name of the copy that a job fills. Jobs are called by
// dxf.Secret.Job here: tables are in schemas where other clusters work too.
func ShadowName(table string, job string) (string, error) {
	return sortAfter(table, "_dxf"+job+"_new")
}

// OldName is the name the table has after the cut-over, and the sentry before.
func OldName(table string, job string) (string, error) {
	return sortAfter(table, "_dxf"+job+"_old")
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

// TurnName names the n-th turn of chunks in the store, of all jobs.
func TurnName(n int) string { return fmt.Sprintf("dxf_turn_%d", n) }

// StagingName is the name of the table that an import job loads. Its ids are not
// from the id space of DDL jobs.
func StagingName(table string, job string) (string, error) {
	return sortAfter(table, "_dxfi"+job+"_new")
}

// UncountedName is the name of the table that is loaded in the place of the staging
// table, if one is.
func UncountedName(table string, job string) (string, error) {
	return sortAfter(table, "_dxfi"+job+"_load")
}

// ImportOldName is the name the table has after an import's exchange, and the sentry
// before.
func ImportOldName(table string, job string) (string, error) {
	return sortAfter(table, "_dxfi"+job+"_old")
}

// A Mark tells a job's sentries from other tables. They have it in their comments.
type Mark string

// JobMark is a DDL job's mark.
func JobMark(job int64) Mark { return Mark(fmt.Sprintf("dxf job=%d", job)) }

// ImportMark is an import job's.
func ImportMark(job int64) Mark { return Mark(fmt.Sprintf("dxf import=%d", job)) }

// Comment is the comment of the table that holds the old name until the cut-over.
func (m Mark) Comment(attempt int) string { return fmt.Sprintf("%s attempt=%d", m, attempt) }

// of says whether a table with this comment is one of the job's sentries.
func (m Mark) of(comment string) bool { return strings.HasPrefix(comment, string(m)+" attempt=") }

// A Lock names the advisory locks of a job's one-node work: who holds them on a
// session may create, build, rename and drop the job's tables on that session.
type Lock string

// JobLock is that of a DDL job.
func JobLock(job int64) Lock { return Lock(fmt.Sprintf("dxf_job_%d", job)) }

// ImportLock is that of an import job.
func ImportLock(job int64) Lock { return Lock(fmt.Sprintf("dxf_import_%d", job)) }

// Name is the name of the lock.
func (l Lock) Name() string { return string(l) }

// Renamer names the lock of the session that asks for the RENAME in an exchange. A successor
// needs both locks: only then no RENAME of its predecessor can still be waiting.
func (l Lock) Renamer() string { return string(l) + "_swap" }
