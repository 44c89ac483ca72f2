// Package check says what a store lacks for the jobs of nodes, what opens a hole, and what
// mends it. It asks, and changes nothing.
package check

import (
	"context"
	"database/sql"
	"fmt"
	"io"

	"dxfproxy/grants"
)

// A Target is the store to look at, and what matters of how its nodes are run.
type Target struct {
	DSN         string         // with the account of the jobs' work
	Meta, Trial grants.Account // the other accounts of nodes
	MetaSchema  string
	PlainBeside bool // clients need a certificate, but only those that use TLS
}

// A finding is something a store lacks.
type finding struct {
	what string
	fix  []string // statements to run, or settings to change
	note bool     // jobs do without
}

// NotReady is a store that was looked at and lacks something.
type NotReady struct{ missing int }

func (e NotReady) Error() string {
	if e.missing == 1 {
		return "the store is not ready for jobs: 1 thing is missing"
	}
	return fmt.Sprintf("the store is not ready for jobs: %d things are missing", e.missing)
}

// Run prints, topic by topic, what it finds at the store db, whose address is addr. It is
// NotReady where something is missing.
func Run(ctx context.Context, db *sql.DB, t Target, addr string, out io.Writer) error {
	s, err := inspect(ctx, db, t)
	if err != nil {
		return fmt.Errorf("look at store %s: %w", addr, err)
	}
	fmt.Fprintf(out, "store %s is %s %s, the account %s\n", addr, s.kind, s.version, s.account)
	if s.kind == tidb {
		fmt.Fprintln(out, "ok    nodes relay to it; TiDB runs ADD INDEX and the like as jobs of its own")
		return nil
	}
	missing := 0
	for _, topic := range topics {
		found := topic.look(s)
		if len(found) == 0 {
			fmt.Fprintf(out, "ok    %s\n", topic.name)
		}
		for _, f := range found {
			word := "note"
			if !f.note {
				word = "FAIL"
				missing++
			}
			fmt.Fprintf(out, "%-5s %s: %s\n", word, topic.name, f.what)
			for _, line := range f.fix {
				fmt.Fprintf(out, "      %s\n", line)
			}
		}
	}
	if missing > 0 {
		return NotReady{missing}
	}
	return nil
}
