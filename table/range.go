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
	if r.Lower != nil && r.Upper != nil && r.Lower[0].listed() {
		return r.between(alias)
	}
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

// between is Where between two bounds that begin with a listed member: two long lists in one
// predicate are more than MySQL makes a range of.
func (r Range) between(alias string) string {
	column, low, high := qualified(alias, r.Key[0]), r.Lower[0].number(), r.Upper[0].number()
	if len(r.Key) == 1 {
		return list(column, low+1, high+1)
	}
	rest := Range{Key: r.Key[1:], Lower: r.Lower[1:], Upper: r.Upper[1:]}
	if low == high {
		return fmt.Sprintf("%s = %d AND %s", column, low, rest.Where(alias))
	}
	from, to := rest, rest
	from.Upper, to.Lower = nil, nil
	return fmt.Sprintf("(%s OR (%s = %d AND %s) OR (%s = %d AND %s))", list(column, low+1, high),
		column, low, from.Where(alias), column, high, to.Where(alias))
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

// compare writes column op value. Members of a short ENUM or SET are listed.
func (d Datum) compare(column, op string) string {
	if !d.listed() {
		return column + op + d.SQL()
	}
	switch strings.TrimSpace(op) {
	case ">":
		return list(column, d.number()+1, int(d.Of)+1)
	case "<":
		return list(column, 0, d.number())
	}
	return list(column, 0, d.number()+1)
}

// listed says whether ranges that begin at the value are lists.
func (d Datum) listed() bool { return d.Kind == Member && d.Of <= maxListed }

// number is the value of a listed member.
func (d Datum) number() int {
	n, _ := strconv.Atoi(d.Value)
	return n
}

// list is the predicate that column has one of the numbers below end.
func list(column string, from, end int) string {
	if from >= end {
		return "FALSE"
	}
	numbers := make([]string, 0, end-from)
	for ; from < end; from++ {
		numbers = append(numbers, strconv.Itoa(from))
	}
	return column + " IN (" + strings.Join(numbers, ",") + ")"
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
