package sqltext

// ImportInto is an IMPORT INTO, from which no store makes anything but an error with a
// piece of the text: all of them are ours, of whatever length, and what is wrong with one
// is ours to say. Unlike other statements it costs no memory to know one: anybody can send
// it. So it carries no tokens.
type ImportInto struct {
	Text
}

// UnreadableImport has an IMPORT INTO in several statements, in an executable comment, or
// with a quote that does not end.
type UnreadableImport struct{ Text }

// ShowImportJob is SHOW IMPORT JOB id.
type ShowImportJob struct {
	Text
	ID int64
}

// ShowImportJobs is SHOW IMPORT JOBS.
type ShowImportJobs struct {
	Text
	Filter
}

// ChangeImportJob is CANCEL IMPORT JOB id, or PAUSE and RESUME, which are ours: TiDB has
// no statements for them.
type ChangeImportJob struct {
	Text
	Verb Verb
	ID   int64
}

// classifyImport knows an IMPORT INTO; nil for anything else.
func classifyImport(t Text) Statement {
	l := Lexer{src: t.all, mode: t.mode}
	first := l.Next()
	if !isWord(t.all, first, "IMPORT") || !isWord(t.all, l.Next(), "INTO") {
		return nil
	}
	t.alone = Span{first.Start, len(t.all)}
	end, closed := l.pos, false
	for {
		k := l.Next()
		switch {
		case k.Kind == TokenEOF && !l.executable:
			t.alone.End = end
			return &ImportInto{t}
		case k.Kind == TokenPunct && t.all[k.Start] == ';':
			closed = true
		case k.Kind == TokenEOF, k.Kind == TokenBad, closed:
			return &UnreadableImport{t}
		default:
			end = k.End
		}
	}
}

// showImportJob takes JOB id behind SHOW IMPORT.
func (p *reader) showImportJob() Statement {
	p.need("JOB")
	return p.orUnsupported(&ShowImportJob{Text: p.Text, ID: p.integer()})
}

// showImportJobs takes what follows SHOW IMPORT JOBS.
func (p *reader) showImportJobs() Statement {
	return p.orUnsupported(&ShowImportJobs{Text: p.Text, Filter: p.filter()})
}

// changeImportJob takes JOB id behind CANCEL, PAUSE and RESUME IMPORT.
func (p *reader) changeImportJob(verb Verb) Statement {
	p.need("JOB")
	return p.orUnsupported(&ChangeImportJob{Text: p.Text, Verb: verb, ID: p.integer()})
}

// orUnsupported makes what was not understood a statement that is ours to refuse.
func (p *reader) orUnsupported(st Statement) Statement {
	if p.end(); p.bad {
		p.bad = false
		return &Unsupported{p.Text}
	}
	return st
}
