package sqltext

import "slices"

// MultiChange is the job type of an ALTER TABLE with several changes.
const MultiChange = "alter table multi-schema change"

// AlterTable is a change of one table: ALTER TABLE, or CREATE INDEX and DROP INDEX, which
// the servers make one of.
type AlterTable struct {
	DDL
	Table       TableName
	CreateIndex bool   // CREATE INDEX, whose privilege is INDEX instead of ALTER
	Specs       []Spec // the changes, in order
	Algorithm   string // value of the last ALGORITHM clause, upper case, "" if none
	Lock        string // value of the last LOCK clause
	Wait        int    // WAIT n and NOWAIT (0), in seconds; -1 if not given
	IfExists    bool   // ALTER TABLE IF EXISTS
	Ignore      bool   // ALTER IGNORE TABLE
}

// Long says whether the change may take long: it adds an index or a primary key. Such a
// change can be a job of ours; any other is the store's to make.
func (st *AlterTable) Long() bool { return slices.ContainsFunc(st.Specs, Spec.Adds) }

// Indexes lists the names of the indexes the statement adds, "" for one the
// server is to name.
func (st *AlterTable) Indexes() []string {
	var names []string
	for _, spec := range st.Specs {
		if spec.Kind == SpecAddIndex {
			names = append(names, spec.Index)
		}
	}
	return names
}

// finish makes a statement of what was read.
func (p *reader) finish(st *AlterTable) *AlterTable {
	p.end()
	d := p.ddl("", st.Table)
	for _, s := range st.Specs {
		if s.Kind != SpecOption {
			d.Changes = append(d.Changes, s.JobType())
		}
	}
	switch len(d.Changes) {
	case 0:
	case 1:
		d.JobType, d.Changes = d.Changes[0], nil
	default:
		d.JobType = MultiChange
	}
	st.DDL = *d
	return st
}

// alter reads what follows ALTER.
func (p *reader) alter() Statement {
	st := &AlterTable{}
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
		return p.alterSchema()
	}
	if !p.word("TABLE") {
		return nil
	}
	st.IfExists = p.ifExists()
	st.Table = p.table()
	st.Wait = p.wait()
	for !p.bad {
		st.Specs = append(st.Specs, p.spec(st))
		if !p.punct(',') {
			break
		}
	}
	return p.finish(st)
}

// alterSchema reads what follows ALTER DATABASE: a name, which may be left out.
func (p *reader) alterSchema() Statement {
	schema := ""
	if t := p.peek(); isName(t) && !p.isOneOf(t, "CHARACTER", "DEFAULT", "COLLATE", "CHARSET") {
		schema = p.name()
	}
	return p.schemaDDL("modify schema charset and collate", schema)
}

// wait takes MariaDB's WAIT n or NOWAIT: seconds, -1 if neither is there.
func (p *reader) wait() int {
	switch {
	case isWord(p.all, p.peek(), "WAIT") && p.peekAt(1).Kind == TokenInteger:
		p.i++
		return int(min(p.integer(), 1<<31-1))
	case p.word("NOWAIT"):
		return 0
	}
	return -1
}
