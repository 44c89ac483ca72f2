package table

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
	"strings"

	"dxfproxy/server"
)

// sample is how many rows the server's estimates are tried on.
const sample = 100_000

// Pieces cuts the table into ranges of about rows rows each, and not many more
// than most. Together they are the whole table, now and later: the first and
// the last one are open.
//
// The key's index is walked from end to end. A large table whose key is one
// integer is cut by the server's estimates instead, as long as they are any
// good: that costs a few index dives a piece, however large the table is.
func (t *Info) Pieces(ctx context.Context, q server.Querier, rows int64, most int) ([]Range, error) {
	if c := t.CopyKey.Columns; len(c) > 1 || !strings.HasSuffix(c[0].DataType, "int") {
		return t.walk(ctx, q, rows, most)
	}
	head, small, err := t.NextChunk(ctx, q, t.Whole(), sample)
	if err != nil {
		return nil, err
	}
	if small {
		return t.walk(ctx, q, rows, most)
	}
	found, err := t.estimate(ctx, q, head)
	if err != nil {
		return nil, err
	}
	// Off by a constant factor they serve: InnoDB's often see twice the rows.
	// Much too small they come from statistics of another time.
	if found < sample/4 || found > sample*4 {
		return t.walk(ctx, q, rows, most)
	}
	return t.dive(ctx, q, max(rows*found/sample, 1), most)
}

// walk reads the key's index. A table far larger than the server's estimate
// gets larger pieces.
func (t *Info) walk(ctx context.Context, q server.Querier, rows int64, most int) ([]Range, error) {
	var pieces []Range
	for rest := t.Whole(); ; {
		piece, all, err := t.NextChunk(ctx, q, rest, rows)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, piece)
		if all {
			return pieces, nil
		}
		rest = rest.From(piece.Upper)
		if len(pieces)%most == 0 {
			rows *= 4
		}
	}
}

// part is the integers from low to high, both included, and the server's
// estimate of the rows there.
type part struct {
	low, high *big.Int
	rows      int64
}

// dive halves the key space until no part is estimated to have many more than
// rows rows, and joins neighbours that are small.
func (t *Info) dive(ctx context.Context, q server.Querier, rows int64, most int) ([]Range, error) {
	whole := t.Whole()
	first, err := t.keyAt(ctx, q, whole, "", 0)
	if err != nil || first == nil {
		return []Range{whole}, err
	}
	last, err := t.Last(ctx, q, whole)
	if err != nil || last == nil {
		return []Range{whole}, err
	}
	p := part{low: new(big.Int), high: new(big.Int)}
	for _, end := range []struct {
		key []Datum
		to  *big.Int
	}{{first, p.low}, {last, p.high}} {
		if _, ok := end.to.SetString(end.key[0].Value, 10); !ok {
			return nil, fmt.Errorf("cut %s: %q is no integer", t.Quoted(), end.key[0].Value)
		}
	}
	if p.rows, err = t.estimate(ctx, q, p.span(whole)); err != nil {
		return nil, err
	}
	var (
		pieces []Range
		size   int64 // of the piece that is being put together
		left   = []part{p}
		dives  int
	)
	for len(left) > 0 {
		p := left[len(left)-1]
		left = left[:len(left)-1]
		if p.rows > rows+rows/2 && p.low.Cmp(p.high) < 0 && dives < 8*most {
			a, b := p.halves()
			for _, half := range []*part{&a, &b} {
				if half.rows, err = t.estimate(ctx, q, half.span(whole)); err != nil {
					return nil, err
				}
				dives++
			}
			left = append(left, b, a)
			continue
		}
		upper := p.span(whole).Upper
		if n := len(pieces); n > 0 && size+p.rows <= rows {
			pieces[n-1].Upper, size = upper, size+p.rows
			continue
		} else if n > 0 {
			whole.Lower = pieces[n-1].Upper
		}
		pieces, size = append(pieces, whole.To(upper)), p.rows
	}
	pieces[len(pieces)-1].Upper = nil
	return pieces, nil
}

// halves cuts a part of more than one integer.
func (p part) halves() (a, b part) {
	mid := new(big.Int).Add(p.low, p.high)
	mid.Rsh(mid, 1) // rounds down, below zero too
	return part{low: p.low, high: mid}, part{low: new(big.Int).Add(mid, big.NewInt(1)), high: p.high}
}

// span is the part as a range: above the integer before it.
func (p part) span(whole Range) Range {
	below := new(big.Int).Sub(p.low, big.NewInt(1))
	return whole.From([]Datum{{Kind: Number, Value: below.String()}}).To([]Datum{{Kind: Number, Value: p.high.String()}})
}

// estimate asks the optimizer how many rows the range has: column rows of EXPLAIN
// in its old format, which MySQL 9 no longer answers unasked. MySQL does not dive
// into an index it is forced to use, unless there is a GROUP BY; by an expression,
// so that it counts rows and not groups.
func (t *Info) estimate(ctx context.Context, q server.Querier, r Range) (n int64, err error) {
	rows, err := q.QueryContext(ctx, fmt.Sprintf("EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM %s FORCE INDEX (%s) WHERE %s GROUP BY %s + 0",
		t.Quoted(), server.Quote(t.CopyKey.Name), r.Where(""), server.Quote(t.CopyKey.Columns[0].Name)))
	if err != nil {
		return 0, fmt.Errorf("estimate the rows of %s: %w", t.Quoted(), err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	var found sql.NullInt64 // NULL where there can be no row
	dest := make([]any, len(names))
	for i, name := range names {
		if dest[i] = new(any); strings.EqualFold(name, "rows") {
			dest[i] = &found
		}
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return 0, err
		}
		n += found.Int64
	}
	return n, rows.Err()
}
