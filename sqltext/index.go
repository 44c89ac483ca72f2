package sqltext

// indexBody reads the name, type, parts and options of an index of an ALTER
// TABLE, all that follows INDEX, KEY or UNIQUE. A primary key has no name.
func (p *reader) indexBody(s *Spec, named bool) {
	if p.ifNotExists() {
		s.IfNotExists = true
	}
	if t := p.peek(); isName(t) && (isWord(p.text, t, "TYPE") || !p.indexType()) {
		// The name of a primary key is read and, as by the servers, ignored.
		if name := p.name(); named {
			s.Index = name
		}
		p.indexType()
	}
	s.Parts = p.indexParts()
	for !p.bad && p.indexOption() {
	}
}

// indexType takes USING BTREE. TYPE is an older word for USING that may stand
// only behind a name, being a possible name itself.
func (p *reader) indexType() bool {
	switch {
	case isWord(p.text, p.peek(), "USING"):
	case isWord(p.text, p.peek(), "TYPE"):
	default:
		return false
	}
	p.i++
	if !p.anyWord("BTREE", "HASH", "RTREE", "HYPO") {
		p.fail()
	}
	return true
}

// indexParts reads (a, b(10) DESC, (expression)).
func (p *reader) indexParts() []IndexPart {
	if !p.punct('(') {
		p.fail()
		return nil
	}
	var parts []IndexPart
	for !p.bad {
		var part IndexPart
		if start := p.peek().Start; p.isPunct(p.peek(), '(') {
			p.group()
			part.Expr = Span{start, p.before()}
		} else {
			part.Column = p.name()
			if p.punct('(') {
				part.Length = p.integer()
				if !p.punct(')') {
					p.fail()
				}
			}
		}
		if part.Desc = p.word("DESC"); !part.Desc {
			p.word("ASC")
		}
		parts = append(parts, part)
		if !p.punct(',') {
			break
		}
	}
	if !p.punct(')') {
		p.fail()
	}
	return parts
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

// createIndex reads what follows CREATE if it is an index.
func (p *reader) createIndex(st *Statement) bool {
	from := p.i
	s := Spec{Kind: SpecAddIndex, Span: st.Text}
	p.word("ONLINE")
	switch {
	case p.word("UNIQUE"):
		s.Unique = true
	case p.word("FULLTEXT"):
		s.FullText = true
	case p.word("SPATIAL"):
		s.Spatial = true
	}
	if !p.word("INDEX") {
		p.i = from
		return false
	}
	s.IfNotExists = p.ifNotExists()
	s.Index = p.name()
	p.indexType()
	p.need("ON")
	st.Table = p.table()
	s.Parts = p.indexParts()
	p.wait(st)
	for !p.bad && (p.indexOption() || p.algorithmOrLock(st)) {
	}
	p.end()
	st.Kind, st.JobType, st.CreateIndex = AddIndex, s.JobType(), true
	st.Specs = []Spec{s}
	return true
}
