package sqltext

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// A statement that is to be tried is not handed on as it came: it is written
// anew, token by token, in one plain notation. Names are in backquotes, texts in
// single quotes, everything in UTF-8, and there is no comment. So what the store
// reads is what the classifier has read, whatever the session's sql_mode and
// character set.

// errPlain: the statement has no plain notation. It is the client's session's.
var errPlain = errors.New("the statement cannot be written in plain notation")

// Plain writes the statement in plain notation, about another table. toUTF8 makes UTF-8
// of a text in the client's character set, or says that it cannot.
func (st *AlterTable) Plain(table string, toUTF8 func([]byte) (string, bool)) (string, error) {
	text, at := st.all, st.Table.Span
	var b strings.Builder
	var last Token
	for _, t := range st.toks {
		inside := t.Start >= at.Start && t.End <= at.End && t.Kind != TokenEOF
		switch {
		case t.Kind == TokenEOF:
			return b.String(), nil
		case inside && t.Start > at.Start:
			last = t
			continue // of the reference that the table's name took the place of
		case st.mode.NoBackslashEscapes && isWord(text, t, "LIKE"):
			return "", errPlain // its default escape character is gone in that mode
		}
		if b.Len() > 0 && (t.Start > last.End || mustPart(text, last, t)) {
			b.WriteByte(' ')
		}
		if inside {
			b.WriteString(table)
			last = t
			continue
		}
		word, ok := plainToken(text, last, t, st.mode, toUTF8)
		if !ok {
			return "", errPlain
		}
		b.WriteString(word)
		last = t
	}
	return "", errPlain
}

// mustPart says whether two tokens that touch would become something else in
// plain notation: two quotes one escaped quote, two dashes and a blank a comment.
func mustPart(text []byte, a, b Token) bool {
	quoted := func(t Token) bool { return t.Kind == TokenName || t.Kind == TokenString }
	dash := func(t Token) bool { return t.Kind == TokenPunct && text[t.Start] == '-' }
	high := func(t Token) bool { return t.Kind == TokenWord && highBytes(t.Of(text)) } // will be quoted
	return quoted(a) && quoted(b) || dash(a) && dash(b) || high(a) || high(b)
}

func highBytes(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func plainToken(text []byte, before, t Token, m Mode, toUTF8 func([]byte) (string, bool)) (string, bool) {
	b := t.Of(text)
	switch t.Kind {
	case TokenWord:
		s, ok := toUTF8(b)
		if highBytes(b) {
			return quote(s), ok
		}
		return s, ok
	case TokenName:
		s, ok := toUTF8([]byte(Identifier(text, t)))
		return quote(s), ok && s != "" && !strings.ContainsRune(s, 0)
	case TokenString:
		raw := []byte(StringValue(text, t, m))
		// A text with its own character set (_latin1'…'), or of bits and bytes
		// (x'…'), is not in the client's.
		if before.Kind == TokenWord && before.Of(text)[0] == '_' && highBytes(raw) {
			return "", false
		}
		s, ok := toUTF8(raw)
		return quotePlain(s), ok
	case TokenInteger, TokenNumber, TokenPunct:
		return string(b), !highBytes(b) && b[0] >= ' ' && b[0] < 0x7F
	}
	return "", false // variables have no place in a definition
}

// quotePlain quotes a text for a session whose sql_mode lets a backslash escape.
func quotePlain(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// ModeOf is the part of a sql_mode that the lexer must know.
func ModeOf(sqlMode string) Mode {
	var m Mode
	for name := range strings.SplitSeq(strings.ToUpper(sqlMode), ",") {
		m.AnsiQuotes = m.AnsiQuotes || name == "ANSI_QUOTES"
		m.NoBackslashEscapes = m.NoBackslashEscapes || name == "NO_BACKSLASH_ESCAPES"
	}
	return m
}
