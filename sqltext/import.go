package sqltext

// classifyImport knows an IMPORT INTO, from which no store makes anything but an
// error with a piece of the text: all of them are ours, of whatever length, and what
// is wrong with one is ours to say. Unlike other statements it costs no memory:
// anybody can send one.
func classifyImport(text []byte, mode Mode) (Statement, bool) {
	l := Lexer{src: text, mode: mode}
	first := l.Next()
	if !isWord(text, first, "IMPORT") || !isWord(text, l.Next(), "INTO") {
		return Statement{}, false
	}
	st := Statement{Kind: ImportInto, Text: Span{first.Start, len(text)}, Wait: -1}
	end, closed := l.pos, false
	for {
		t := l.Next()
		switch {
		case t.Kind == TokenEOF && !l.executable:
			st.Text.End = end
			if o, ok := OutlineImport(text, mode); ok {
				st.Table = o.Table
			}
			return st, true
		case t.Kind == TokenPunct && text[t.Start] == ';':
			closed = true
		case t.Kind == TokenEOF, t.Kind == TokenBad, closed:
			st.Kind = ImportUnreadable
			return st, true
		default:
			end = t.End
		}
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
