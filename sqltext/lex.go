package sqltext

// Mode is the part of a session's sql_mode that decides where a quoted text
// ends. Both are visible in the status flags of every OK (0x0200 and, MariaDB
// only, 0x8000).
//
// The lexer works on bytes of ASCII-compatible text. It must not be asked about
// text in gbk, big5, sjis or gb18030, where a second byte can look like a quote
// or a backslash: the caller relays such sessions.
type Mode struct {
	NoBackslashEscapes bool
	AnsiQuotes         bool // "x" is an identifier
}

// Span is a piece of the text: bytes Start up to, not including, End.
type Span struct {
	Start, End int
}

// Of returns the bytes of the span.
func (s Span) Of(text []byte) []byte { return text[s.Start:s.End] }

// TokenKind says what a token is.
type TokenKind uint8

// Kinds of tokens.
const (
	TokenEOF     TokenKind = iota
	TokenWord              // a keyword or an unquoted identifier
	TokenName              // a quoted identifier, quotes included in the span
	TokenString            // a quoted text, quotes included in the span
	TokenInteger           // decimal digits only
	TokenNumber            // any other number: 1.5, 1e3, 0x1F
	TokenSysVar            // @@; the name follows as words and dots
	TokenUserVar           // @name, @'name', a lone @
	TokenPunct             // one byte
	TokenBad               // a quote or a comment that does not end
)

// Token is a piece of a text that means something.
type Token struct {
	Kind TokenKind
	Span
}

// Lexer cuts a text into tokens without allocating.
type Lexer struct {
	src  []byte
	pos  int
	mode Mode

	// executable is set once an executable comment (/*! or /*M!) was seen. Its
	// content comes as tokens, though the server may skip it for its version:
	// what was read is then not to be trusted.
	executable bool
	inside     bool // of an executable comment
	afterDot   bool // an identifier may begin with a digit here

	// double says whether two bytes are one character; nil: of no text that is read may
	// the second byte look like a quote, a backslash or the end of a word.
	double func(a, b byte) bool
}

// NewLexer begins to read a text.
func NewLexer(text []byte, mode Mode) *Lexer { return &Lexer{src: text, mode: mode} }

// Doubling tells a Lexer that has not begun which two bytes are one character, in a
// character set where the second may look like a quote or a backslash.
func (l *Lexer) Doubling(double func(a, b byte) bool) { l.double = double }

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWordByte holds for every byte above ASCII: no multi-byte character of a
// text the lexer is asked about ends an identifier.
func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// at returns the byte n ahead, 0 past the end.
func (l *Lexer) at(n int) byte {
	if l.pos+n < len(l.src) {
		return l.src[l.pos+n]
	}
	return 0
}

// skipBlank moves past white space and comments. It reports false for a
// comment that does not end.
func (l *Lexer) skipBlank() bool {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case isSpace(c):
			l.pos++
		case c == '#':
			l.skipLine()
		case c == '-' && l.at(1) == '-' && (l.pos+2 == len(l.src) || l.at(2) <= ' ' || l.at(2) == 0x7F):
			l.skipLine()
		case c == '/' && l.at(1) == '*':
			if !l.openComment() {
				return false
			}
		case c == '*' && l.at(1) == '/' && l.inside:
			l.inside = false
			l.pos += 2
		default:
			return true
		}
	}
	return !l.inside
}

func (l *Lexer) skipLine() {
	for l.pos < len(l.src) && l.src[l.pos] != '\n' {
		l.pos++
	}
}

// openComment moves past a plain comment, or past the opening of an executable
// one: /*! or /*M! and five or six digits of a version.
func (l *Lexer) openComment() bool {
	n := 0
	switch {
	case l.at(2) == '!':
		n = 3
	case l.at(2) == 'M' && l.at(3) == '!':
		n = 4
	}
	if n > 0 {
		l.executable, l.inside = true, true
		l.pos += n
		for range 6 {
			if isDigit(l.at(0)) {
				l.pos++
			}
		}
		return true
	}
	for i := l.pos + 2; i+1 < len(l.src); i++ {
		if l.src[i] == '*' && l.src[i+1] == '/' {
			l.pos = i + 2
			return true
		}
	}
	l.pos = len(l.src)
	return false
}

// Next returns the next token. After tokEOF or tokBad it must not be called.
func (l *Lexer) Next() Token {
	afterDot := l.afterDot
	l.afterDot = false
	before := l.pos
	if !l.skipBlank() {
		return Token{TokenBad, Span{before, len(l.src)}}
	}
	start := l.pos
	if start == len(l.src) {
		return Token{TokenEOF, Span{start, start}}
	}
	kind := TokenPunct
	switch c := l.src[start]; {
	case c == '\'':
		kind = l.quoted(TokenString, !l.mode.NoBackslashEscapes)
	case c == '"' && l.mode.AnsiQuotes:
		kind = l.quoted(TokenName, false)
	case c == '"':
		kind = l.quoted(TokenString, !l.mode.NoBackslashEscapes)
	case c == '`':
		kind = l.quoted(TokenName, false)
	case c == '@':
		kind = l.variable()
	case isDigit(c) && !afterDot, c == '.' && isDigit(l.at(1)) && !l.joined():
		kind = l.number()
	case isWordByte(c):
		l.word()
		kind = TokenWord
	default:
		l.pos++
		l.afterDot = c == '.'
	}
	return Token{kind, Span{start, l.pos}}
}

// joined says whether the dot at hand follows an identifier directly, as in
// db.1st: then it is no decimal point.
func (l *Lexer) joined() bool {
	if l.pos == 0 {
		return false
	}
	c := l.src[l.pos-1]
	return isWordByte(c) || c == '`' || c == '"' && l.mode.AnsiQuotes
}

func (l *Lexer) word() {
	if l.double != nil {
		l.wideWord()
		return
	}
	for l.pos < len(l.src) && isWordByte(l.src[l.pos]) {
		l.pos++
	}
}

func (l *Lexer) wideWord() {
	for l.pos < len(l.src) && isWordByte(l.src[l.pos]) {
		l.pos += l.width(l.pos)
	}
}

// width is how many bytes the character at a place has that may have two, else 1.
func (l *Lexer) width(at int) int {
	if l.double != nil && at+1 < len(l.src) && l.double(l.src[at], l.src[at+1]) {
		return 2
	}
	return 1
}

// quoted moves past a quoted text; a doubled quote stands for one.
func (l *Lexer) quoted(kind TokenKind, escapes bool) TokenKind {
	quote := l.src[l.pos]
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch c := l.src[l.pos]; {
		case l.width(l.pos) == 2:
			l.pos++
		case c == quote:
			l.pos++
			if l.at(0) != quote {
				return kind
			}
		case c == '\\' && escapes:
			l.pos++
		}
	}
	l.pos = len(l.src)
	return TokenBad
}

func (l *Lexer) variable() TokenKind {
	l.pos++
	switch l.at(0) {
	case '@':
		l.pos++
		l.afterDot = true // a name follows
		return TokenSysVar
	case '\'', '"':
		if l.quoted(TokenUserVar, !l.mode.NoBackslashEscapes) == TokenBad {
			return TokenBad
		}
	case '`':
		if l.quoted(TokenUserVar, false) == TokenBad {
			return TokenBad
		}
	default:
		for l.pos < len(l.src) && (isWordByte(l.src[l.pos]) || l.src[l.pos] == '.') {
			l.pos += l.width(l.pos)
		}
	}
	return TokenUserVar
}

// number moves past a number, or past an identifier that begins with digits.
func (l *Lexer) number() TokenKind {
	for isDigit(l.at(0)) {
		l.pos++
	}
	kind := TokenInteger
	if l.at(0) == '.' {
		kind = TokenNumber
		for l.pos++; isDigit(l.at(0)); {
			l.pos++
		}
	}
	if c := l.at(0); c == 'e' || c == 'E' {
		n := 1
		if s := l.at(1); s == '+' || s == '-' {
			n = 2
		}
		if isDigit(l.at(n)) {
			for l.pos += n; isDigit(l.at(0)); {
				l.pos++
			}
			kind = TokenNumber
		}
	}
	if !isWordByte(l.at(0)) {
		return kind
	}
	hex := kind == TokenInteger && (l.at(0) == 'x' || l.at(0) == 'b')
	l.word()
	if hex || kind == TokenNumber {
		return TokenNumber
	}
	return TokenWord
}

// isWord compares an unquoted word with an upper-case keyword.
func isWord(text []byte, t Token, keyword string) bool {
	return t.Kind == TokenWord && equalFold(text[t.Start:t.End], keyword)
}

// isOneOf compares an unquoted word with upper-case keywords.
func isOneOf(text []byte, t Token, keywords ...string) bool {
	for _, k := range keywords {
		if isWord(text, t, k) {
			return true
		}
	}
	return false
}

// equalFold compares ASCII text with an upper-case word.
func equalFold(b []byte, upper string) bool {
	if len(b) != len(upper) {
		return false
	}
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != upper[i] {
			return false
		}
	}
	return true
}

// Identifier returns the name a word or a quoted name stands for.
func Identifier(text []byte, t Token) string {
	b := t.Of(text)
	if t.Kind != TokenName {
		return string(b)
	}
	quote, out := b[0], make([]byte, 0, len(b))
	for i := 1; i < len(b)-1; i++ {
		out = append(out, b[i])
		if b[i] == quote {
			i++
		}
	}
	return string(out)
}

// StringValue returns the text a quoted string stands for.
func StringValue(text []byte, t Token, mode Mode) string {
	b := t.Of(text)
	quote, out := b[0], make([]byte, 0, len(b))
	for i := 1; i < len(b)-1; i++ {
		switch c := b[i]; {
		case c == quote:
			i++
			out = append(out, quote)
		case c == '\\' && !mode.NoBackslashEscapes:
			i++
			out = append(out, unescape(b[i])...)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// unescape gives the meaning of a backslash and a byte. \% and \_ stay as they
// are: they belong to LIKE patterns.
func unescape(c byte) []byte {
	switch c {
	case '0':
		return []byte{0}
	case 'b':
		return []byte{'\b'}
	case 'n':
		return []byte{'\n'}
	case 'r':
		return []byte{'\r'}
	case 't':
		return []byte{'\t'}
	case 'Z':
		return []byte{0x1A}
	case '%', '_':
		return []byte{'\\', c}
	}
	return []byte{c}
}
