package sqltext

import (
	"slices"
	"strings"

	"dxfproxy/sysvars"
)

// VarRef is one of our variables in the middle of a statement, @@x or
// @@global.x.
type VarRef struct {
	Span Span
	Form sysvars.Form // the scope named
	Var  *sysvars.Var
}

// expressionVerb says whether a statement may have variables in expressions. Of
// a SET only one that was understood is known to have ours on right-hand sides
// alone.
func expressionVerb(p *reader, understood bool) bool {
	p.i = 0
	return p.punct('(') || p.anyWord("SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE", "DO", "CALL", "EXPLAIN") ||
		understood && p.word("SET")
}

// VarRefs finds the variables of ours in a text that is no statement but a part of one.
func VarRefs(text []byte, m Mode) []VarRef {
	toks, ok := tokens(text, m)
	if !ok {
		return nil
	}
	return (&reader{text: text, mode: m, toks: toks}).varRefs()
}

// varRefs finds the variables of ours.
func (p *reader) varRefs() []VarRef {
	var refs []VarRef
	for p.i = 0; p.peek().Kind != TokenEOF; {
		t := p.advance()
		if t.Kind != TokenSysVar {
			continue
		}
		after := p.i
		p.bad = false
		form, name := p.sysVar()
		if v, ok := sysvars.Lookup(name); ok && !p.bad {
			refs = append(refs, VarRef{Span{t.Start, p.before()}, form, v})
			continue
		}
		p.i, p.bad = after, false
	}
	return refs
}

// Edit replaces a piece of a text.
type Edit struct {
	Span
	Text string
}

// Apply makes edits, no two of which overlap.
func Apply(text []byte, edits []Edit) []byte {
	slices.SortFunc(edits, func(a, b Edit) int { return a.Start - b.Start })
	var out []byte
	from := 0
	for _, e := range edits {
		out = append(out, text[from:e.Start]...)
		out = append(out, e.Text...)
		from = e.End
	}
	return append(out, text[from:]...)
}

var (
	selectOptions = words("ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_NO_CACHE SQL_CACHE SQL_CALC_FOUND_ROWS SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT")
	selectEnds    = words("FROM INTO WHERE GROUP HAVING ORDER LIMIT PROCEDURE FOR LOCK UNION EXCEPT INTERSECT WINDOW OFFSET FETCH")
	// Words after which an expression goes on.
	operators = words("AND OR XOR NOT IS LIKE RLIKE REGEXP IN BETWEEN DIV MOD BINARY COLLATE ESCAPE SOUNDS CASE WHEN THEN ELSE INTERVAL")
)

func words(list string) map[string]bool {
	set := make(map[string]bool)
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

// maxLabel is what MariaDB takes as an alias, with room for characters of
// several bytes.
const maxLabel = 200

// SelectLabels are aliases for the columns of a SELECT that have one of our
// variables in them and no alias yet: their own text. refs are in the text's order.
func SelectLabels(text []byte, refs []VarRef, m Mode) []Edit {
	toks, ok := tokens(text, m)
	if !ok {
		return nil
	}
	p := &reader{text: text, mode: m, toks: toks}
	if !p.word("SELECT") {
		return nil
	}
	is := func(t Token, set map[string]bool) bool {
		return t.Kind == TokenWord && set[strings.ToUpper(string(t.Of(text)))]
	}
	for is(p.peek(), selectOptions) {
		p.i++
	}
	var labels []Edit
	for {
		first := p.i
		for t := p.peek(); t.Kind != TokenEOF && !p.isPunct(t, ',') && !p.isPunct(t, ')') && !is(t, selectEnds); t = p.peek() {
			if !p.group() {
				p.i++
			}
		}
		if p.i == first || p.bad {
			return labels
		}
		item := Span{p.toks[first].Start, p.before()}
		for len(refs) > 0 && refs[0].Span.Start < item.Start {
			refs = refs[1:]
		}
		ours := len(refs) > 0 && refs[0].Span.End <= item.End
		if ours && item.End-item.Start <= maxLabel && !p.labelled(p.toks[first:p.i], is) {
			labels = append(labels, Edit{Span{item.End, item.End}, " AS " + quote(string(item.Of(text)))})
		}
		if !p.punct(',') {
			return labels
		}
	}
}

// labelled says whether a column of a SELECT has an alias, or may have one:
// then it is left alone.
func (p *reader) labelled(item []Token, is func(Token, map[string]bool) bool) bool {
	depth := 0
	for _, t := range item {
		switch {
		case p.isPunct(t, '('):
			depth++
		case p.isPunct(t, ')'):
			depth--
		case depth == 0 && isWord(p.text, t, "AS"):
			return true
		}
	}
	if len(item) < 2 {
		return false
	}
	last, before := item[len(item)-1], item[len(item)-2]
	if !isName(last) && last.Kind != TokenString {
		return false
	}
	switch before.Kind {
	case TokenPunct:
		return p.isPunct(before, ')')
	case TokenSysVar:
		return false
	}
	return !is(before, operators)
}
