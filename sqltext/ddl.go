package sqltext

// create reads what follows CREATE.
func (p *reader) create(st *Statement) {
	p.words("OR", "REPLACE")
	if p.createIndex(st) {
		return
	}
	switch {
	case p.word("TABLE"):
		p.ifNotExists()
		st.Table = p.table()
		st.Kind, st.JobType = OtherDDL, "create table"
	case p.anyWord("DATABASE", "SCHEMA"):
		p.ifNotExists()
		st.Schema = p.name()
		st.Kind, st.JobType = OtherDDL, "create schema"
	case p.word("SEQUENCE"):
		p.ifNotExists()
		st.Table = p.table()
		st.Kind, st.JobType = OtherDDL, "create sequence"
	case p.viewHead():
		p.ifNotExists()
		st.Table = p.table()
		st.Kind, st.JobType = OtherDDL, "create view"
	default:
		return
	}
	st.Virtual = hasVirtual(p.text, p.mode)
}

// viewHead takes [ALGORITHM = v] [DEFINER = user] [SQL SECURITY v] VIEW.
func (p *reader) viewHead() bool {
	const longest = 16 // tokens: the three clauses have no more
	if !p.headWord(p.peek()) {
		return false
	}
	for n := range longest {
		t := p.peekAt(n)
		if isWord(p.text, t, "VIEW") {
			p.i += n + 1
			return true
		}
		if isWord(p.text, t, "PROCEDURE") || isWord(p.text, t, "FUNCTION") || isWord(p.text, t, "TRIGGER") || isWord(p.text, t, "EVENT") {
			return false
		}
	}
	return false
}

func (p *reader) headWord(t Token) bool {
	return isWord(p.text, t, "VIEW") || isWord(p.text, t, "ALGORITHM") || isWord(p.text, t, "DEFINER") || isWord(p.text, t, "SQL")
}

// drop reads what follows DROP.
func (p *reader) drop(st *Statement) {
	switch {
	case p.anyWord("TABLE", "TABLES"):
		st.JobType = "drop table"
	case p.word("VIEW"):
		st.JobType = "drop view"
	case p.word("SEQUENCE"):
		st.JobType = "drop sequence"
	case p.anyWord("DATABASE", "SCHEMA"):
		p.ifExists()
		st.Schema = p.name()
		p.end()
		st.Kind, st.JobType = OtherDDL, "drop schema"
		return
	case p.words("ONLINE", "INDEX"), p.word("INDEX"):
		p.ifExists()
		name := p.name()
		p.need("ON")
		st.Table = p.table()
		p.wait(st)
		for !p.bad && p.algorithmOrLock(st) {
		}
		p.end()
		st.Kind, st.JobType = OtherDDL, "drop index"
		st.Specs = []Spec{{Kind: SpecDropIndex, Span: st.Text, Name: name}}
		return
	default:
		return
	}
	p.ifExists()
	st.Tables = p.tables()
	st.Table = st.Tables[0]
	p.wait(st)
	p.anyWord("RESTRICT", "CASCADE")
	p.end()
	st.Kind = OtherDDL
}

// truncate reads what follows TRUNCATE.
func (p *reader) truncate(st *Statement) {
	p.word("TABLE")
	st.Table = p.table()
	p.wait(st)
	p.end()
	st.Kind, st.JobType = OtherDDL, "truncate table"
}

// rename reads what follows RENAME.
func (p *reader) rename(st *Statement) {
	if !p.anyWord("TABLE", "TABLES") {
		return
	}
	p.ifExists()
	for !p.bad {
		st.Tables = append(st.Tables, p.table())
		var ignored Statement // a WAIT clause may stand after each old name
		p.wait(&ignored)
		p.need("TO")
		st.NewTables = append(st.NewTables, p.table())
		if !p.punct(',') {
			break
		}
	}
	p.end()
	st.Kind, st.JobType, st.Table = OtherDDL, "rename table", st.Tables[0]
	if len(st.Tables) > 1 {
		st.JobType = "rename tables"
	}
}
