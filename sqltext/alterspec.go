package sqltext

// spec reads one change up to the next comma.
func (p *reader) spec(st *AlterTable) Spec {
	s, first := Spec{Span: Span{Start: p.peek().Start}}, p.i
	switch {
	case p.word("ADD"):
		p.add(&s)
	case p.word("DROP"):
		p.dropSpec(&s)
	case p.word("MODIFY"):
		s.Kind = SpecModify
		p.columnName(&s)
	case p.word("CHANGE"):
		s.Kind = SpecChange
		p.columnName(&s)
		s.To = p.name()
	case p.word("ALTER"):
		p.alterSpec(&s)
	case p.word("RENAME"):
		p.renameSpec(&s)
	case p.words("CONVERT", "TO"), p.words("CONVERT", "PARTITION"), p.words("CONVERT", "TABLE"):
		s.Kind = SpecConvert
		if !isWord(p.all, p.toks[p.i-1], "TO") {
			s.Kind = SpecOtherPartition
		}
	case p.algorithmOrLock(st):
		s.Kind = SpecOption
	case p.words("PARTITION", "BY"):
		s.Kind = SpecPartitionBy
		for p.item(); !p.bad && p.punct(','); p.item() {
		}
	case p.words("REMOVE", "PARTITIONING"):
		s.Kind = SpecRemovePartitioning
	case p.words("REORGANIZE", "PARTITION"):
		s.Kind = SpecReorganizePartition
		p.partitionList()
	case p.words("TRUNCATE", "PARTITION"):
		s.Kind = SpecTruncatePartition
		p.partitionList()
	case p.words("EXCHANGE", "PARTITION"):
		s.Kind = SpecExchangePartition
	case p.partitionVerb():
		s.Kind = SpecOtherPartition
		p.partitionList()
	case p.words("ORDER", "BY"):
		s.Kind = SpecTableOption
		for p.item(); !p.bad && p.punct(','); p.item() {
		}
	default:
		p.tableOption(&s)
	}
	if !s.Adds() && s.Kind != SpecOption {
		p.item()
	}
	const optionTokens = 3 // COMMENT = 'x'
	if p.i-first > optionTokens && (s.Kind == SpecTableComment || s.Kind == SpecAutoIncrement) {
		s.Kind = SpecTableOption // other options follow without a comma
	}
	if t := p.peek(); t.Kind != TokenEOF && !p.isPunct(t, ',') {
		p.fail()
	}
	if s.Span.End = p.before(); s.Span.End <= s.Span.Start {
		s.Span.End = s.Span.Start
		p.fail()
	}
	return s
}

// partitionVerb takes the head of a change of single partitions.
func (p *reader) partitionVerb() bool {
	for _, verb := range []string{"ANALYZE", "CHECK", "COALESCE", "DISCARD", "IMPORT", "OPTIMIZE", "REBUILD", "REPAIR"} {
		if p.words(verb, "PARTITION") {
			return true
		}
	}
	return false
}

// partitionList moves past names separated by commas that belong to one change.
func (p *reader) partitionList() {
	for p.item(); !p.bad && isName(p.peekAt(1)) && p.isPunct(p.peek(), ','); p.item() {
		p.i++
	}
}

func (p *reader) columnName(s *Spec) {
	p.word("COLUMN")
	p.ifExists()
	s.Name = p.name()
}

// algorithmOrLock takes ALGORITHM [=] v or LOCK [=] v.
func (p *reader) algorithmOrLock(st *AlterTable) bool {
	value := &st.Algorithm
	allowed := []string{"DEFAULT", "INPLACE", "COPY", "NOCOPY", "INSTANT"}
	switch {
	case p.word("ALGORITHM"):
	case p.word("LOCK"):
		value = &st.Lock
		allowed = []string{"DEFAULT", "NONE", "SHARED", "EXCLUSIVE"}
	default:
		return false
	}
	p.punct('=')
	for _, v := range allowed {
		if p.word(v) {
			*value = v
			return true
		}
	}
	p.fail()
	return true
}

// add reads what follows ADD.
func (p *reader) add(s *Spec) {
	constraint, named := "", false
	if p.word("CONSTRAINT") {
		named = true
		if t := p.peek(); isName(t) && !p.constraintWord(t) {
			constraint = p.name()
		}
		// MariaDB: CONSTRAINT IF NOT EXISTS name.
		if p.ifNotExists() {
			constraint = p.name()
		}
	}
	switch {
	case p.words("PRIMARY", "KEY"):
		s.Kind = SpecAddPrimaryKey
		p.indexBody(s, false)
	case p.word("UNIQUE"):
		s.Kind = SpecAddIndex
		p.anyWord("INDEX", "KEY")
		p.indexBody(s, true)
		if s.Index == "" {
			s.Index = constraint
		}
	case p.words("FOREIGN", "KEY"):
		s.Kind, s.Name = SpecAddForeignKey, constraint
	case p.word("CHECK"):
		s.Kind, s.Name = SpecAddCheck, constraint
	case named:
		p.fail()
	case p.anyWord("INDEX", "KEY"):
		s.Kind = SpecAddIndex
		p.indexBody(s, true)
	case p.anyWord("FULLTEXT", "SPATIAL"):
		s.Kind = SpecAddIndex
		p.anyWord("INDEX", "KEY")
		p.indexBody(s, true)
	case p.words("VECTOR", "INDEX"), p.words("VECTOR", "KEY"):
		s.Kind = SpecAddVectorIndex
	case p.word("PARTITION"):
		s.Kind = SpecAddPartition
	case p.words("SYSTEM", "VERSIONING"), p.words("PERIOD", "FOR"):
		s.Kind = SpecOther
	default:
		s.Kind = SpecAddColumn
		p.word("COLUMN")
		p.ifNotExists()
		if p.isPunct(p.peek(), '(') {
			p.columnList()
			return
		}
		s.Name = p.name()
	}
}

// columnList reads ADD (a INT, b INT). The list may hold keys too, which nobody
// writes: then the statement is not ours.
func (p *reader) columnList() {
	open := p.i
	p.group()
	depth := 0
	for i := open; i < p.i && !p.bad; i++ {
		switch t := p.toks[i]; {
		case p.isPunct(t, '('):
			depth++
		case p.isPunct(t, ')'):
			depth--
			continue
		case !p.isPunct(t, ','):
			continue
		}
		next := p.toks[min(i+1, len(p.toks)-1)]
		if depth == 1 && (p.constraintWord(next) || p.isOneOf(next, "INDEX", "KEY", "FULLTEXT", "SPATIAL", "CONSTRAINT")) {
			p.fail()
		}
	}
}

// constraintWord says whether the token begins the body of a constraint.
func (p *reader) constraintWord(t Token) bool {
	return p.isOneOf(t, "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "IF")
}

// dropSpec reads what follows DROP.
func (p *reader) dropSpec(s *Spec) {
	named := true
	switch {
	case p.words("PRIMARY", "KEY"):
		s.Kind, named = SpecDropPrimaryKey, false
	case p.anyWord("INDEX", "KEY"):
		s.Kind = SpecDropIndex
	case p.words("FOREIGN", "KEY"):
		s.Kind = SpecDropForeignKey
	case p.anyWord("CONSTRAINT", "CHECK"):
		s.Kind = SpecDropConstraint
	case p.word("PARTITION"):
		s.Kind = SpecDropPartition
		p.ifExists()
		s.Name = p.name()
		p.partitionList()
		return
	case p.words("SYSTEM", "VERSIONING"), p.words("PERIOD", "FOR"):
		s.Kind, named = SpecOther, false
	default:
		s.Kind = SpecDropColumn
		p.word("COLUMN")
	}
	if named {
		p.ifExists()
		s.Name = p.name()
	}
}

// alterSpec reads what follows ALTER inside an ALTER TABLE.
func (p *reader) alterSpec(s *Spec) {
	switch {
	case p.anyWord("INDEX", "KEY"):
		s.Kind = SpecIndexVisibility
		p.ifExists()
		s.Name = p.name()
	case p.anyWord("CHECK", "CONSTRAINT"):
		s.Kind = SpecOther
	default:
		s.Kind = SpecSetDefault
		p.columnName(s)
	}
}

// renameSpec reads what follows RENAME inside an ALTER TABLE.
func (p *reader) renameSpec(s *Spec) {
	switch {
	case p.word("COLUMN"):
		s.Kind = SpecRenameColumn
		p.ifExists()
		s.Name = p.name()
		p.need("TO")
		s.To = p.name()
	case p.anyWord("INDEX", "KEY"):
		s.Kind = SpecRenameIndex
		p.ifExists()
		s.Name = p.name()
	default:
		s.Kind = SpecRenameTable
		if !p.anyWord("TO", "AS") {
			p.punct('=')
		}
		s.Name = p.table().Name
	}
}

// tableOption reads an option, or several without commas between them.
func (p *reader) tableOption(s *Spec) {
	s.Kind = SpecTableOption
	t := p.peek()
	if t.Kind != TokenWord {
		p.fail()
		return
	}
	switch {
	case p.word("COMMENT"):
		s.Kind = SpecTableComment
	case p.word("AUTO_INCREMENT"):
		s.Kind = SpecAutoIncrement
	case p.words("DEFAULT", "CHARSET"), p.words("DEFAULT", "CHARACTER"), p.words("DEFAULT", "COLLATE"),
		p.word("CHARSET"), p.words("CHARACTER", "SET"), p.word("COLLATE"):
		s.Kind = SpecTableCharset
	default:
		p.i++
	}
}
