package decode

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// statement goes on to the first row of the next INSERT or REPLACE, io.EOF if there is none.
func (s *sqlReader) statement() error {
	for {
		if err := s.space(); err != nil {
			return err
		}
		if _, ok := s.at(0); !ok {
			return s.w.err
		}
		if s.atDelimiter() {
			s.advance(len(s.delimiter()))
			continue
		}
		var err error
		switch word := s.word(); strings.ToLower(word) {
		case "insert", "replace":
			s.advance(len(word))
			return s.insert()
		case "delimiter":
			s.advance(len(word))
			err = s.setDelimiter()
		case "set":
			err = s.set()
		default:
			err = s.pass()
		}
		if err != nil {
			return err
		}
	}
}

// insert reads what is between INSERT and the first row.
func (s *sqlReader) insert() error {
	name, quoted, err := s.name()
	for ; err == nil && !quoted; name, quoted, err = s.name() {
		switch strings.ToLower(name) {
		case "low_priority", "high_priority", "delayed", "ignore", "into":
			continue
		}
		break
	}
	if err != nil {
		return err
	}
	if name, err = s.table(name); err != nil {
		return err
	}
	columns, err := s.columns()
	if err != nil {
		return err
	}
	if err := s.space(); err != nil {
		return err
	}
	word := s.word()
	if !strings.EqualFold(word, "values") && !strings.EqualFold(word, "value") {
		return s.unexpected("VALUES")
	}
	s.advance(len(word))
	s.now.InValues, s.now.Columns, s.after, s.now.Table = true, columns, false, name
	return nil
}

// table reads what is behind the first part of an INSERT's name, and returns the last
// part: the table's name, which must be that of the statements before.
func (s *sqlReader) table(first string) (name string, err error) {
	name = first
	if b, _ := s.at(0); b == '.' {
		s.advance(1)
		if name, _, err = s.name(); err != nil {
			return "", err
		}
	}
	if was := s.now.Table; was != "" && !strings.EqualFold(was, name) {
		return "", s.wrong(s.w.pos, -1, nil, fmt.Errorf("%w: %s and %s", ErrTwoTables, Shorten([]byte(was)), Shorten([]byte(name))))
	}
	return name, s.space()
}

// columns reads a column list, if there is one.
func (s *sqlReader) columns() (columns []string, err error) {
	if b, _ := s.at(0); b != '(' {
		return nil, nil
	}
	for {
		s.advance(1)
		if err := s.space(); err != nil {
			return nil, err
		}
		if b, _ := s.at(0); b == ')' && columns == nil {
			break
		}
		name, _, err := s.name()
		if err != nil {
			return nil, err
		}
		if len(columns) == maxFields {
			return nil, s.wrong(s.w.pos, -1, nil, ErrTooManyFields)
		}
		columns = append(columns, name)
		if err := s.space(); err != nil {
			return nil, err
		}
		if b, _ := s.at(0); b == ')' {
			break
		} else if b != ',' {
			return nil, s.unexpected("a column list")
		}
	}
	s.advance(1)
	return columns, nil
}

// name reads an identifier and says whether it was quoted.
func (s *sqlReader) name() (name string, quoted bool, err error) {
	if err := s.space(); err != nil {
		return "", false, err
	}
	quote, _ := s.at(0)
	if quote != '`' && quote != '"' {
		name := s.word()
		if name == "" {
			return "", false, s.unexpected("a name")
		}
		s.advance(len(name))
		return name, false, nil
	}
	var b strings.Builder
	for i := 1; ; i++ {
		c, ok := s.at(i)
		if !ok || i > maxName {
			return "", false, s.unexpected("a name")
		}
		if c == quote {
			if next, _ := s.at(i + 1); next != quote {
				s.advance(i + 1)
				return b.String(), true, nil
			}
			i++
		}
		b.WriteByte(c)
	}
}

// maxName bounds a name in bytes: 64 characters, each of them doubled.
const maxName = 2 * 4 * 64

// word returns the keyword or name at pos; "" if there is none.
func (s *sqlReader) word() string {
	n := 0
	for n <= maxName {
		if b, ok := s.at(n); !ok || !wordByte(b) {
			break
		}
		n++
	}
	return string(s.w.buf[s.w.pos : s.w.pos+n])
}

// passTo moves pos behind text, or to the end of the file and returns false.
func (s *sqlReader) passTo(text string) bool {
	for {
		if i := bytes.Index(s.w.buf[s.w.pos:], []byte(text)); i >= 0 {
			s.advance(i + len(text))
			return true
		}
		if n := len(s.w.buf) - s.w.pos - len(text) + 1; n > 0 {
			s.advance(n)
		}
		if !s.more() {
			s.advance(len(s.w.buf) - s.w.pos)
			return false
		}
	}
}

// pass goes to the end of a statement that is not looked at.
func (s *sqlReader) pass() error {
	var stops [256]bool
	for _, b := range []byte("'\"`/#-*" + s.delimiter()[:1]) {
		stops[b] = true
	}
	for {
		n := 0
		for buf := s.w.buf[s.w.pos:]; n < len(buf) && !stops[buf[n]]; n++ {
		}
		s.advance(n)
		b, ok := s.at(0)
		switch {
		case !ok:
			if !s.w.ended() {
				return s.w.err
			}
			return nil
		case s.atDelimiter():
			s.advance(len(s.delimiter()))
			return nil
		case b == '\'' || b == '"' || b == '`':
			if err := s.passString(b); err != nil {
				return err
			}
		case stops[b]:
			before := s.w.offset()
			if err := s.space(); err != nil {
				return err
			}
			if s.w.offset() == before {
				s.advance(1)
			}
		}
	}
}

// passString goes behind the string whose opening quote is at pos.
func (s *sqlReader) passString(quote byte) error {
	open := s.wrong(s.w.pos, -1, nil, errPremature)
	s.advance(1)
	for {
		i := 0
		for buf := s.w.buf[s.w.pos:]; i < len(buf) && buf[i] != quote && buf[i] != '\\'; i++ {
		}
		s.advance(i)
		b, ok := s.at(0)
		switch {
		case !ok && !s.w.ended():
			return s.w.err
		case !ok:
			return open
		case b == quote: // of a doubled one the second opens a string anew
			s.advance(1)
			return nil
		case b == '\\' && quote != '`' && !s.now.NoBackslash:
			if _, ok := s.at(1); ok {
				s.advance(1)
			}
			fallthrough
		default:
			s.advance(1)
		}
	}
}

func (s *sqlReader) delimiter() string {
	if s.now.Delimiter == "" {
		return ";"
	}
	return s.now.Delimiter
}

func (s *sqlReader) atDelimiter() bool {
	text := s.delimiter()
	if _, ok := s.at(len(text) - 1); !ok {
		return false
	}
	return string(s.w.buf[s.w.pos:s.w.pos+len(text)]) == text
}

// setDelimiter reads the rest of the line of a DELIMITER command.
func (s *sqlReader) setDelimiter() error {
	n := 0
	for ; n < maxDelimiter; n++ {
		if b, ok := s.at(n); !ok || b == '\n' || b == '\r' {
			break
		}
	}
	text := strings.TrimSpace(string(s.w.buf[s.w.pos : s.w.pos+n]))
	if text == "" || n == maxDelimiter {
		return s.unexpected("a delimiter")
	}
	s.advance(n)
	s.now.Delimiter = text
	if text == ";" {
		s.now.Delimiter = ""
	}
	return nil
}

const maxDelimiter = 256

// maxSet is how long a SET statement is that is looked at: those of dump tools have
// some hundred bytes.
const maxSet = 4 << 10

// In each the first group is a literal, the second something else, such as what the
// session had before.
var (
	setTimeZone = regexp.MustCompile(`(?i)\btime_zone\s*:?=\s*(?:'([^']*)'|(\S))`)
	setNames    = regexp.MustCompile(`(?i)^set\s+names\s+(?:['"]?(\w+)|(\S))`)
	setMode     = regexp.MustCompile(`(?i)\bsql_mode\s*:?=\s*(?:'([^']*)'|(\S))`)
)

// set remembers what a SET statement says of how the following rows are to be read.
func (s *sqlReader) set() error {
	s.at(maxSet)
	from, off := s.w.pos, s.w.off
	if err := s.pass(); err != nil {
		return err
	}
	if s.w.off != off || s.w.pos-from > maxSet {
		return nil
	}
	text := s.w.buf[from:s.w.pos]
	if m := setTimeZone.FindSubmatch(text); m != nil {
		s.now.TimeZone = string(m[1])
	}
	if m := setMode.FindSubmatch(text); m != nil {
		s.now.NoBackslash = strings.Contains(strings.ToUpper(string(m[1])), "NO_BACKSLASH_ESCAPES")
	}
	if m := setNames.FindSubmatch(text); m != nil {
		s.setNames(strings.ToLower(string(m[1])))
	}
	return nil
}

// setNames sets the character set of text without an introducer.
func (s *sqlReader) setNames(name string) {
	if name == "default" {
		name = ""
	}
	s.now.Names, s.refused = name, nil
	var err error
	s.conv, err = newCharset(name)
	// In these a backslash or a quote can be the second byte of a character.
	if err != nil || s.conv != nil && s.conv.length != nil {
		s.conv, s.refused = nil, fmt.Errorf("text in character set %s cannot be read", name)
	}
}
