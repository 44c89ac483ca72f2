package backfill

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dxfproxy/server"
	"dxfproxy/table"
)

// digest is what a range of rows adds up to.
type digest struct {
	rows int64
	hash uint64
}

// hashExpr is a row's hash as SQL, over the columns given.
//
// CRC32 is linear: two rows of equal length that exchange a value leave the XOR of
// their CRCs as it was. A multiplication modulo 2^64 makes it non-linear, and
// costs nothing.
func hashExpr(columns []table.Column) string {
	var values, nulls []string
	for _, c := range columns {
		values = append(values, hashValue(c))
		if c.Nullable {
			nulls = append(nulls, "ISNULL("+server.Quote(c.Name)+")") // CONCAT_WS leaves NULLs out
		}
	}
	return "CRC32(CONCAT_WS('#', " + strings.Join(append(values, nulls...), ", ") + ")) * 2654435761"
}

// hashValue is a column as something whose text tells all its values apart,
// byte by byte and whatever its collation.
func hashValue(c table.Column) string {
	name := server.Quote(c.Name)
	switch c.DataType {
	case "float", "double":
		return "CAST(" + name + " AS DOUBLE)" // a FLOAT's own text is shorter than its value; 0 + -0 is 0
	case "bit", "enum":
		return name + "+0"
	case "set":
		return "CAST(" + name + " AS UNSIGNED)" // MySQL makes a DOUBLE of its sum, in which 64 members are not told apart
	case "char", "varchar":
		if c.Length <= 1024 {
			return "CAST(" + name + " AS BINARY)"
		}
		return "CRC32(" + name + ")"
	case "tinytext", "text", "mediumtext", "longtext", "json", "tinyblob", "blob", "mediumblob", "longblob", "varbinary",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection":
		return "CRC32(" + name + ")" // the whole might not fit into a packet
	}
	return name
}

// digest sums the rows of t in a range; lock is a locking clause or "".
func (v *verifier) digest(ctx context.Context, q server.Querier, t *table.Info, r table.Range, lock string) (digest, error) {
	var d digest
	query := fmt.Sprintf("SELECT COUNT(*), COALESCE(BIT_XOR(%s), 0) FROM %s FORCE INDEX (%s) WHERE %s%s",
		v.hash, t.Quoted(), server.Quote(t.CopyKey.Name), r.Where(""), lock)
	if err := q.QueryRowContext(ctx, query).Scan(&d.rows, &d.hash); err != nil {
		return d, fmt.Errorf("checksum %s: %w", t.Name, err)
	}
	return d, nil
}

// hashes lists the hash of every row of t in a range, sorted.
func (v *verifier) hashes(ctx context.Context, q server.Querier, t *table.Info, r table.Range) ([]uint64, error) {
	query := fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s) WHERE %s", v.hash, t.Quoted(), server.Quote(t.CopyKey.Name), r.Where(""))
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("hash the rows of %s: %w", t.Name, err)
	}
	defer rows.Close()
	var all []uint64
	for rows.Next() {
		var h uint64
		if err := rows.Scan(&h); err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	slices.Sort(all)
	return all, rows.Err()
}

// unlike counts the rows that have to be written, changed or deleted to make b
// of a: the greater of what each has alone.
func unlike(a, b []uint64) int64 {
	var onlyA, onlyB int64
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case j == len(b) || (i < len(a) && a[i] < b[j]):
			onlyA++
			i++
		case i == len(a) || b[j] < a[i]:
			onlyB++
			j++
		default:
			i++
			j++
		}
	}
	return max(onlyA, onlyB)
}
