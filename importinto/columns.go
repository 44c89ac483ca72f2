package importinto

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// A class is how the values of a column are written into the stream.
type class int

const (
	plain   class = iota // as text
	numeric              // as text; a binary literal is a number there
	moment               // as text; a number is a date without its punctuation
	choice               // as text; a number is a member's place in the list, or those of several
	address              // as text; a binary literal is the value itself
	binary               // as hexadecimal digits, through UNHEX
	bits                 // the same; a number is one there
)

func classOf(c table.Column) class {
	switch c.DataType {
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return binary
	case "bit":
		return bits
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year":
		return numeric
	case "date", "datetime", "timestamp":
		return moment
	case "enum", "set":
		return choice
	case "uuid", "inet6", "inet4":
		return address
	}
	return plain
}

// column is a column of the staging table.
type column struct {
	table.Column
	class   class
	members []string // of an ENUM or SET
	needed  bool     // it has no default, and takes no NULL
	zoned   bool     // its default may depend on the session's time zone
	// missing is the expression for a row that ends before its field; "" if there
	// is none, which is error 1364.
	missing string
}

const selectDefaults = `SELECT COLUMN_NAME, COLUMN_DEFAULT, UPPER(EXTRA), COALESCE(DATETIME_PRECISION, 0)
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`

// columns loads the columns of the staging table.
func (r *run) columns(ctx context.Context, s *server.Session) ([]*column, error) {
	info, err := r.staging(ctx, s)
	if err != nil {
		return nil, err
	}
	columns := make([]*column, len(info.Columns))
	by := make(map[string]*column, len(columns))
	for i, c := range info.Columns {
		columns[i] = &column{Column: c, class: classOf(c), members: membersOf(c)}
		by[c.Name] = columns[i]
	}
	rows, err := s.QueryContext(ctx, selectDefaults, r.meta.Schema, r.meta.Staging)
	if err != nil {
		return nil, fmt.Errorf("read the columns' defaults: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, extra string
		var value sql.NullString
		var precision int
		if err := rows.Scan(&name, &value, &extra, &precision); err != nil {
			return nil, err
		}
		if c := by[name]; c != nil {
			c.missing = missing(c.Column, value, extra, precision, s.Family)
			c.needed = !value.Valid && !c.Nullable && !c.AutoIncrement && c.Generated == table.NotGenerated && !c.Versioned
			expression := strings.Contains(value.String, "(") || strings.Contains(extra, "DEFAULT_GENERATED")
			c.zoned = c.DataType != "timestamp" && value.Valid && expression
		}
	}
	return columns, rows.Err()
}

// byItself makes the server put a column's default in. It stands in a list of values
// alone, and in no expression; the text of the default, which is the user's, in none
// of our statements.
const byItself = "DEFAULT"

// missing is the value of a trailing field that a row has not: the column's
// default, but the current time for a NOT NULL column of a time (TiDB's rule).
func missing(c table.Column, value sql.NullString, extra string, precision int, family server.Family) string {
	switch {
	case c.AutoIncrement:
		return "NULL" // which makes a number
	case !c.Nullable && (c.DataType == "date" || c.DataType == "datetime" || c.DataType == "timestamp"):
		return fmt.Sprintf("NOW(%d)", precision)
	case !value.Valid && !c.Nullable:
		return ""
	case !value.Valid:
		return "NULL"
	case family == server.MySQL && strings.Contains(extra, "DEFAULT_GENERATED"):
		return byItself // MySQL does not let DEFAULT() have an expression
	}
	return "DEFAULT(" + server.Quote(c.Name) + ")"
}

// A target is where a field goes.
type target struct {
	column *column // nil: to a variable, or nowhere
	name   string  // of the variable
	class  class
	raw    bool   // texts are in the column's own character set
	noText bool   // the column takes bytes, and no text
	holder string // the variable that the stream has it in; "" for the column itself
	// zone is that in which instants are written, nil for UTC; once: one that comes
	// twice there is refused.
	zone *time.Location
	once bool
}

func (t target) nowhere() bool { return t.column == nil && t.name == "" }

// layout is what the fields of a row mean.
type layout struct {
	table   string // quoted
	targets []target
	set     []sqltext.ImportSet
	// ragged: rows may have fewer fields than targets. The stream's first field
	// then says how many.
	ragged bool
	// listed: the rows can go in by INSERT alone.
	listed bool
	// numbered is the index of the target whose rows bring the AUTO_INCREMENT column's
	// number, -1 if there is none.
	numbered int
	// touchy are the indexes of targets whose values are not all in one form, and
	// forms the forms of this layout; see fit.
	touchy   []int
	forms    []form
	base     *layout // whose variant it is; nil: it is the first
	variants map[string]*layout
	// utc: the rows are loaded by a session in UTC, else by one in the client's zone;
	// zoned: never in UTC.
	utc, zoned bool
	// charset is that of the column which takes the fewest texts as they are.
	charset charset
}

// layoutOf makes the layout of rows with the fields named: the statement's list
// counts, then the file's, then the table's columns as they are seen. raw says
// that text is in each column's own character set.
func (p *producer) layoutOf(names []string, raw, ragged bool) (*layout, error) {
	r, columns := p.run, p.columns
	l := &layout{table: server.Quote(r.meta.Schema, r.meta.Loaded()), set: r.meta.Set, ragged: ragged, numbered: -1}
	if ragged || l.set != nil {
		l.charset = noText
	}
	find := func(name string) (*column, error) {
		for _, c := range columns {
			if strings.EqualFold(c.Name, name) {
				return c, nil
			}
		}
		return nil, &dxf.Error{Code: server.ErrBadField, State: "42S22", Message: fmt.Sprintf("Unknown column '%s' in 'field list'", name)}
	}
	add := func(c *column) {
		if c.Generated != table.NotGenerated {
			l.targets = append(l.targets, target{}) // read and thrown away
			return
		}
		t := target{column: c, class: c.class, raw: raw, zone: p.zone}
		t.noText = c.DataType == "vector" && p.server.MariaDB && !raw && r.meta.Format != "parquet"
		if t.touchy(r.meta.Format) {
			l.touchy = append(l.touchy, len(l.targets))
		}
		l.charset = max(l.charset, charsetOf(c.Column))
		if c.AutoIncrement {
			l.numbered = len(l.targets)
		}
		l.listed = l.listed || ragged && c.missing == byItself
		if ragged || t.class == binary || t.class == bits {
			t.holder = holderOf(len(l.targets))
		}
		l.targets = append(l.targets, t)
	}
	switch {
	case r.meta.Fields != nil:
		for _, f := range r.meta.Fields {
			switch {
			case f.Column != "":
				c, err := find(f.Column)
				if err != nil {
					return nil, err
				}
				add(c)
			case f.Var != "":
				t := target{name: f.Var, holder: "@" + server.Quote(f.Var), zone: p.zone}
				for _, s := range l.set {
					c, _ := find(s.Column)
					t.once = t.once || c != nil && c.DataType == "timestamp"
				}
				l.targets = append(l.targets, t)
			default:
				l.targets = append(l.targets, target{})
			}
		}
	case names != nil:
		for _, name := range names {
			c, err := find(name)
			if err != nil {
				return nil, err
			}
			add(c)
		}
	default:
		for _, c := range columns {
			if !c.Invisible && !c.Versioned {
				add(c)
			}
		}
	}
	if err := p.complete(l); err != nil {
		return nil, err
	}
	l.zoned = p.zoned(l)
	l.begin()
	return l, nil
}

// complete says whether every column that needs a value gets one. An INSERT would fail
// without, and LOAD DATA of MySQL does not.
func (p *producer) complete(l *layout) error {
	for _, c := range p.columns {
		if !c.needed || !strict(p.meta.SQLMode) || slices.ContainsFunc(l.targets, func(t target) bool { return t.column == c }) ||
			slices.ContainsFunc(l.set, func(s sqltext.ImportSet) bool { return strings.EqualFold(s.Column, c.Name) }) {
			continue
		}
		return &dxf.Error{Code: server.ErrNoDefaultForField, State: "HY000",
			Message: fmt.Sprintf("Field '%s' doesn't have a default value", c.Name)}
	}
	return nil
}

// zoned says whether a session's time zone may matter for more of a row than its
// instants: for an expression, or for what the row has no field for.
func (p *producer) zoned(l *layout) bool {
	given := map[*column]bool{}
	for _, t := range l.targets {
		given[t.column] = true
	}
	return l.ragged || l.set != nil || slices.ContainsFunc(p.columns, func(c *column) bool {
		return c.Generated == table.Stored || c.zoned && !given[c]
	})
}

// variantOf is the layout that this one is a variant of, if it is not the first.
func (l *layout) variantOf() *layout {
	if l.base != nil {
		return l.base
	}
	return l
}

// holderOf is the variable that the stream has the field of a target in.
func holderOf(target int) string { return fmt.Sprintf("@`~%d`", target) }

// counter is the variable with the number of fields of a ragged row, or, when
// all fields go nowhere, with nothing.
const counter = "@`~n`"

// value is a target's value in SQL, given what the stream has of it.
func (t target) value(i int, ragged bool, holder, fields string) string {
	v := holder
	if t.class == binary || t.class == bits {
		v = "UNHEX(" + v + ")"
	}
	if ragged && t.column.missing != "" {
		v = fmt.Sprintf("IF(%s <= %d, %s, %s)", fields, i, t.column.missing, v)
	}
	return v
}

// A charset says which texts have the same bytes in a column as in the stream,
// which is UTF-8.
type charset int

const (
	everyText charset = iota
	asciiText
	noText
)

func charsetOf(c table.Column) charset {
	switch c.Charset {
	case "":
		switch classOf(c) {
		case numeric, moment, binary, bits:
			return everyText
		}
		if c.DataType == "time" {
			return everyText
		}
		// Of a binary string MySQL makes no JSON, and MariaDB takes one that has just
		// the right length for an address itself.
		return noText
	case "utf8mb4":
		return everyText
	case "utf8", "utf8mb3", "latin1", "ascii":
		return asciiText
	}
	return noText
}

// streamCharset is what the server is told that the stream is in. If nothing is to
// be converted, it need not look at characters: 7 % of its time. Variables, and so
// the user's expressions, would become binary strings, too.
func (l *layout) streamCharset(stream []byte) string {
	if l.charset == everyText || l.charset == asciiText && ascii(stream) {
		return "binary"
	}
	return "utf8mb4"
}

// loadStatement is LOAD DATA for a stream of this layout. Nothing in it depends on
// the session's sql_mode but what the user wrote.
func (l *layout) loadStatement(reader string, stream []byte) string {
	var list, set []string
	if l.ragged {
		list = append(list, counter)
	}
	for i, t := range l.targets {
		switch {
		case t.nowhere():
		case t.holder == "":
			list = append(list, server.Quote(t.column.Name))
		default:
			list = append(list, t.holder)
			if t.column != nil {
				set = append(set, server.Quote(t.column.Name)+" = "+t.value(i, l.ragged, t.holder, counter))
			}
		}
	}
	if list == nil {
		list = []string{counter}
	}
	for _, s := range l.set {
		set = append(set, server.Quote(s.Column)+" = "+s.Expr)
	}
	q := "LOAD DATA LOCAL INFILE 'Reader::" + reader + "' INTO TABLE " + l.table +
		" CHARACTER SET " + l.streamCharset(stream) + " FIELDS TERMINATED BY x'09' ESCAPED BY x'5c' LINES TERMINATED BY x'0a' (" +
		strings.Join(list, ", ") + ")"
	if set != nil {
		q += " SET " + strings.Join(set, ", ")
	}
	return q
}
