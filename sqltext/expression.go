package sqltext

import (
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

var (
	selectOptions = words(`ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_NO_CACHE SQL_CACHE
		SQL_CALC_FOUND_ROWS SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT`)
	selectEnds = words("FROM INTO WHERE GROUP HAVING ORDER LIMIT PROCEDURE FOR LOCK UNION EXCEPT INTERSECT WINDOW OFFSET FETCH")
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

// labels are aliases for the columns of a SELECT that have one of our variables in
// them and no alias yet: their own text. refs are in the text's order.
func (p *reader) labels(refs []VarRef) []Edit {
	p.i, p.bad = 0, false
	if !p.word("SELECT") {
		return nil
	}
	is := func(t Token, set map[string]bool) bool {
		return t.Kind == TokenWord && set[strings.ToUpper(string(t.Of(p.all)))]
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
			labels = append(labels, Edit{Span{item.End, item.End}, " AS " + quote(p.Of(item))})
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
		case depth == 0 && isWord(p.all, t, "AS"):
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
