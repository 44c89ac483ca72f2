package sqlhandler

// importInto takes what follows IMPORT INTO. No store has such a statement: all
// of it is for TiDB's parser, and here is only looked for the table.
func (p *reader) importInto(st *Statement) {
	st.Kind = ImportInto
	if st.Table = p.table(); p.bad {
		st.Table, p.bad = TableName{}, false
	}
}

// importJob takes JOB id behind SHOW, CANCEL, PAUSE and RESUME IMPORT.
func (p *reader) importJob(st *Statement, kind Kind) {
	st.Kind = kind
	p.need("JOB")
	st.IDs = []int64{p.integer()}
	p.importEnd(st)
}

// importJobs takes what follows SHOW IMPORT JOBS.
func (p *reader) importJobs(st *Statement) {
	st.Kind = ShowImportJobs
	p.filter(st)
	p.importEnd(st)
}

// importEnd makes what was not understood a statement that is ours to refuse.
func (p *reader) importEnd(st *Statement) {
	if p.end(); p.bad {
		*st = Statement{Kind: ImportUnknown, Text: st.Text, Wait: -1}
		p.bad = false
	}
}
