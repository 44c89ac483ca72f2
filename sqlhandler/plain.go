package sqlhandler

import (
	"errors"
	"strings"
	"unicode/utf8"

	"dxfproxy/decode"
	"dxfproxy/server"
	"dxfproxy/table"
)

// A statement that is to be tried is not handed on as it came: it is written
// anew, token by token, in one plain notation. Names are in backquotes, texts in
// single quotes, everything in UTF-8, and there is no comment. So what the store
// reads is what the classifier has read, whatever the session's sql_mode and
// character set.

// errPlain: the statement has no plain notation. It is the client's session's.
var errPlain = errors.New("the statement cannot be written in plain notation")

// plainSets are the character sets whose bytes below 128 are ASCII wherever they
// stand: what a text in them is made of can be told without decoding it.
var plainSets = words(`utf8mb4 utf8mb3 utf8 latin1 ascii binary armscii8 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 euckr eucjpms
	gb2312 geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin2 latin5 latin7 macce macroman tis620 ujis`)

// decoder returns what makes UTF-8 of a text in a client's character set.
func decoder(charset string) func([]byte) (string, bool) {
	charset = strings.ToLower(charset)
	return func(b []byte) (string, bool) {
		switch {
		case !plainSets[charset]:
			return "", false
		case (charset == "binary" || charset == "ascii") && highBytes(b):
			return "", false
		}
		text, err := decode.ToUTF8(charset, b)
		if err != nil {
			return "", false
		}
		s := string(text)
		// The servers' utf8mb3 ends with the first plane of Unicode.
		return s, !strings.HasPrefix(charset, "utf8") || charset == "utf8mb4" || !strings.ContainsFunc(s, func(r rune) bool { return r > 0xFFFF })
	}
}

// decodeAll makes UTF-8 of texts in a client's character set; ok is false if one
// of them is not in it.
func decodeAll(charset string, texts ...string) (all []string, ok bool) {
	toUTF8 := decoder(charset)
	for _, t := range texts {
		s, ok := toUTF8([]byte(t))
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// plainText writes the statement in plain notation, about another table.
func plainText(text []byte, toks []token, m Mode, charset string, at Span, table string) (string, error) {
	toUTF8 := decoder(charset)
	var b strings.Builder
	var last token
	for _, t := range toks {
		inside := t.Start >= at.Start && t.End <= at.End && t.kind != tokEOF
		switch {
		case t.kind == tokEOF:
			return b.String(), nil
		case inside && t.Start > at.Start:
			last = t
			continue // of the reference that the table's name took the place of
		case m.NoBackslashEscapes && isWord(text, t, "LIKE"):
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
		word, ok := plainToken(text, last, t, m, toUTF8)
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
func mustPart(text []byte, a, b token) bool {
	quoted := func(t token) bool { return t.kind == tokName || t.kind == tokString }
	dash := func(t token) bool { return t.kind == tokPunct && text[t.Start] == '-' }
	return quoted(a) && quoted(b) || dash(a) && dash(b) || a.kind == tokWord && highBytes(a.Of(text)) || b.kind == tokWord && highBytes(b.Of(text))
}

func highBytes(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func plainToken(text []byte, before, t token, m Mode, toUTF8 func([]byte) (string, bool)) (string, bool) {
	b := t.Of(text)
	switch t.kind {
	case tokWord:
		s, ok := toUTF8(b)
		if highBytes(b) {
			return server.Quote(s), ok
		}
		return s, ok
	case tokName:
		s, ok := toUTF8([]byte(identifier(text, t)))
		return server.Quote(s), ok && s != "" && !strings.ContainsRune(s, 0)
	case tokString:
		raw := []byte(stringValue(text, t, m))
		// A text with its own character set (_latin1'…'), or of bits and bytes
		// (x'…'), is not in the client's.
		if before.kind == tokWord && before.Of(text)[0] == '_' && highBytes(raw) {
			return "", false
		}
		s, ok := toUTF8(raw)
		return quotePlain(s), ok
	case tokInteger, tokNumber, tokPunct:
		return string(b), !highBytes(b) && b[0] >= ' ' && b[0] < 0x7F
	}
	return "", false // variables have no place in a definition
}

// quotePlain quotes a text for a session whose sql_mode lets a backslash escape.
func quotePlain(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// lexicalModes are the parts of sql_mode that plain notation does without;
// meaningModes those that say what an expression means, and are kept.
var (
	lexicalModes = words("ANSI ANSI_QUOTES NO_BACKSLASH_ESCAPES NO_KEY_OPTIONS NO_TABLE_OPTIONS NO_FIELD_OPTIONS NO_DIR_IN_CREATE ONLY_FULL_GROUP_BY NO_AUTO_CREATE_USER TRADITIONAL SIMULTANEOUS_ASSIGNMENT")
	meaningModes = words("PIPES_AS_CONCAT HIGH_NOT_PRECEDENCE IGNORE_SPACE NO_UNSIGNED_SUBTRACTION REAL_AS_FLOAT EMPTY_STRING_IS_NULL")
)

// modeOf is the part of a sql_mode that the lexer must know.
func modeOf(sqlMode string) Mode {
	var m Mode
	for name := range strings.SplitSeq(strings.ToUpper(sqlMode), ",") {
		m.AnsiQuotes = m.AnsiQuotes || name == "ANSI_QUOTES"
		m.NoBackslashEscapes = m.NoBackslashEscapes || name == "NO_BACKSLASH_ESCAPES"
	}
	return m
}

// plainMode is the sql_mode under which a statement in plain notation means what
// it means under sqlMode; ok is false where it need not, as in another dialect.
func plainMode(sqlMode string) (mode string, ok bool) {
	var keep []string
	for name := range strings.SplitSeq(strings.ToUpper(sqlMode), ",") {
		switch {
		case name == "", lexicalModes[name]:
		case meaningModes[name]:
			keep = append(keep, name)
		case table.ValueMode(name) != "":
			keep = append(keep, name)
		default:
			return "", false
		}
	}
	return strings.Join(keep, ","), true
}
