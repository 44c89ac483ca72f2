package sqlhandler

import (
	"bytes"

	"dxfproxy/dxf"
)

// importOutline is what the lexer alone sees of an IMPORT INTO: enough to ask the
// store what the client may do, before a parser has spent memory on the rest.
type importOutline struct {
	table    TableName
	location string // of FROM 'location'
	query    Span   // of FROM SELECT; empty for a location
}

// outlineImport looks at a statement that Classify took for an IMPORT INTO. It
// answers false for one that no parser would take: without a table, or without
// anything behind FROM that could be read.
func outlineImport(text []byte, m Mode) (importOutline, bool) {
	l := lexer{src: text, mode: m}
	var o importOutline
	if !isWord(text, l.next(), "IMPORT") || !isWord(text, l.next(), "INTO") {
		return o, false
	}
	t := l.next()
	if !isName(t) {
		return o, false
	}
	o.table = TableName{Name: identifier(text, t), Span: t.Span}
	if t = l.next(); t.kind == tokPunct && text[t.Start] == '.' {
		if t = l.next(); !isName(t) {
			return o, false
		}
		o.table = TableName{Schema: o.table.Name, Name: identifier(text, t), Span: Span{o.table.Span.Start, t.End}}
		t = l.next()
	}
	for depth := 0; depth > 0 || !isWord(text, t, "FROM"); t = l.next() {
		if depth += nests(text, t); depth < 0 || t.kind == tokEOF || t.kind == tokBad {
			return o, false
		}
	}
	t = l.next()
	if t.kind == tokString {
		o.location = stringValue(text, t, m)
		return o, true
	}
	if !queryBegins(text, t) {
		return o, false
	}
	o.query = querySpan(&l, t)
	return o, o.query.Has()
}

// nests is by how much a token changes the depth of parentheses.
func nests(text []byte, t token) int {
	if t.kind == tokPunct {
		switch text[t.Start] {
		case '(':
			return 1
		case ')':
			return -1
		}
	}
	return 0
}

func queryBegins(text []byte, t token) bool {
	return nests(text, t) == 1 || isWord(text, t, "SELECT") || isWord(text, t, "WITH") || isWord(text, t, "TABLE") || isWord(text, t, "VALUES")
}

// querySpan reads on to the end of the query that begins with t. Its bytes are used
// instead of what a parser makes of them: the store is to judge what the client
// wrote. The last WITH outside parentheses begins the options, if a name and then a
// value, a comma or nothing follows it: no WITH of a query is like that.
func querySpan(l *lexer, t token) Span {
	text, s := l.src, Span{t.Start, t.End}
	last, ends := s, 0 // ends: in front of the last WITH of options
	for depth := nests(text, t); ; {
		last = t.Span
		t = l.next()
		switch {
		case t.kind == tokEOF:
			if s.End = last.End; ends > 0 {
				s.End = ends
			}
			return s
		case t.kind == tokBad:
			return Span{}
		case depth == 0 && isWord(text, t, "WITH"):
			if ahead := *l; optionsFollow(&ahead) {
				ends = last.End
			}
		}
		depth += nests(text, t)
	}
}

func optionsFollow(l *lexer) bool {
	name := l.next()
	if name.kind != tokWord || isWord(l.src, name, "ROLLUP") || isWord(l.src, name, "TIES") {
		return false
	}
	t := l.next()
	return t.kind == tokEOF || t.kind == tokPunct && (l.src[t.Start] == '=' || l.src[t.Start] == ',')
}

// withoutQuery is the statement for a parser: it is not asked about the query, which
// may be as long as the store likes.
func (o importOutline) withoutQuery(text []byte) []byte {
	if !o.query.Has() {
		return text
	}
	return apply(bytes.Clone(text), []edit{{o.query, "SELECT 1"}})
}

// What TiDB's parser is given. It needs 500 bytes of memory for an operator, and for
// texts that stand side by side, which are one, the square of their number: of
// 64 KiB the worst that passes took 10 MB and 60 ms, the worst there are 430 MB.
const (
	maxParsed  = 64 << 10
	maxTokens  = 20_000
	maxNesting = 200
	maxBeside  = 64
	// maxUnasked is how much is parsed of a text before it is known what its client
	// may do, and without a look at it: 2 MB at worst.
	maxUnasked = 4 << 10
)

// parsable says whether a text may be given to TiDB's parser, whoever sent it.
func parsable(text []byte, m Mode) *dxf.Error {
	if len(text) <= maxUnasked {
		return nil
	}
	if len(text) > maxParsed {
		return dxf.Errorf("dxfproxy: the statement has %d bytes, and at most %d are read", len(text), maxParsed)
	}
	l := lexer{src: text, mode: m}
	count, depth, beside, end := 0, 0, 0, 0
	for {
		t := l.next()
		switch {
		case t.kind == tokBad:
			return dxf.Errorf("dxfproxy: a quote or a comment of the statement does not end")
		case hasCode(text[end:t.Start]):
			return dxf.Errorf("dxfproxy: a comment with code in it is not read in a statement of more than %d bytes", maxUnasked)
		case t.kind == tokEOF:
			return nil
		}
		end = t.End
		depth += nests(text, t)
		if isWord(text, t, "CASE") {
			depth++
		} else if isWord(text, t, "END") {
			depth--
		}
		if beside++; t.kind != tokString {
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
func (o importOutline) sameTarget(st *importStatement) error {
	if o.table.Schema != st.schema || o.table.Name != st.table || o.query.Has() != st.query || !st.query && o.location != st.location {
		return dxf.Errorf("dxfproxy: the statement can be read in more than one way")
	}
	return nil
}
