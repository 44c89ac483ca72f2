package changefeed

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A layout knows how rows of the source table arrive and how they are written to
// the shadow.
type layout struct {
	source *table.Info
	shadow string // quoted
	key    string // name of the copy key on the shadow
	// columns is the list of written columns for SQL: `a`, `b`.
	columns string

	write []field // the written columns, in the order of columns
	by    []field // the columns of the copy key
}

// A field is one column of a row image.
type field struct {
	at     int // index in the image
	name   string
	types  []byte // legal types in the Table_map event
	encode encoder
}

// newLayout fits a table and its shadow together. Generated columns are not
// written, although their values are in the image, the virtual ones too.
func newLayout(source, shadow *table.Info) (*layout, error) {
	l := &layout{source: source, shadow: shadow.Quoted()}
	if source.CopyKey == nil {
		return nil, dxf.SchemaChanged(fmt.Sprintf("table %s has no key that rows can be told apart by", source.Quoted()))
	}
	key := shadow.SameKey(source.CopyKey)
	if key == nil {
		return nil, dxf.SchemaChanged(fmt.Sprintf("shadow %s has no key like %s", shadow.Quoted(), source.CopyKey.Name))
	}
	l.key = key.Name
	var names []string
	for _, c := range table.Common(source, shadow) {
		f, err := newField(c)
		if err != nil {
			return nil, err
		}
		l.write = append(l.write, f)
		names = append(names, server.Quote(c.Name))
	}
	l.columns = strings.Join(names, ", ")
	for _, c := range source.CopyKey.Columns {
		f, err := newField(c)
		if err != nil {
			return nil, err
		}
		l.by = append(l.by, f)
	}
	return l, nil
}

func newField(c table.Column) (field, error) {
	encode, types, err := encoderOf(c)
	return field{at: c.Ordinal - 1, name: c.Name, types: types, encode: encode}, err
}

// check compares the columns a Table_map event tells of with the table as it was
// when the applier began.
func (l *layout) check(t *replication.TableMapEvent) *dxf.Error {
	if int(t.ColumnCount) != len(l.source.Columns) {
		return dxf.SchemaChanged(fmt.Sprintf("a change of %s has %d columns where the table had %d",
			l.source.Quoted(), t.ColumnCount, len(l.source.Columns)))
	}
	for _, f := range l.write {
		if typ := t.ColumnType[f.at]; !bytes.Contains(f.types, []byte{typ}) {
			switch typ {
			case mysql.MYSQL_TYPE_TIME, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
				return dxf.Errorf("column %s of %s is in a temporal format of before MySQL 5.6; ALTER TABLE ... FORCE renews it",
					f.name, l.source.Quoted())
			}
			return dxf.SchemaChanged(fmt.Sprintf("a change of %s has type code %d for column %s", l.source.Quoted(), typ, f.name))
		}
	}
	return nil
}

// A change is what a row event does to one row.
type change struct {
	before string // key the row had, as SQL; "" for an INSERT
	after  string // key the row has now; "" for a DELETE
	image  string // (v1,v2,…), the row as it is now; "" for a DELETE
}

// size is what the change is counted with against the cap on memory.
func (c change) size() int64 { return int64(len(c.before)+len(c.after)+len(c.image)) + 64 }

// needs says whether a change cannot do without a column, counted from 0.
func (l *layout) needs(column int) bool {
	is := func(f field) bool { return f.at == column }
	return slices.ContainsFunc(l.write, is) || slices.ContainsFunc(l.by, is)
}

// changes appends what a row event does to dst.
func (l *layout) changes(dst []change, e *replication.RowsEvent) ([]change, error) {
	for _, skipped := range e.SkippedColumns {
		// MariaDB 11.8 leaves out generated columns, which the shadow makes itself.
		if slices.ContainsFunc(skipped, l.needs) {
			return dst, dxf.Errorf("a session wrote to %s with binlog_row_image other than FULL: row changes without all columns cannot be followed",
				l.source.Quoted())
		}
	}
	var err error
	switch e.Type() {
	case replication.EnumRowsEventTypeInsert:
		for _, row := range e.Rows {
			var c change
			if c.after, err = l.keyOf(row); err != nil {
				return dst, err
			}
			if c.image, err = l.imageOf(row); err != nil {
				return dst, err
			}
			dst = append(dst, c)
		}
	case replication.EnumRowsEventTypeDelete:
		for _, row := range e.Rows {
			var c change
			if c.before, err = l.keyOf(row); err != nil {
				return dst, err
			}
			dst = append(dst, c)
		}
	case replication.EnumRowsEventTypeUpdate:
		for pair := range slices.Chunk(e.Rows, 2) {
			if len(pair) != 2 {
				return dst, fmt.Errorf("an UPDATE event with an odd number of images")
			}
			var c change
			if c.before, err = l.keyOf(pair[0]); err != nil {
				return dst, err
			}
			if c.after, err = l.keyOf(pair[1]); err != nil {
				return dst, err
			}
			if c.image, err = l.imageOf(pair[1]); err != nil {
				return dst, err
			}
			dst = append(dst, c)
		}
	default:
		return dst, fmt.Errorf("unknown row event %v", e.Type())
	}
	return dst, nil
}

// keyOf writes a row's key: a literal when the key has one column, else a
// predicate. Two rows have the same text if and only if their keys have the same
// bytes.
func (l *layout) keyOf(row []any) (string, error) {
	var b []byte
	var err error
	if len(l.by) == 1 {
		b, err = l.by[0].append(b, row)
		return string(b), err
	}
	b = append(b, '(')
	for i, f := range l.by {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = append(append(append(b, "s."...), server.Quote(f.name)...), '=')
		if b, err = f.append(b, row); err != nil {
			return "", err
		}
	}
	return string(append(b, ')')), nil
}

func (l *layout) imageOf(row []any) (string, error) {
	b := append(make([]byte, 0, 16*len(l.write)), '(')
	var err error
	for i, f := range l.write {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = f.append(b, row); err != nil {
			return "", err
		}
	}
	return string(append(b, ')')), nil
}

func (f field) append(dst []byte, row []any) ([]byte, error) {
	if f.at >= len(row) {
		return dst, fmt.Errorf("a row image without column %s", f.name)
	}
	if row[f.at] == nil {
		return append(dst, "NULL"...), nil
	}
	dst, err := f.encode(dst, row[f.at])
	if err != nil {
		return dst, fmt.Errorf("column %s: %w", f.name, err)
	}
	return dst, nil
}

// tuple is how a key is shown to people.
func tuple(key string) string {
	const limit = 200
	if len(key) > limit {
		return key[:limit] + "…"
	}
	return key
}
