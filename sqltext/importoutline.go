package sqltext

import (
	"bytes"

	"dxfproxy/dxf"
)

// ImportOutline is what the lexer alone sees of an IMPORT INTO: enough to ask the
// store what the client may do, before a parser has spent memory on the rest.
type ImportOutline struct {
	Table    TableName
	Location string // of FROM 'location'
	Query    Span   // of FROM SELECT; empty for a location
}

// OutlineImport looks at a statement that Classify took for an IMPORT INTO. It
// answers false for one that no parser would take: without a table, or without
// anything behind FROM that could be read.
func OutlineImport(text []byte, m Mode) (ImportOutline, bool) {
	l := Lexer{src: text, mode: m}
	var o ImportOutline
	if !isWord(text, l.Next(), "IMPORT") || !isWord(text, l.Next(), "INTO") {
		return o, false
	}
	t := l.Next()
	if !isName(t) {
		return o, false
	}
	o.Table = TableName{Name: Identifier(text, t), Span: t.Span}
	if t = l.Next(); t.Kind == TokenPunct && text[t.Start] == '.' {
		if t = l.Next(); !isName(t) {
			return o, false
		}
		o.Table = TableName{Schema: o.Table.Name, Name: Identifier(text, t), Span: Span{o.Table.Span.Start, t.End}}
		t = l.Next()
	}
	for depth := 0; depth > 0 || !isWord(text, t, "FROM"); t = l.Next() {
		if depth += nests(text, t); depth < 0 || t.Kind == TokenEOF || t.Kind == TokenBad {
			return o, false
		}
	}
	t = l.Next()
	if t.Kind == TokenString {
		o.Location = StringValue(text, t, m)
		return o, true
	}
	if !queryBegins(text, t) {
		return o, false
	}
	o.Query = querySpan(&l, t)
	return o, o.Query.Has()
}

// nests is by how much a token changes the depth of parentheses.
func nests(text []byte, t Token) int {
	if t.Kind == TokenPunct {
		switch text[t.Start] {
		case '(':
			return 1
		case ')':
			return -1
		}
	}
	return 0
}

func queryBegins(text []byte, t Token) bool {
	return nests(text, t) == 1 || isWord(text, t, "SELECT") || isWord(text, t, "WITH") || isWord(text, t, "TABLE") || isWord(text, t, "VALUES")
}

// querySpan reads on to the end of the query that begins with t. Its bytes are used
// instead of what a parser makes of them: the store is to judge what the client
// wrote. The last WITH outside parentheses begins the options, if a name and then a
// value, a comma or nothing follows it: no WITH of a query is like that.
func querySpan(l *Lexer, t Token) Span {
	text, s := l.src, Span{t.Start, t.End}
	last, ends := s, 0 // ends: in front of the last WITH of options
	for depth := nests(text, t); ; {
		last = t.Span
		t = l.Next()
		switch {
		case t.Kind == TokenEOF:
			if s.End = last.End; ends > 0 {
				s.End = ends
			}
			return s
		case t.Kind == TokenBad:
			return Span{}
		case depth == 0 && isWord(text, t, "WITH"):
			if ahead := *l; optionsFollow(&ahead) {
				ends = last.End
			}
		}
		depth += nests(text, t)
	}
}

func optionsFollow(l *Lexer) bool {
	name := l.Next()
	if name.Kind != TokenWord || isWord(l.src, name, "ROLLUP") || isWord(l.src, name, "TIES") {
		return false
	}
	t := l.Next()
	return t.Kind == TokenEOF || t.Kind == TokenPunct && (l.src[t.Start] == '=' || l.src[t.Start] == ',')
}

// WithoutQuery is the statement for a parser: it is not asked about the query, which
// may be as long as the store likes.
func (o ImportOutline) WithoutQuery(text []byte) []byte {
	if !o.Query.Has() {
		return text
	}
	return apply(text, []Edit{{o.Query, "SELECT 1"}})
}

// What TiDB's parser is given. It needs 500 bytes of memory for an operator, and for
// texts that stand side by side, which are one, the square of their number: of
// 64 KiB the worst that passes took 10 MB and 60 ms, the worst there are 430 MB.
const (
	maxParsed  = 64 << 10
	maxTokens  = 20_000
	maxNesting = 200
	maxBeside  = 64
	// MaxUnasked is how much is parsed of a text before it is known what its client
	// may do, and without a look at it: 2 MB at worst.
	MaxUnasked = 4 << 10
)

// parsable says whether a text may be given to TiDB's parser, whoever sent it.
func parsable(text []byte, m Mode) *dxf.Error {
	if len(text) <= MaxUnasked {
		return nil
	}
	if len(text) > maxParsed {
		return dxf.Errorf("dxfproxy: the statement has %d bytes, and at most %d are read", len(text), maxParsed)
	}
	l := Lexer{src: text, mode: m}
	count, depth, beside, end := 0, 0, 0, 0
	for {
		t := l.Next()
		switch {
		case t.Kind == TokenBad:
			return dxf.Errorf("dxfproxy: a quote or a comment of the statement does not end")
		case hasCode(text[end:t.Start]):
			return dxf.Errorf("dxfproxy: a comment with code in it is not read in a statement of more than %d bytes", MaxUnasked)
		case t.Kind == TokenEOF:
			return nil
		}
		end = t.End
		depth += nests(text, t)
		if isWord(text, t, "CASE") {
			depth++
		} else if isWord(text, t, "END") {
			depth--
		}
		if beside++; t.Kind != TokenString {
			beside = 0
		}
		if count++; count > maxTokens || depth > maxNesting || beside > maxBeside {
			return dxf.Errorf("dxfproxy: the statement is too complex: "+
				"at most %d words, %d levels of parentheses and %d texts side by side are read", maxTokens, maxNesting, maxBeside)
		}
	}
}

// hasCode says whether the comments between two tokens have content that TiDB's
// lexer reads: /*! */, /*T! */, /*M! */, /*+ */.
func hasCode(gap []byte) bool {
	for {
		_, rest, found := bytes.Cut(gap, []byte("/*"))
		if !found {
			return false
		}
		if len(rest) > 0 && bytes.IndexByte([]byte("!TM+"), rest[0]) >= 0 {
			return true
		}
		gap = rest
	}
}

// sameTarget refuses a statement of which the parser has read another table, or
// another location, than the one that the client's session was asked about.
func (o ImportOutline) sameTarget(st *Import) error {
	if o.Table.Schema != st.Schema || o.Table.Name != st.Table || o.Query.Has() != st.Query || !st.Query && o.Location != st.Location {
		return dxf.Errorf("dxfproxy: the statement can be read in more than one way")
	}
	return nil
}
