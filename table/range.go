package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Range is a piece of a table's key space: Lower < key <= Upper. A nil bound
// is open.
type Range struct {
	Key   []string `json:"key"`
	Lower []Datum  `json:"lower"`
	Upper []Datum  `json:"upper"`
}

// Where returns the range as a predicate on the table known as alias ("" for
// none). Composite keys are compared in the expanded form, which the range
// optimizer understands on every server, unlike row values.
func (r Range) Where(alias string) string {
	var parts []string
	if r.Lower != nil {
		parts = append(parts, r.compare(alias, r.Lower, " > ", " > "))
	}
	if r.Upper != nil {
		parts = append(parts, r.compare(alias, r.Upper, " < ", " <= "))
	}
	if parts == nil {
		return "TRUE"
	}
	return strings.Join(parts, " AND ")
}

// compare writes (a, b) op (x, y) as (a op x OR (a = x AND b last y)).
func (r Range) compare(alias string, bound []Datum, op, last string) string {
	n := len(r.Key) - 1
	text := bound[n].compare(qualified(alias, r.Key[n]), last)
	for i := n - 1; i >= 0; i-- {
		column, value := qualified(alias, r.Key[i]), bound[i].SQL()
		text = "(" + bound[i].compare(column, op) + " OR (" + column + " = " + value + " AND " + text + "))"
	}
	return text
}

// compare writes column op value. Members of an ENUM are listed.
func (d Datum) compare(column, op string) string {
	if d.Kind != Member {
		return column + op + d.SQL()
	}
	from, to := 0, d.Of
	at, _ := strconv.Atoi(d.Value)
	switch strings.TrimSpace(op) {
	case ">":
		from = at + 1
	case "<":
		to = at - 1
	case "<=":
		to = at
	}
	if from > to {
		return "FALSE"
	}
	list := make([]string, 0, to-from+1)
	for ; from <= to; from++ {
		list = append(list, strconv.Itoa(from))
	}
	return column + " IN (" + strings.Join(list, ",") + ")"
}

// At is the predicate of the one row with this key: it locks no neighbour.
func (r Range) At(alias string, key []Datum) string {
	parts := make([]string, len(r.Key))
	for i, k := range r.Key {
		parts[i] = qualified(alias, k) + " = " + key[i].SQL()
	}
	return strings.Join(parts, " AND ")
}

// From is the rest of the range above key.
func (r Range) From(key []Datum) Range {
	r.Lower = key
	return r
}

// To is the part of the range up to and including key.
func (r Range) To(key []Datum) Range {
	r.Upper = key
	return r
}

// String is for people: the predicate.
func (r Range) String() string { return r.Where("") }

func (r Range) validate() error {
	if len(r.Key) == 0 {
		return fmt.Errorf("no key: %w", errShape)
	}
	for _, bound := range [][]Datum{r.Lower, r.Upper} {
		if bound != nil && len(bound) != len(r.Key) {
			return fmt.Errorf("%d key columns but %d values: %w", len(r.Key), len(bound), errShape)
		}
	}
	return nil
}

// UnmarshalJSON refuses a foreign shape loudly: read as zeros it would be the
// whole table.
func (r *Range) UnmarshalJSON(data []byte) error {
	type plain Range
	var p plain
	if err := strict(data, &p); err != nil {
		return fmt.Errorf("range %s: %w", data, err)
	}
	if err := Range(p).validate(); err != nil {
		return fmt.Errorf("range %s: %w", data, err)
	}
	*r = Range(p)
	return nil
}

// strict decodes one JSON value without fields that nobody knows.
func strict(data []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(to)
}

// Whole is the range of all rows, by the key the table is copied by.
func (t *Info) Whole() Range { return Range{Key: t.CopyKey.Names()} }
