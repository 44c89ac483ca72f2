package sqltext

// indexBody reads the name, type, parts and options of an index of an ALTER
// TABLE, all that follows INDEX, KEY or UNIQUE. A primary key has no name.
func (p *reader) indexBody(s *Spec, named bool) {
	p.ifNotExists()
	if t := p.peek(); isName(t) && (isWord(p.all, t, "TYPE") || !p.indexType()) {
		// The name of a primary key is read and, as by the servers, ignored.
		if name := p.name(); named {
			s.Index = name
		}
		p.indexType()
	}
	p.indexParts()
	for !p.bad && p.indexOption() {
	}
}

// indexType takes USING BTREE. TYPE is an older word for USING that may stand
// only behind a name, being a possible name itself.
func (p *reader) indexType() bool {
	switch {
	case isWord(p.all, p.peek(), "USING"):
	case isWord(p.all, p.peek(), "TYPE"):
	default:
		return false
	}
	p.i++
	if !p.anyWord("BTREE", "HASH", "RTREE", "HYPO") {
		p.fail()
	}
	return true
}

// indexParts moves past (a, b(10) DESC, (expression)).
func (p *reader) indexParts() {
	if !p.punct('(') {
		p.fail()
		return
	}
	for !p.bad {
		if !p.group() {
			p.name()
			if p.punct('(') {
				p.integer()
				if !p.punct(')') {
					p.fail()
				}
			}
		}
		p.anyWord("DESC", "ASC")
		if !p.punct(',') {
			break
		}
	}
	if !p.punct(')') {
		p.fail()
	}
}

// indexOption takes one option that may follow the parts, and reports whether
// there was one.
func (p *reader) indexOption() bool {
	switch {
	case p.indexType():
	case p.anyWord("KEY_BLOCK_SIZE", "PRE_SPLIT_REGIONS"):
		p.punct('=')
		if !p.group() {
			p.integer()
		}
	case p.anyWord("COMMENT", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"):
		p.punct('=')
		if p.advance().Kind != TokenString {
			p.fail()
		}
	case p.words("WITH", "PARSER"):
		p.name()
	case p.word("CLUSTERING"):
		p.punct('=')
		if !p.anyWord("YES", "NO") {
			p.fail()
		}
	case p.anyWord("VISIBLE", "INVISIBLE", "IGNORED", "GLOBAL", "LOCAL", "CLUSTERED", "NONCLUSTERED"),
		p.words("NOT", "IGNORED"):
	default:
		return false
	}
	return true
}

// createIndex reads what follows CREATE if it is an index; nil if it is none.
func (p *reader) createIndex() *AlterTable {
	from := p.i
	p.word("ONLINE")
	p.anyWord("UNIQUE", "FULLTEXT", "SPATIAL")
	if !p.word("INDEX") {
		p.i = from
		return nil
	}
	p.ifNotExists()
	st := &AlterTable{CreateIndex: true}
	name := p.name()
	st.Specs = []Spec{{Kind: SpecAddIndex, Span: p.alone, Index: name}}
	p.indexType()
	p.need("ON")
	st.Table = p.table()
	p.indexParts()
	st.Wait = p.wait()
	for !p.bad && (p.indexOption() || p.algorithmOrLock(st)) {
	}
	return p.finish(st)
}

// dropIndex reads what follows DROP INDEX.
func (p *reader) dropIndex() *AlterTable {
	p.ifExists()
	st := &AlterTable{}
	st.Specs = []Spec{{Kind: SpecDropIndex, Span: p.alone, Name: p.name()}}
	p.need("ON")
	st.Table = p.table()
	st.Wait = p.wait()
	for !p.bad && p.algorithmOrLock(st) {
	}
	return p.finish(st)
}
