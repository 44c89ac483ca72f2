package importinto

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unsafe"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// insertBytes is how long a statement of many rows gets.
const insertBytes = 1 << 20

// errPacket is what the server would say before it ends the session.
var errPacket = &dxf.Error{Code: server.ErrNetPacketTooLarge, State: "08S01",
	Message: "Got a packet bigger than 'max_allowed_packet' bytes"}

// inserts writes the rows of a chunk as INSERT statements: for servers that take no
// LOAD DATA LOCAL, and to hear what is wrong with a row.
type inserts struct {
	*layout
	head  string
	exprs []expression // of the SET clause
	slash bool         // a backslash escapes in string literals
	most  int          // bytes that a statement may have; 0: any
	over  bool         // the row appended last was not, for an expression would be longer
}

func newInserts(l *layout, mode string) *inserts {
	w := &inserts{layout: l, slash: !strings.Contains(strings.ToUpper(mode), "NO_BACKSLASH_ESCAPES")}
	var names []string
	for _, t := range l.targets {
		if t.column != nil {
			names = append(names, server.Quote(t.column.Name))
		}
	}
	for _, s := range l.set {
		names = append(names, server.Quote(s.Column))
		w.exprs = append(w.exprs, parseExpression(s.Expr, w.slash))
	}
	w.head = "INSERT INTO " + l.table + " (" + strings.Join(names, ", ") + ") VALUES "
	return w
}

// appendRow writes one row, given as it is in a chunk, as a list of values.
func (w *inserts) appendRow(q, row []byte) []byte {
	fields := bytes.Split(row, []byte{'\t'})
	count := -1
	if w.ragged {
		count, _ = strconv.Atoi(string(fields[0]))
		fields = fields[1:]
	}
	vars := map[string]string{}
	values := 0
	next := func() {
		if values++; values > 1 {
			q = append(q, ", "...)
		}
	}
	q = append(q, '(')
	for i, t := range w.targets {
		if t.nowhere() {
			continue
		}
		field := fields[0]
		fields = fields[1:]
		switch {
		case t.column == nil:
			vars[t.name] = string(t.appendLiteral(nil, field))
		case count >= 0 && i >= count:
			next()
			q = append(q, t.column.missing...)
		default:
			next()
			q = t.appendLiteral(q, field)
		}
	}
	for _, e := range w.exprs {
		next()
		if w.over = w.most > 0 && len(q)+e.length(vars) > w.most; w.over {
			return q
		}
		q = append(q, e.with(vars)...)
	}
	return append(q, ')')
}

// appendLiteral appends a field as SQL. It means the same under every sql_mode.
func (t target) appendLiteral(q, field []byte) []byte {
	value, null := field, false
	if bytes.IndexByte(field, '\\') >= 0 {
		value, null = unescape(field)
	}
	switch {
	case null:
		return append(q, "NULL"...)
	case t.class == binary || t.class == bits:
		q = append(q, "x'"...)
		q = append(q, value...)
	case bytes.ContainsAny(value, "'\\\x00\x1a"):
		q = append(q, "_utf8mb4 x'"...)
		q = hex.AppendEncode(q, value)
	default:
		q = append(q, '\'')
		q = append(q, value...)
	}
	return append(q, '\'')
}

// expression is one of the SET clause's, cut at its variables.
type expression struct {
	parts []string // text, name of a variable, text, …
}

// parseExpression finds the variables, which are written @`name`.
func parseExpression(text string, slash bool) expression {
	var e expression
	sql, from := []byte(text), 0
	for l := sqltext.NewLexer(sql, sqltext.Mode{NoBackslashEscapes: !slash}); ; {
		switch t := l.Next(); {
		case t.Kind == sqltext.TokenEOF, t.Kind == sqltext.TokenBad:
			e.parts = append(e.parts, text[from:])
			return e
		case t.Kind == sqltext.TokenUserVar && strings.HasPrefix(text[t.Start:], "@`"):
			name := sqltext.Token{Kind: sqltext.TokenName, Span: sqltext.Span{Start: t.Start + 1, End: t.End}}
			e.parts = append(e.parts, text[from:t.Start], sqltext.Identifier(sql, name))
			from = t.End
		}
	}
}

// length is about how long with makes it: a long value may be named often.
func (e expression) length(vars map[string]string) (n int) {
	for i, p := range e.parts {
		if n += len(p); i%2 == 1 {
			n += len(vars[p])
		}
	}
	return n
}

// with puts literals in the place of the variables.
func (e expression) with(vars map[string]string) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, p := range e.parts {
		if i%2 == 0 {
			b.WriteString(p)
			continue
		}
		v, ok := vars[p]
		if !ok {
			v = "NULL"
		}
		b.WriteString(v)
	}
	b.WriteByte(')')
	return b.String()
}

// insertRows writes the rows by INSERT statements.
func (l *loader) insertRows(ctx context.Context, tx *sql.Tx, c *chunk) error {
	for from := 0; from < len(c.rows); {
		next, err := l.insertSome(ctx, tx, c, from, len(c.rows))
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

// insertSome writes rows from one on, up to the limit or what a statement may hold,
// and says which comes next; on an error, which would have.
func (l *loader) insertSome(ctx context.Context, tx *sql.Tx, c *chunk, from, limit int) (next int, err error) {
	w := newInserts(c.layout, l.meta.SQLMode)
	w.most = l.packet
	if len(c.row(from))/2 >= l.packet { // escapes are half of it at most
		return from + 1, &refused{from, errPacket}
	}
	most := min(insertBytes, l.packet/2)
	q := append(make([]byte, 0, most+most/4), w.head...)
	for next = from; next < limit && (next == from || len(q) < most); next++ {
		fits := len(q)
		if next > from {
			q = append(q, ", "...)
		}
		if q = w.appendRow(q, c.row(next)); next > from && (len(q) >= l.packet || w.over) {
			q, w.over = q[:fits], false
			break
		}
	}
	if len(q) >= l.packet || w.over {
		return next, &refused{from, errPacket}
	}
	// Not a copy: it may be as long as a row is, and nobody writes to q any more.
	if _, err := tx.ExecContext(ctx, unsafe.String(unsafe.SliceData(q), len(q))); err != nil {
		return next, asRefused(err, from)
	}
	return next, nil
}

// blame finds the row that the server did not take and makes an error for the user.
// The chunk is rolled back. The rows are inserted again, fewer and fewer at a time
// from where a statement fails, until it is one row's: then the server says what is
// wrong with it as INSERT does. All is rolled back once more.
func (l *lane) blame(ctx context.Context, c *chunk, why *refused) error {
	tx, err := l.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("look for a bad row: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // it is meant to be rolled back
	run := func(statement string) error {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("look for a bad row: %w", err)
		}
		return nil
	}
	if err := run("SET SESSION time_zone = " + server.Text(l.zoneOf(c))); err != nil {
		return err
	}
	if err := table.Hold(ctx, tx, c.layout.table); err != nil {
		return err
	}
	from, size := 0, len(c.rows)
	if why.row >= 0 && why.row < len(c.rows) {
		from, size = why.row, 1
	}
	for from < len(c.rows) {
		if err := run("SAVEPOINT dxf"); err != nil {
			return err
		}
		next, err := l.insertSome(ctx, tx, c, from, min(from+size, len(c.rows)))
		var bad *refused
		switch {
		case err == nil && why.row >= 0:
			return l.badRow(c, why.row, why.err) // LOAD DATA alone has something against it
		case err == nil:
			from = next
			continue
		case !errors.As(err, &bad):
			return fmt.Errorf("look for a bad row: %w", err)
		case next == from+1 && errors.Is(bad, errPacket):
			return l.badRow(c, from, why.err)
		case next == from+1:
			return l.badRow(c, from, bad.err)
		}
		size = (next - from) / 2
		if err := run("ROLLBACK TO SAVEPOINT dxf"); err != nil {
			return err
		}
	}
	return l.badRow(c, -1, why.err)
}

// badRow is the error of a row, -1 if it is not known: the server's, about the table
// that the user knows, with the file, the line and the value.
func (l *loader) badRow(c *chunk, row int, err error) error {
	err = server.ClientError(err, l.meta.Table)
	var own *dxf.Error
	if !errors.As(err, &own) {
		return err
	}
	e := *own
	if e.Code == server.ErrTruncatedWrongValueForField {
		e.State = "HY000" // TiDB's, and MySQL's; MariaDB has another
	}
	e.Message = strings.ReplaceAll(atRowText.ReplaceAllString(e.Message, ""), server.Quote(l.meta.Loaded()), server.Quote(l.meta.Table))
	e.Message = strings.ReplaceAll(e.Message, l.meta.Loaded(), l.meta.Table)
	if row < 0 {
		e.Message += fmt.Sprintf(" (file %s)", c.path(len(c.rows)))
		return &e
	}
	if v := l.valueOf(c, row, e.Message); v != "" {
		e.Message += ", value " + v
	}
	at := c.rows[row]
	return inFile(&e, c.path(row), at.line, at.offset)
}

var columnName = regexp.MustCompile("(?:column|Column|Field) (?:`[^`]*`\\.`[^`]*`\\.)?['`]([^'`]+)['`]")

// valueOf is the value of the column that an error names and does not show.
func (l *loader) valueOf(c *chunk, row int, message string) string {
	m := columnName.FindStringSubmatch(message)
	if m == nil || strings.Contains(message, "value: '") {
		return ""
	}
	fields := bytes.Split(c.row(row), []byte{'\t'})
	if c.layout.ragged {
		fields = fields[1:]
	}
	for _, t := range c.layout.targets {
		if t.nowhere() {
			continue
		}
		if t.column != nil && strings.EqualFold(t.column.Name, m[1]) && len(fields) > 0 {
			if v, null := unescape(fields[0]); !null && t.class != binary && t.class != bits {
				return decode.Shorten(v)
			}
			return ""
		}
		fields = fields[1:]
	}
	return ""
}

var atRowText = regexp.MustCompile(` at row (\d+)$`)

// atRow is the number, from 0, of the row that a message is about; -1 if it does
// not say.
func atRow(message string) int {
	m := atRowText.FindStringSubmatch(message)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return n - 1
}
