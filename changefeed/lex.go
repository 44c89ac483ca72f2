package changefeed

import (
	"encoding/binary"
	"strings"

	"dxfproxy/sqltext"
)

// A spelling is what of the session that has executed a statement says where its
// texts and names end. The zero spelling is sql_mode ” and a character set whose
// bytes below 128 are ASCII wherever they stand.
type spelling struct {
	noEscapes  bool // NO_BACKSLASH_ESCAPES
	ansiQuotes bool // ANSI_QUOTES
	// doubled says whether two bytes are one character of which the second may look
	// like a backslash or a quote; nil where there are none.
	doubled func(a, b byte) bool
}

// Bits of sql_mode in a Query event, the same in both families.
const (
	modeAnsiQuotes         = 1 << 2
	modeNoBackslashEscapes = 1 << 20
)

// status reads the status variables of a Query event: flags, SQL mode, catalog,
// AUTO_INCREMENT steps and the client's character set (as the number of a
// collation), in this order (MariaDB manual, "QUERY_EVENT"); 0 for what is not there.
func status(vars []byte) (sqlMode uint64, collation uint16) {
	for len(vars) > 0 {
		code, rest := vars[0], vars[1:]
		size := 0
		switch code {
		case 0, 3: // flags, AUTO_INCREMENT
			size = 4
		case 1: // SQL mode
			if size = 8; len(rest) >= size {
				sqlMode = binary.LittleEndian.Uint64(rest)
			}
		case 6: // catalog
			if len(rest) == 0 {
				return sqlMode, 0
			}
			size = 1 + int(rest[0])
		case 4: // character_set_client, and two collations
			if len(rest) >= 2 {
				collation = binary.LittleEndian.Uint16(rest)
			}
			return sqlMode, collation
		default:
			return sqlMode, 0
		}
		if len(rest) < size {
			return sqlMode, 0
		}
		vars = rest[size:]
	}
	return sqlMode, 0
}

// inUTF8 says whether the client's character set, which is that of a Query
// event's text, is one of UTF-8.
func inUTF8(vars []byte) bool {
	_, id := status(vars)
	// From 255 on it is MySQL's UCA 9.0.0, its default; from 2048 on MariaDB's UCA
	// 14.0.0, whose utf8mb4 is the default of 11.5.
	return id == 33 || id == 83 || id == 45 || id == 46 || id >= 192 && id <= 247 || id >= 255 && id <= 323 || id >= 2048 && id < 2560
}

// spellingOf is the spelling of a Query event with these status variables.
func spellingOf(vars []byte) spelling {
	sqlMode, id := status(vars)
	s := spelling{noEscapes: sqlMode&modeNoBackslashEscapes != 0, ansiQuotes: sqlMode&modeAnsiQuotes != 0}
	if id < 2048 {
		id &^= 1024 // MariaDB's collations without padding
	}
	trail := func(b, last byte) bool { return b >= 0x40 && b <= 0x7E || b >= 0x80 && b <= last }
	switch id {
	case 1, 84: // big5
		s.doubled = func(a, b byte) bool { return a >= 0xA1 && a <= 0xF9 && trail(b, 0xFE) && (b < 0x80 || b >= 0xA1) }
	case 13, 88, 95, 96: // sjis, cp932
		s.doubled = func(a, b byte) bool { return (a >= 0x81 && a <= 0x9F || a >= 0xE0 && a <= 0xFC) && trail(b, 0xFC) }
	case 28, 87, 248, 249, 250: // gbk, gb18030
		s.doubled = func(a, b byte) bool { return a >= 0x81 && a <= 0xFE && trail(b, 0xFE) }
	}
	return s
}

// width is 2 where a character of two bytes begins, else 1.
func (s spelling) width(q []byte, i int) int {
	if s.doubled != nil && i+1 < len(q) && s.doubled(q[i], q[i+1]) {
		return 2
	}
	return 1
}

// escapes says whether a backslash in these quotes is an escape.
func (s spelling) escapes(quote byte) bool {
	return quote == '\'' && !s.noEscapes || quote == '"' && !s.noEscapes && !s.ansiQuotes
}

// A word is a piece of a statement: an identifier or keyword (name), or one
// character of punctuation.
type word struct {
	text   string
	name   bool
	quoted bool
}

// dot says whether the word is the dot between names.
func (w word) dot() bool { return !w.name && w.text == "." }

// is compares an unquoted word with keywords.
func (w word) is(keywords ...string) bool {
	if !w.name || w.quoted {
		return false
	}
	for _, k := range keywords {
		if strings.EqualFold(w.text, k) {
			return true
		}
	}
	return false
}

// maxWords bounds the work on huge statements. Table names stand at their
// beginning except in those that select from elsewhere.
const maxWords = 100_000

// lex cuts a statement into words. Comments go, except that the inside of those
// the server executes (/*! and /*M!) stays. Texts in single quotes go; those in
// double quotes may be identifiers (ANSI_QUOTES) and are kept as such.
func (s spelling) lex(q []byte) []word {
	var words []word
	l := sqltext.NewLexer(q, sqltext.Mode{NoBackslashEscapes: s.noEscapes, AnsiQuotes: s.ansiQuotes})
	l.Doubling(s.doubled)
	for len(words) < maxWords {
		switch t := l.Next(); t.Kind {
		case sqltext.TokenEOF:
			return words
		case sqltext.TokenBad:
			// The server has executed it, so what does not end is ours: its spelling is
			// another one, and what is left may name anything.
			return append(words, word{text: string(q[t.Start:]), name: true, quoted: true})
		case sqltext.TokenName, sqltext.TokenString:
			if quote := q[t.Start]; quote != '\'' {
				words = append(words, word{text: s.unquote(t.Of(q)), name: true, quoted: true})
			}
		default:
			named := t.Kind == sqltext.TokenWord || t.Kind == sqltext.TokenInteger || t.Kind == sqltext.TokenNumber
			words = append(words, word{text: string(t.Of(q)), name: named})
		}
	}
	return words
}

// unquote is what a quoted text stands for, whose quotes are its first and last byte.
func (s spelling) unquote(q []byte) string {
	quote, q := q[0], q[1:len(q)-1]
	var b strings.Builder
	for i := 0; i < len(q); i++ {
		switch {
		case s.width(q, i) == 2:
			b.Write(q[i : i+2])
			i++
			continue
		case q[i] == '\\' && s.escapes(quote), q[i] == quote: // which is doubled
			i++
		}
		b.WriteByte(q[i])
	}
	return b.String()
}
