package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"dxfproxy/server"
)

// NextChunk returns the first rows rows of the range, with the last of them as upper
// bound. all means that the range has no more than that, and is returned
// itself. It walks the key's index and locks nothing.
func (t *Info) NextChunk(ctx context.Context, q server.Querier, r Range, rows int64) (head Range, all bool, err error) {
	key, err := t.keyAt(ctx, q, r, "", max(rows, 1)-1)
	if err != nil || key == nil {
		return r, true, err
	}
	return r.To(key), false, nil
}

// Last returns the greatest key in the range that is visible now, nil when
// there is none. It locks nothing.
func (t *Info) Last(ctx context.Context, q server.Querier, r Range) ([]Datum, error) {
	return t.keyAt(ctx, q, r, " DESC", 0)
}

// NextChunkSQL is the query by which NextChunk finds the key, for those who send it with others.
func (t *Info) NextChunkSQL(r Range, rows int64) string { return t.keySQL(r, "", max(rows, 1)-1) }

// ScanKey reads a row of NextChunkSQL.
func (t *Info) ScanKey(scanRow func(dest ...any) error) ([]Datum, error) {
	texts, dest := make([]string, len(t.CopyKey.Columns)), make([]any, len(t.CopyKey.Columns))
	for i := range dest {
		dest[i] = &texts[i]
	}
	if err := scanRow(dest...); err != nil {
		return nil, err
	}
	key := make([]Datum, len(texts))
	for i, c := range t.CopyKey.Columns {
		var err error
		if key[i], err = scan(c, texts[i]); err != nil {
			return nil, err
		}
	}
	return key, nil
}

func (t *Info) keySQL(r Range, direction string, offset int64) string {
	n := len(t.CopyKey.Columns)
	reads, order := make([]string, n), make([]string, n)
	for i, c := range t.CopyKey.Columns {
		reads[i], order[i] = read("", c), server.Quote(c.Name)+direction
	}
	return fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s) WHERE %s ORDER BY %s LIMIT 1 OFFSET %d",
		strings.Join(reads, ", "), t.Quoted(), server.Quote(t.CopyKey.Name), r.Where(""), strings.Join(order, ", "), offset)
}

// keyAt reads the key at an offset in the range, nil when it has fewer rows.
func (t *Info) keyAt(ctx context.Context, q server.Querier, r Range, direction string, offset int64) ([]Datum, error) {
	key, err := t.ScanKey(q.QueryRowContext(ctx, t.keySQL(r, direction, offset)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find a key of %s: %w", t.Quoted(), err)
	}
	return key, nil
}
