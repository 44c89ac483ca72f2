package sqlhandler

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"dxfproxy/protocol"
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

// varRefs finds the variables of ours.
func (p *reader) varRefs() []VarRef {
	var refs []VarRef
	for p.i = 0; p.peek().kind != tokEOF; {
		t := p.advance()
		if t.kind != tokSysVar {
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

// edit replaces a piece of a text.
type edit struct {
	Span
	text string
}

// apply makes edits, no two of which overlap.
func apply(text []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return a.Start - b.Start })
	var out []byte
	from := 0
	for _, e := range edits {
		out = append(out, text[from:e.Start]...)
		out = append(out, e.text...)
		from = e.End
	}
	return append(out, text[from:]...)
}

// writeVars puts the values of our variables into the text, in the place of
// their names. A column of the result keeps the name it would have had. read gives
// the global values.
func (h *Handler) writeVars(s *session, text []byte, refs []VarRef, m Mode, read func() (map[string]string, error)) ([]byte, error) {
	if len(refs) == 0 {
		return text, nil
	}
	global, err := read()
	if err != nil {
		return nil, err
	}
	edits := selectLabels(text, refs, m)
	for _, r := range refs {
		scope, refused := r.Var.CheckRead(r.Form)
		if refused != nil {
			return nil, refusal(refused)
		}
		edits = append(edits, edit{r.Span, varLiteral(r.Var, r.Var.Select(h.valueOf(r.Var, scope, s, global)))})
	}
	return apply(text, edits), nil
}

// writeVarsIn is writeVars for a part of a statement: an expression.
func (h *Handler) writeVarsIn(s *session, text []byte, m Mode, read func() (map[string]string, error)) (string, error) {
	toks, ok := tokens(text, m)
	if !ok {
		return string(text), nil
	}
	p := &reader{text: text, mode: m, toks: toks}
	written, err := h.writeVars(s, text, p.varRefs(), m, read)
	return string(written), err
}

// varLiteral is a value as an expression of the type TiDB gives the variable. A
// bare number would be a column's place in ORDER BY, and a cast of a number of few
// digits an INT.
func varLiteral(v *sysvars.Var, value string) string {
	switch v.Column().Type {
	case sysvars.BigInt:
		return "CAST(CAST(" + value + " AS CHAR(20)) AS SIGNED)"
	case sysvars.BigIntUnsigned:
		return "CAST(CAST(" + value + " AS CHAR(20)) AS UNSIGNED)"
	}
	return fmt.Sprintf("_utf8mb4 x'%x'", value)
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

// selectLabels are aliases for the columns of a SELECT that have one of our
// variables in them and no alias yet: their own text. refs are in the text's order.
func selectLabels(text []byte, refs []VarRef, m Mode) []edit {
	toks, ok := tokens(text, m)
	if !ok {
		return nil
	}
	p := &reader{text: text, mode: m, toks: toks}
	if !p.word("SELECT") {
		return nil
	}
	is := func(t token, set map[string]bool) bool {
		return t.kind == tokWord && set[strings.ToUpper(string(t.Of(text)))]
	}
	for is(p.peek(), selectOptions) {
		p.i++
	}
	var labels []edit
	for {
		first := p.i
		for t := p.peek(); t.kind != tokEOF && !p.isPunct(t, ',') && !p.isPunct(t, ')') && !is(t, selectEnds); t = p.peek() {
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
			labels = append(labels, edit{Span{item.End, item.End}, " AS " + quoteName(string(item.Of(text)))})
		}
		if !p.punct(',') {
			return labels
		}
	}
}

// labelled says whether a column of a SELECT has an alias, or may have one:
// then it is left alone.
func (p *reader) labelled(item []token, is func(token, map[string]bool) bool) bool {
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
	if !isName(last) && last.kind != tokString {
		return false
	}
	switch before.kind {
	case tokPunct:
		return p.isPunct(before, ')')
	case tokSysVar:
		return false
	}
	return !is(before, operators)
}

// currentSchema is the session's; "" for none.
func currentSchema(ctx context.Context, c *protocol.Conn) (string, error) {
	return askText(ctx, c, "DATABASE()")
}

// rewrite gives a statement of Kind VirtualTables or Expressions its values and
// tables; changed is false when none of its names mean ours.
func (h *Handler) rewrite(ctx context.Context, c *protocol.Conn, text []byte, st Statement, m Mode) (sql []byte, changed bool, err error) {
	text = bytes.TrimSuffix(text, []byte{0}) // as Classify does
	read := func() (map[string]string, error) { return h.vars.read(ctx) }
	if sql, err = h.writeVars(h.session(c), text, st.Vars, m, read); err != nil {
		return nil, false, err
	}
	current := ""
	if st.Bare {
		if current, err = currentSchema(ctx, c); err != nil {
			return nil, false, err
		}
		current = strings.ToLower(current)
	}
	shown, err := h.selectJobs(ctx, c, sql, m, current)
	if err != nil {
		return nil, false, err
	}
	changed = len(st.Vars) > 0 || !bytes.Equal(shown, sql)
	sql, qualified := RewriteTables(shown, m, h.schema)
	changed = changed || qualified
	if st.Bare {
		var bare bool
		sql, bare = RewriteBareTables(sql, m, h.schema, current)
		changed = changed || bare
	}
	return sql, changed, nil
}
