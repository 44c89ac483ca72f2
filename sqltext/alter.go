package sqltext

// SpecKind says what one change of an ALTER TABLE does.
type SpecKind uint8

// Kinds of changes.
const (
	SpecOther SpecKind = iota
	SpecAddIndex
	SpecAddPrimaryKey
	SpecAddVectorIndex
	SpecAddForeignKey
	SpecAddCheck
	SpecAddColumn
	SpecAddPartition
	SpecDropColumn
	SpecDropIndex
	SpecDropPrimaryKey
	SpecDropForeignKey
	SpecDropConstraint
	SpecDropPartition
	SpecTruncatePartition
	SpecExchangePartition
	SpecReorganizePartition
	SpecPartitionBy
	SpecRemovePartitioning
	SpecOtherPartition
	SpecModify
	SpecChange
	SpecSetDefault
	SpecRenameColumn
	SpecRenameIndex
	SpecRenameTable
	SpecIndexVisibility
	SpecConvert      // CONVERT TO CHARACTER SET
	SpecTableOption  // ENGINE, ROW_FORMAT, FORCE, ORDER BY …: any option not named below
	SpecTableCharset // [DEFAULT] CHARACTER SET, COLLATE
	SpecTableComment // COMMENT alone
	SpecAutoIncrement
	SpecOption // ALGORITHM, LOCK: how, not what
)

// jobTypes are TiDB's words. A change TiDB has no word for is shown as the
// nearest that says something.
var jobTypes = [...]string{
	SpecOther: "alter table", SpecAddIndex: "add index", SpecAddPrimaryKey: "add primary key",
	SpecAddVectorIndex: "add vector index", SpecAddForeignKey: "add foreign key", SpecAddCheck: "add check constraint",
	SpecAddColumn: "add column", SpecAddPartition: "add partition", SpecDropColumn: "drop column", SpecDropIndex: "drop index",
	SpecDropPrimaryKey: "drop primary key", SpecDropForeignKey: "drop foreign key", SpecDropConstraint: "drop check constraint",
	SpecDropPartition: "drop partition", SpecTruncatePartition: "truncate partition", SpecExchangePartition: "exchange partition",
	SpecReorganizePartition: "alter table reorganize partition", SpecPartitionBy: "alter table partition by",
	SpecRemovePartitioning: "alter table remove partitioning", SpecOtherPartition: "alter table partition attributes",
	SpecModify: "modify column", SpecChange: "modify column", SpecSetDefault: "set default value", SpecRenameColumn: "modify column",
	SpecRenameIndex: "rename index", SpecRenameTable: "rename table", SpecIndexVisibility: "alter index visibility",
	SpecConvert: "modify table charset and collate", SpecTableOption: "alter table",
	SpecTableCharset: "modify table charset and collate", SpecTableComment: "modify table comment",
	SpecAutoIncrement: "rebase auto_increment ID", SpecOption: "",
}

// Spec is one change of an ALTER TABLE, or what CREATE INDEX adds.
type Spec struct {
	Kind SpecKind
	Span Span // without the commas around it; all of a CREATE INDEX

	// Name is the column, key or partition concerned, where the kind has one;
	// of SpecRenameTable it is the schema-less new name.
	Name string
	To   string // SpecChange and SpecRenameColumn: the column's new name

	// SpecAddIndex and SpecAddPrimaryKey.
	Index       string // name, "" if the server is to choose; of a UNIQUE constraint the constraint's if it has no other
	Unique      bool
	FullText    bool
	Spatial     bool
	IfNotExists bool
	Parts       []IndexPart
}

// IndexPart is one column or expression of an index.
type IndexPart struct {
	Column string // "" for an expression
	Length int64  // prefix length, 0 for the whole column
	Desc   bool
	Expr   Span // of the expression with its parentheses
}

// JobType is TiDB's name for a job of this change.
func (s Spec) JobType() string { return jobTypes[s.Kind] }

// MultiChange is the job type of an ALTER TABLE with several changes.
const MultiChange = "alter table multi-schema change"

// alter reads what follows ALTER.
func (p *reader) alter(st *Statement) {
	for {
		switch {
		case p.word("ONLINE"):
			continue
		case p.word("IGNORE"):
			st.Ignore = true
			continue
		}
		break
	}
	if p.anyWord("DATABASE", "SCHEMA") {
		st.Kind, st.JobType = OtherDDL, "modify schema charset and collate"
		if t := p.peek(); isName(t) && !isWord(p.text, t, "CHARACTER") && !isWord(p.text, t, "DEFAULT") &&
			!isWord(p.text, t, "COLLATE") && !isWord(p.text, t, "CHARSET") {
			st.Schema = p.name()
		}
		return
	}
	if !p.word("TABLE") {
		return
	}
	st.IfExists = p.ifExists()
	st.Table = p.table()
	p.wait(st)
	adds, changes := 0, 0
	for !p.bad {
		spec := p.spec(st)
		st.Specs = append(st.Specs, spec)
		switch spec.Kind {
		case SpecAddIndex, SpecAddPrimaryKey:
			adds++
			changes++
		case SpecOption:
		default:
			changes++
		}
		if !p.punct(',') {
			break
		}
	}
	if p.end(); p.bad {
		return
	}
	switch {
	case adds > 0:
		st.Kind = AddIndex
	default:
		st.Kind = OtherDDL
	}
	if changes > 1 {
		st.JobType = MultiChange
	} else {
		for _, s := range st.Specs {
			if s.Kind != SpecOption {
				st.JobType = s.JobType()
			}
		}
	}
}

// wait takes MariaDB's WAIT n or NOWAIT.
func (p *reader) wait(st *Statement) {
	start := p.peek().Start
	switch {
	case isWord(p.text, p.peek(), "WAIT") && p.peekAt(1).Kind == TokenInteger:
		p.i++
		st.Wait = int(min(p.integer(), 1<<31-1))
	case p.word("NOWAIT"):
		st.Wait = 0
	default:
		return
	}
	st.WaitSpan = Span{start, p.before()}
}

// spec reads one change up to the next comma.
func (p *reader) spec(st *Statement) Spec {
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
		if !isWord(p.text, p.toks[p.i-1], "TO") {
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
	if s.Kind != SpecAddIndex && s.Kind != SpecAddPrimaryKey && s.Kind != SpecOption {
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
func (p *reader) algorithmOrLock(st *Statement) bool {
	start := p.peek().Start
	value, span := &st.Algorithm, &st.AlgorithmSpan
	allowed := []string{"DEFAULT", "INPLACE", "COPY", "NOCOPY", "INSTANT"}
	switch {
	case p.word("ALGORITHM"):
	case p.word("LOCK"):
		value, span = &st.Lock, &st.LockSpan
		allowed = []string{"DEFAULT", "NONE", "SHARED", "EXCLUSIVE"}
	default:
		return false
	}
	p.punct('=')
	for _, v := range allowed {
		if p.word(v) {
			*value, *span = v, Span{start, p.before()}
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
			s.IfNotExists = true
			constraint = p.name()
		}
	}
	switch {
	case p.words("PRIMARY", "KEY"):
		s.Kind, s.Unique = SpecAddPrimaryKey, true
		p.indexBody(s, false)
	case p.word("UNIQUE"):
		s.Kind, s.Unique = SpecAddIndex, true
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
	case p.word("FULLTEXT"):
		s.Kind, s.FullText = SpecAddIndex, true
		p.anyWord("INDEX", "KEY")
		p.indexBody(s, true)
	case p.word("SPATIAL"):
		s.Kind, s.Spatial = SpecAddIndex, true
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
		if next := p.toks[min(i+1, len(p.toks)-1)]; depth == 1 && (p.constraintWord(next) || isWord(p.text, next, "INDEX") ||
			isWord(p.text, next, "KEY") || isWord(p.text, next, "FULLTEXT") || isWord(p.text, next, "SPATIAL") || isWord(p.text, next, "CONSTRAINT")) {
			p.fail()
		}
	}
}

// constraintWord says whether the token begins the body of a constraint.
func (p *reader) constraintWord(t Token) bool {
	for _, k := range []string{"PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "IF"} {
		if isWord(p.text, t, k) {
			return true
		}
	}
	return false
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
