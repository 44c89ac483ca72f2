package sqltext

import "strconv"

// reader walks over the tokens of one statement. The first thing it does not
// expect sets bad, and everything after is void.
type reader struct {
	Text
	i   int
	bad bool

	conditional bool // ifExists or ifNotExists took something
}

func (p *reader) peek() Token { return p.toks[p.i] }

func (p *reader) peekAt(n int) Token {
	return p.toks[min(p.i+n, len(p.toks)-1)]
}

func (p *reader) advance() Token {
	t := p.toks[p.i]
	if t.Kind != TokenEOF {
		p.i++
	}
	return t
}

func (p *reader) fail() { p.bad = true }

// word takes the keyword if it is next.
func (p *reader) word(keyword string) bool {
	if isWord(p.all, p.peek(), keyword) {
		p.i++
		return true
	}
	return false
}

// words takes all the keywords if they are next in a row.
func (p *reader) words(keywords ...string) bool {
	for n, k := range keywords {
		if !isWord(p.all, p.peekAt(n), k) {
			return false
		}
	}
	p.i += len(keywords)
	return true
}

// anyWord takes one of the keywords if it is next.
func (p *reader) anyWord(keywords ...string) bool {
	for _, k := range keywords {
		if p.word(k) {
			return true
		}
	}
	return false
}

// isOneOf says whether the token is one of the keywords.
func (p *reader) isOneOf(t Token, keywords ...string) bool { return isOneOf(p.all, t, keywords...) }

// need takes the keyword or fails.
func (p *reader) need(keyword string) {
	if !p.word(keyword) {
		p.fail()
	}
}

func (p *reader) isPunct(t Token, c byte) bool { return t.Kind == TokenPunct && p.all[t.Start] == c }

func (p *reader) punct(c byte) bool {
	if p.isPunct(p.peek(), c) {
		p.i++
		return true
	}
	return false
}

// end fails unless everything was taken.
func (p *reader) end() {
	if p.peek().Kind != TokenEOF {
		p.fail()
	}
}

// before is the end of the last token taken.
func (p *reader) before() int {
	if p.i == 0 {
		return 0
	}
	return p.toks[p.i-1].End
}

// name takes an identifier.
func (p *reader) name() string {
	t := p.peek()
	if !isName(t) {
		p.fail()
		return ""
	}
	p.i++
	return Identifier(p.all, t)
}

// table takes a table reference, t or db.t.
func (p *reader) table() TableName {
	start := p.peek().Start
	t := TableName{Name: p.name()}
	if p.punct('.') {
		t.Schema, t.Name = t.Name, p.name()
	}
	if t.Name == "" {
		p.fail()
	}
	t.Span = Span{start, max(start, p.before())}
	return t
}

// tables takes a comma list of tables.
func (p *reader) tables() []TableName {
	list := []TableName{p.table()}
	for !p.bad && p.punct(',') {
		list = append(list, p.table())
	}
	return list
}

// integer takes a number without sign that fits in 63 bits.
func (p *reader) integer() int64 {
	t := p.peek()
	n, err := strconv.ParseInt(string(t.Of(p.all)), 10, 64)
	if t.Kind != TokenInteger || err != nil {
		p.fail()
		return 0
	}
	p.i++
	return n
}

// integers takes a comma list of numbers.
func (p *reader) integers() []int64 {
	list := []int64{p.integer()}
	for !p.bad && p.punct(',') {
		list = append(list, p.integer())
	}
	return list
}

// ifExists takes IF EXISTS, ifNotExists IF NOT EXISTS.
func (p *reader) ifExists() bool    { return p.condition("IF", "EXISTS") }
func (p *reader) ifNotExists() bool { return p.condition("IF", "NOT", "EXISTS") }

func (p *reader) condition(keywords ...string) bool {
	found := p.words(keywords...)
	p.conditional = p.conditional || found
	return found
}

// group moves past a parenthesis and all it holds, if one is next.
func (p *reader) group() bool {
	if !p.punct('(') {
		return false
	}
	for depth := 1; depth > 0; {
		switch t := p.advance(); {
		case t.Kind == TokenEOF:
			p.fail()
			return true
		case p.isPunct(t, '('):
			depth++
		case p.isPunct(t, ')'):
			depth--
		}
	}
	return true
}

// item moves to the next comma outside parentheses, or to the end.
func (p *reader) item() {
	for {
		t := p.peek()
		switch {
		case t.Kind == TokenEOF, p.isPunct(t, ','):
			return
		case p.isPunct(t, ')'):
			p.fail()
			return
		case p.isPunct(t, '('):
			if p.group(); p.bad {
				return
			}
		default:
			p.i++
		}
	}
}

// Limit is LIMIT Count OFFSET Offset.
type Limit struct {
	Count, Offset uint64
}

// Has says whether the row, from 0, is among those asked for; without a limit all are.
func (l *Limit) Has(row int) bool {
	return l == nil || uint64(row) >= l.Offset && uint64(row) < l.Offset+l.Count
}

// limit takes LIMIT m, LIMIT o, m or LIMIT m OFFSET o; nil if there is none.
func (p *reader) limit() *Limit {
	if !p.word("LIMIT") {
		return nil
	}
	l := &Limit{Count: uint64(p.integer())}
	switch {
	case p.punct(','):
		l.Offset, l.Count = l.Count, uint64(p.integer())
	case p.word("OFFSET"):
		l.Offset = uint64(p.integer())
	}
	return l
}

// rest takes everything to the end as an expression, which must not be empty.
func (p *reader) rest() string {
	s := p.peek().Start
	for p.item(); !p.bad && p.punct(','); p.item() {
	}
	if p.before() <= s {
		p.fail()
		return ""
	}
	return p.Of(Span{s, p.before()})
}
