package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// sqlReader goes through a dump statement by statement (sqlstatement.go) and, within
// INSERT and REPLACE, row by row. A row of which the window has only a part is begun
// anew when the rest has come. The dump is a stream, of which a lexer of texts in memory
// (package sqltext) could read no statement that is longer than the window.
type sqlReader struct {
	w     window
	now   Start // what has been set, and whether a row or a statement comes next
	line  int64 // of pos; 0 if it is not known
	after bool  // InValues: a row has been read, so a comma comes before the next
	mark  Start // after the last row
	limit int   // of a row's length
	// server says which comments for certain versions count.
	server Server
	// conv converts text without an introducer, of which refused says why what is not
	// ASCII cannot be read.
	conv    *charset
	refused error
	err     error
	fields  []Field
	// values that are not as they are in the file
	scratch []byte
	// nextEsc is where in the window the next backslash is; see csvReader.
	nextEsc int
}

// NewSQL reads the rows of the INSERT and REPLACE statements of a dump from r, whose
// first byte is at.Offset of the file, as the server would. Statements of other kinds
// are passed over. All must name one table, whatever its name is: rows of two do
// not belong into one.
func NewSQL(r io.Reader, at Start, server Server, limit Limits) Reader {
	return newSQL(r, at, server, limit, windowSize)
}

func newSQL(r io.Reader, at Start, server Server, limit Limits, size int) *sqlReader {
	s := &sqlReader{
		w: newWindow(r, at.Offset, size, limit), now: at, line: at.Line, after: at.InValues,
		mark: at, limit: limit.row(), server: server, nextEsc: -1,
	}
	if at.Offset == 0 {
		s.line = 1
	}
	s.setNames(at.Names)
	return s
}

func (s *sqlReader) Offset() int64 { return s.mark.Offset }

func (s *sqlReader) Resume() Start { return s.mark }

func (s *sqlReader) Next() (Row, error) {
	if s.err != nil {
		return Row{}, s.err
	}
	if s.w.off == 0 && s.w.pos == 0 && s.starts(bom) {
		s.advance(len(bom))
	}
	for {
		if !s.now.InValues {
			if s.err = s.statement(); s.err != nil {
				return Row{}, s.err
			}
		}
		more, err := s.separator()
		if err != nil {
			s.err = err
			return Row{}, err
		}
		if !more {
			s.now.InValues, s.now.Columns = false, nil
			continue
		}
		row := Row{
			Columns: s.now.Columns, Offset: s.w.offset(), Line: s.line,
			TimeZone: s.now.TimeZone, Names: s.now.Names,
		}
		n, err := s.values()
		if err != nil {
			s.err = err
			return Row{}, err
		}
		row.Fields = s.fields
		s.advance(n)
		s.after = true
		s.mark = s.now
		s.mark.Offset, s.mark.Line = s.w.offset(), s.line
		return row, nil
	}
}

// separator passes over what is between VALUES or a row and the next row. It
// returns false at the end of the statement.
func (s *sqlReader) separator() (bool, error) {
	if err := s.space(); err != nil {
		return false, err
	}
	b, ok := s.at(0)
	switch {
	case s.after && (!ok || s.atDelimiter()):
		if !ok && !s.w.ended() {
			return false, s.w.err
		}
		return false, nil
	case s.after && ok && b == ',':
		s.advance(1)
		if err := s.space(); err != nil {
			return false, err
		}
		b, ok = s.at(0)
	case s.after:
		return false, s.unexpected("`,` or the end of the statement")
	}
	if !ok || b != '(' {
		return false, s.unexpected("`(`")
	}
	return true, nil
}

// values reads the row at pos and returns its length.
func (s *sqlReader) values() (int, error) {
	for {
		s.fields, s.scratch = s.fields[:0], emptied(s.scratch)
		end, err := s.row()
		if err != nil {
			return 0, err
		}
		if n := end - s.w.pos; end >= 0 && n <= s.limit {
			return n, nil
		}
		if end >= 0 || len(s.w.buf)-s.w.pos > s.limit {
			return 0, s.wrong(s.w.pos, -1, nil, tooLong(s.limit))
		}
		if !s.more() && !s.w.ended() {
			return 0, s.w.err
		}
	}
}

// row reads the row at pos, and returns where it ends, -1 if the window has not the whole.
func (s *sqlReader) row() (int, error) {
	buf := s.w.buf
	p := s.blank(s.w.pos + 1)
	if p < len(buf) && buf[p] == ')' {
		return p + 1, nil // all defaults
	}
	for {
		if len(s.fields) == maxFields {
			return -1, s.wrong(s.w.pos, -1, nil, ErrTooManyFields)
		}
		var err error
		if p, err = s.value(s.blank(p)); p < 0 || err != nil {
			return -1, err
		}
		p = s.blank(p)
		switch {
		case p >= len(buf):
			return s.short()
		case buf[p] == ')':
			return p + 1, nil
		case buf[p] == ',':
			p++
		default:
			return -1, s.wrong(p, len(s.fields)-1, s.shown(p), errNotLiteral)
		}
	}
}

// short is what a row that goes beyond the window gives: nothing yet, or an error
// where the file ends.
func (s *sqlReader) short() (int, error) {
	if !s.w.ended() {
		return -1, nil
	}
	return -1, s.wrong(len(s.w.buf), -1, nil, errPremature)
}

var errPremature = errors.New("syntax error: premature EOF")

// blank passes over white space and comments within a row. It is the end of the window
// if that does not show the end of a comment.
func (s *sqlReader) blank(p int) int {
	buf := s.w.buf
	for p < len(buf) {
		switch buf[p] {
		case ' ', '\n', '\t', '\r', '\f', '\v':
			p++
			continue
		case '/', '#', '-', '*':
		default:
			return p
		}
		if len(buf)-p < longestOpening && !s.w.ended() {
			return len(buf)
		}
		kind, n := s.server.comment(buf[p:])
		switch kind {
		case noComment:
			return p
		case opening, closing:
		default:
			if n = kind.length(buf[p:]); n < 0 {
				return len(buf)
			}
		}
		p += n
	}
	return p
}

// more gets more of the file into the window.
func (s *sqlReader) more() bool {
	s.nextEsc = -1
	return s.w.more()
}

// at returns byte i from pos on, getting more of the file if need be; false at its end.
func (s *sqlReader) at(i int) (byte, bool) {
	for s.w.pos+i >= len(s.w.buf) {
		if !s.more() {
			return 0, false
		}
	}
	return s.w.buf[s.w.pos+i], true
}

// starts says whether text is at pos, in any case of letters.
func (s *sqlReader) starts(text string) bool {
	if _, ok := s.at(len(text) - 1); !ok {
		return false
	}
	return strings.EqualFold(string(s.w.buf[s.w.pos:s.w.pos+len(text)]), text)
}

// advance moves pos by n bytes.
func (s *sqlReader) advance(n int) {
	if s.line > 0 {
		s.line += int64(bytes.Count(s.w.buf[s.w.pos:s.w.pos+n], []byte{'\n'}))
	}
	s.w.pos += n
}

// unexpected is an error at pos.
func (s *sqlReader) unexpected(want string) error {
	if _, ok := s.at(0); !ok {
		if !s.w.ended() {
			return s.w.err
		}
		return s.wrong(s.w.pos, -1, nil, errPremature)
	}
	s.at(maxShown)
	return s.wrong(s.w.pos, -1, nil, fmt.Errorf("syntax error: unexpected %s, expecting %s", Shorten(s.shown(s.w.pos)), want))
}

// shown is the text from byte p of the window on, as far as an error shows it.
func (s *sqlReader) shown(p int) []byte {
	return s.w.buf[p:min(p+maxShown/2, len(s.w.buf))]
}

// wrong is an error at byte p of the window.
func (s *sqlReader) wrong(p, column int, value []byte, err error) error {
	e := &Error{Offset: s.w.off + int64(p), RowGroup: -1, Column: column, Err: err}
	if s.line > 0 {
		e.Line = s.line + int64(bytes.Count(s.w.buf[s.w.pos:p], []byte{'\n'}))
	}
	if column >= 0 && column < len(s.now.Columns) {
		e.Name = s.now.Columns[column]
	}
	if value != nil {
		e.Value = Shorten(value)
	}
	return e
}
