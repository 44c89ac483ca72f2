package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Cut returns the first rows rows of the range, with the last of them as upper
// bound. all means that the range has no more than that, and is returned
// itself. It walks the key's index and locks nothing.
func (t *Info) Cut(ctx context.Context, q Querier, r Range, rows int64) (head Range, all bool, err error) {
	k := t.CopyKey
	reads, order, texts, dest := make([]string, len(k.Columns)), make([]string, len(k.Columns)), make([]string, len(k.Columns)), make([]any, len(k.Columns))
	for i, c := range k.Columns {
		reads[i], order[i], dest[i] = read("", c), Quote(c.Name), &texts[i]
	}
	query := fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s) WHERE %s ORDER BY %s LIMIT 1 OFFSET %d",
		strings.Join(reads, ", "), t.Quoted(), Quote(k.Name), r.Where(""), strings.Join(order, ", "), max(rows, 1)-1)
	err = q.QueryRowContext(ctx, query).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return r, true, nil
	}
	if err != nil {
		return Range{}, false, fmt.Errorf("find the end of a piece of %s: %w", t.Quoted(), err)
	}
	key := make([]Datum, len(k.Columns))
	for i, c := range k.Columns {
		if key[i], err = scan(c, texts[i]); err != nil {
			return Range{}, false, err
		}
	}
	return r.To(key), false, nil
}

// Splitter cuts a range into pieces of about Rows rows each.
type Splitter struct {
	Table *Info
	Rest  Range // what is not cut off yet
	Rows  int64
	done  bool
}

// NewSplitter starts at the low end of the table.
func NewSplitter(t *Info, rows int64) *Splitter {
	return &Splitter{Table: t, Rest: t.Whole(), Rows: rows}
}

// Next returns the next piece; ok is false when there is none left. The last
// piece ends where the range ends, even if it is empty by now.
func (s *Splitter) Next(ctx context.Context, q Querier) (piece Range, ok bool, err error) {
	if s.done {
		return Range{}, false, nil
	}
	piece, s.done, err = s.Table.Cut(ctx, q, s.Rest, s.Rows)
	if err != nil {
		return Range{}, false, err
	}
	s.Rest = s.Rest.From(piece.Upper)
	return piece, true, nil
}
