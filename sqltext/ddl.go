package sqltext

// DDL is a change of tables or schemas. By itself it is one that is not ours to run, only
// to remember.
type DDL struct {
	Text
	JobType string   // TiDB's, "" if the statement makes no job there
	Changes []string // the job types of several changes, in order
	Schema  string   // of CREATE, DROP and ALTER DATABASE
	// Tables are those that the change is told of: those it was made to, and after a
	// RENAME the new names, as TiDB does.
	Tables      []TableName
	Conditional bool // IF EXISTS or IF NOT EXISTS stands somewhere: the store may do nothing
}

// ddl is a change of tables, with what was read of it.
func (p *reader) ddl(jobType string, tables ...TableName) *DDL {
	return &DDL{Text: p.Text, JobType: jobType, Tables: tables, Conditional: p.conditional}
}

// schemaDDL is a change of a schema.
func (p *reader) schemaDDL(jobType, schema string) *DDL {
	st := p.ddl(jobType)
	st.Schema = schema
	return st
}

// create reads what follows CREATE.
func (p *reader) create() Statement {
	p.words("OR", "REPLACE")
	if st := p.createIndex(); st != nil {
		return st
	}
	jobType := ""
	switch {
	case p.word("TABLE"):
		jobType = "create table"
	case p.anyWord("DATABASE", "SCHEMA"):
		p.ifNotExists()
		return p.schemaDDL("create schema", p.name())
	case p.word("SEQUENCE"):
		jobType = "create sequence"
	case p.viewHead():
		jobType = "create view"
	default:
		return nil
	}
	p.ifNotExists()
	return p.ddl(jobType, p.table())
}

// viewHead takes [ALGORITHM = v] [DEFINER = user] [SQL SECURITY v] VIEW.
func (p *reader) viewHead() bool {
	const longest = 16 // tokens: the three clauses have no more
	if !p.isOneOf(p.peek(), "VIEW", "ALGORITHM", "DEFINER", "SQL") {
		return false
	}
	for n := range longest {
		t := p.peekAt(n)
		if isWord(p.all, t, "VIEW") {
			p.i += n + 1
			return true
		}
		if p.isOneOf(t, "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT") {
			return false
		}
	}
	return false
}

// drop reads what follows DROP.
func (p *reader) drop() Statement {
	jobType := ""
	switch {
	case p.anyWord("TABLE", "TABLES"):
		jobType = "drop table"
	case p.word("VIEW"):
		jobType = "drop view"
	case p.word("SEQUENCE"):
		jobType = "drop sequence"
	case p.anyWord("DATABASE", "SCHEMA"):
		p.ifExists()
		name := p.name()
		p.end()
		return p.schemaDDL("drop schema", name)
	case p.words("ONLINE", "INDEX"), p.word("INDEX"):
		return p.dropIndex()
	default:
		return nil
	}
	p.ifExists()
	tables := p.tables()
	p.wait()
	p.anyWord("RESTRICT", "CASCADE")
	p.end()
	return p.ddl(jobType, tables...)
}

// truncate reads what follows TRUNCATE.
func (p *reader) truncate() Statement {
	p.word("TABLE")
	t := p.table()
	p.wait()
	p.end()
	return p.ddl("truncate table", t)
}

// rename reads what follows RENAME.
func (p *reader) rename() Statement {
	if !p.anyWord("TABLE", "TABLES") {
		return nil
	}
	p.ifExists()
	var named []TableName
	for !p.bad {
		p.table()
		p.wait() // may stand after each old name
		p.need("TO")
		named = append(named, p.table())
		if !p.punct(',') {
			break
		}
	}
	p.end()
	if len(named) > 1 {
		return p.ddl("rename tables", named...)
	}
	return p.ddl("rename table", named...)
}
