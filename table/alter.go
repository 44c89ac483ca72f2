package table

import (
	"strings"

	"dxfproxy/server"
)

// Alter is an ALTER TABLE in parts. Changes are clauses as Difference makes
// them; the other words are of closed lists, and anything else is left out.
type Alter struct {
	Changes   []string
	Ignore    bool   // MariaDB: rows that a new unique index does not take go
	Algorithm string // DEFAULT, INPLACE, COPY, NOCOPY, INSTANT; "" for none
	Lock      string // DEFAULT, NONE, SHARED, EXCLUSIVE; "" for none
}

// algorithms and locks are what may stand in these clauses.
var (
	algorithms = map[string]bool{"DEFAULT": true, "INPLACE": true, "COPY": true, "NOCOPY": true, "INSTANT": true}
	locks      = map[string]bool{"DEFAULT": true, "NONE": true, "SHARED": true, "EXCLUSIVE": true}
)

// Of is the statement about a table.
func (a Alter) Of(schema, name string) string {
	clauses := append([]string{}, a.Changes...)
	if algorithms[a.Algorithm] {
		clauses = append(clauses, "ALGORITHM="+a.Algorithm)
	}
	if locks[a.Lock] {
		clauses = append(clauses, "LOCK="+a.Lock)
	}
	verb := "ALTER TABLE "
	if a.Ignore {
		verb = "ALTER IGNORE TABLE "
	}
	return verb + server.Quote(schema, name) + " " + strings.Join(clauses, ", ")
}

// valueModes are the parts of sql_mode that say which values a table takes.
// None of them changes how a statement is read.
var valueModes = map[string]bool{
	"STRICT_TRANS_TABLES": true, "STRICT_ALL_TABLES": true, "NO_ZERO_IN_DATE": true, "NO_ZERO_DATE": true,
	"ERROR_FOR_DIVISION_BY_ZERO": true, "ALLOW_INVALID_DATES": true, "NO_AUTO_VALUE_ON_ZERO": true,
	"NO_ENGINE_SUBSTITUTION": true, "TIME_TRUNCATE_FRACTIONAL": true, "TIME_ROUND_FRACTIONAL": true, "PAD_CHAR_TO_FULL_LENGTH": true,
}

// ValueMode keeps of a session's sql_mode what says which values a table takes.
// A statement of ours, in the server's plain notation, can be run under it.
func ValueMode(sqlMode string) string {
	var keep []string
	for m := range strings.SplitSeq(strings.ToUpper(sqlMode), ",") {
		if valueModes[m] {
			keep = append(keep, m)
		}
	}
	return strings.Join(keep, ",")
}
