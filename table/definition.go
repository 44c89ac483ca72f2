package table

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"dxfproxy/server"
)

// A session's sql_mode changes the text of SHOW CREATE TABLE (quotes, table
// options, escapes). MariaDB can be asked under a mode of ours for this one
// statement; MySQL knows no SET STATEMENT, and there the session's counts.
const (
	showCreateAlike = "SET STATEMENT sql_mode = '', sql_quote_show_create = 1 FOR SHOW CREATE TABLE "
	showCreate      = "SHOW CREATE TABLE "
)

// ShowCreate is SHOW CREATE TABLE, alike for every session.
func ShowCreate(ctx context.Context, q server.Querier, schema, name string) (string, error) {
	var ignored, text string
	err := q.QueryRowContext(ctx, showCreateAlike+server.Quote(schema, name)).Scan(&ignored, &text)
	if server.IsErr(err, server.ErrParse) {
		err = q.QueryRowContext(ctx, showCreate+server.Quote(schema, name)).Scan(&ignored, &text)
	}
	if server.IsErr(err, server.ErrNoSuchTable) || errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("%s.%s: %w", schema, name, ErrNoTable)
	}
	return text, err
}

var autoIncrementOption = regexp.MustCompile(` AUTO_INCREMENT=(\d+)`)

// Fingerprint is a hash of a definition. The table's name and its next
// AUTO_INCREMENT value, which changes with every row, are left out.
func Fingerprint(create string) string {
	d, err := Parse(create)
	if err != nil {
		return ""
	}
	h := sha256.New()
	for _, l := range slices.Concat(d.Columns, d.Indexes, d.Constraints) {
		fmt.Fprintf(h, "%s\n", l.Text)
	}
	fmt.Fprintf(h, "%s\n%s\n", d.Options, d.Partitions)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Definition is the text of SHOW CREATE TABLE, cut into its lines.
type Definition struct {
	Name        string
	Columns     []Line
	Indexes     []Line
	Constraints []Line // CONSTRAINT … FOREIGN KEY or CHECK, PERIOD FOR …
	Options     string // without AUTO_INCREMENT=n

	AutoIncrement string // n, decimal; "" where it is not told
	Partitions    string // from PARTITION BY on
}

// Line is one line of a definition, without the comma after it.
type Line struct {
	Kind LineKind
	Name string // of the column, index or constraint; "" when it has none
	Text string // verbatim
}

// LineKind is what a line defines.
type LineKind string

// Kinds of lines.
const (
	ColumnLine   LineKind = "COLUMN"
	PrimaryKey   LineKind = "PRIMARY KEY"
	UniqueKey    LineKind = "UNIQUE KEY"
	PlainKey     LineKind = "KEY"
	FulltextKey  LineKind = "FULLTEXT KEY"
	SpatialKey   LineKind = "SPATIAL KEY"
	VectorKey    LineKind = "VECTOR KEY"
	ForeignLine  LineKind = "FOREIGN KEY"
	CheckLine    LineKind = "CHECK"
	OtherLine    LineKind = "OTHER"
	createPrefix          = "CREATE "
)

var errDefinition = errors.New("unexpected form of SHOW CREATE TABLE")

// Parse cuts a definition into lines. It follows quotes, so names and comments
// may hold anything.
func Parse(create string) (Definition, error) {
	var d Definition
	open := scanTo(create, 0, "(")
	if !strings.HasPrefix(create, createPrefix) || open < 0 {
		return d, fmt.Errorf("%w: %.60s", errDefinition, create)
	}
	if at := strings.IndexByte(create[:open], '`'); at >= 0 {
		d.Name, _ = unquote(create[at:open])
	}
	at := open + 1
	for {
		end := scanTo(create, at, ",)")
		if end < 0 {
			return d, fmt.Errorf("%w: no end after %.60s", errDefinition, create[at:])
		}
		l := lineOf(strings.TrimSpace(create[at:end]))
		switch l.Kind {
		case ColumnLine:
			d.Columns = append(d.Columns, l)
		case PrimaryKey, UniqueKey, PlainKey, FulltextKey, SpatialKey, VectorKey:
			d.Indexes = append(d.Indexes, l)
		default:
			d.Constraints = append(d.Constraints, l)
		}
		at = end + 1
		if create[end] == ')' {
			break
		}
	}
	d.Options = create[at:]
	// Not inside the table's comment: scanTo stops at P outside of quotes only.
	for p := 0; ; p++ {
		if p = scanTo(d.Options, p, "P"); p < 0 {
			break
		}
		if strings.HasPrefix(d.Options[p:], "PARTITION BY") {
			// MySQL has all of it in a comment for versions from 5.1 on.
			d.Options, d.Partitions = d.Options[:p], strings.TrimSuffix(strings.TrimSpace(d.Options[p:]), " */")
			break
		}
	}
	d.Options = strings.TrimSpace(strings.TrimSuffix(strings.TrimRight(d.Options, " \n"), "/*!50100"))
	if at := autoIncrementOption.FindStringSubmatchIndex(d.Options); at != nil && !inQuotes(d.Options, at[0]) {
		d.AutoIncrement = d.Options[at[2]:at[3]]
		d.Options = d.Options[:at[0]] + d.Options[at[1]:]
	}
	return d, nil
}

func lineOf(text string) Line {
	if strings.HasPrefix(text, "`") {
		name, _ := unquote(text)
		return Line{Kind: ColumnLine, Name: name, Text: text}
	}
	l := Line{Kind: OtherLine, Text: text}
	for _, k := range []LineKind{PrimaryKey, UniqueKey, PlainKey, FulltextKey, SpatialKey, VectorKey} {
		if strings.HasPrefix(text, string(k)+" ") {
			l.Kind = k
		}
	}
	rest, named := strings.CutPrefix(text, "CONSTRAINT ")
	if named {
		_, n := unquote(rest)
		switch rest = strings.TrimSpace(rest[n:]); {
		case strings.HasPrefix(rest, "FOREIGN KEY"):
			l.Kind = ForeignLine
		case strings.HasPrefix(rest, "CHECK"):
			l.Kind = CheckLine
		}
	}
	if l.Kind == PrimaryKey {
		l.Name = "PRIMARY"
	} else if at := strings.IndexByte(text, '`'); at >= 0 && at < scanTo(text+"(", 0, "(") {
		l.Name, _ = unquote(text[at:])
	}
	return l
}

// Columns are the names of the columns of an index line, in order. An
// expression is "".
func (l Line) Columns() []string {
	at := scanTo(l.Text, 0, "(")
	if at < 0 {
		return nil
	}
	var names []string
	for {
		at++
		end := scanTo(l.Text, at, ",)")
		if end < 0 {
			return names
		}
		name, _ := unquote(strings.TrimSpace(l.Text[at:end]))
		names = append(names, name)
		if at = end; l.Text[end] == ')' {
			return names
		}
	}
}

// The text is the server's own, always in one notation, and every byte of a line is kept,
// comments as well: what follows is less than a lexer of statements, which leaves those out.

// scanTo finds the first byte at or after from that is one of stops, outside of
// quotes and of parentheses opened after from; -1 if there is none.
func scanTo(s string, from int, stops string) int {
	depth := 0
	for i := from; i < len(s); i++ {
		c := s[i]
		if depth == 0 && strings.IndexByte(stops, c) >= 0 {
			return i
		}
		switch c {
		case '\'', '`', '"':
			if i = skipQuoted(s, i) - 1; i < 0 {
				return -1
			}
		case '(':
			depth++
		case ')':
			depth--
		}
	}
	return -1
}

// skipQuoted returns the index after the quoted thing that begins at i; 0 if it has no end.
func skipQuoted(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return 0
}

func inQuotes(s string, at int) bool {
	for i := 0; i < at; i++ {
		if c := s[i]; c == '\'' || c == '`' || c == '"' {
			end := skipQuoted(s, i)
			if end == 0 || end > at {
				return true
			}
			i = end - 1
		}
	}
	return false
}

// unquote reads the backquoted identifier at the start of s and says how long it was.
func unquote(s string) (string, int) {
	if !strings.HasPrefix(s, "`") {
		return "", 0
	}
	end := skipQuoted(s, 0)
	if end == 0 {
		return "", 0
	}
	return strings.ReplaceAll(s[1:end-1], "``", "`"), end
}
