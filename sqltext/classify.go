package sqltext

// maxText is the longest text that is looked into, and maxWords the number of tokens;
// longer ones are relayed. A token takes twenty times the memory of its text, and who
// sends it needs nothing but a login.
const (
	maxText  = 1 << 20
	maxWords = 20_000
)

// TableName is a reference to a table as it was written, without quotes.
type TableName struct {
	Schema string // "" if it was not named
	Name   string
	Span   Span // of the whole reference, `db`.`t`
}

// Has says whether the span holds anything.
func (s Span) Has() bool { return s.End > s.Start }

// Classify says what the text is. It works on words and punctuation only; a
// statement it does not understand to the last token, a text of several
// statements, of more than maxText or maxWords or with an executable comment is Other.
func Classify(text []byte, mode Mode) Statement {
	t := Text{all: text, mode: mode}
	if n := len(text); n > 0 && text[n-1] == 0 {
		t.all = text[:n-1] // some clients send the C string's end
	}
	if st := classifyImport(t); st != nil {
		return st
	}
	if len(text) > maxText {
		return &Other{t}
	}
	toks, ok := tokens(t.all, mode)
	if !ok {
		if hidesImport(t.all, mode) {
			t.alone.End = len(t.all)
			return &UnreadableImport{t}
		}
		return &Other{t}
	}
	t.toks = toks
	if last := len(toks) - 2; last >= 0 {
		t.alone = Span{toks[0].Start, toks[last].End}
	}
	p := &reader{Text: t}
	if st := p.statement(); st != nil && !p.bad {
		return st
	}
	if st := p.mixed(); st != nil {
		return st
	}
	return &Other{t}
}

// tokens cuts the text, with a TokenEOF at the end and without the semicolons
// before it. It reports false for a text of several statements, for what cannot
// be trusted, and for more than maxWords.
func tokens(text []byte, mode Mode) ([]Token, bool) {
	l := Lexer{src: text, mode: mode}
	toks := make([]Token, 0, 32)
	for {
		t := l.Next()
		if t.Kind == TokenBad || l.executable || len(toks) > maxWords {
			return nil, false
		}
		if t.Kind == TokenPunct && text[t.Start] == ';' {
			for t.Kind == TokenPunct && text[t.Start] == ';' {
				t = l.Next()
			}
			if t.Kind != TokenEOF || l.executable {
				return nil, false
			}
		}
		toks = append(toks, t)
		if t.Kind == TokenEOF {
			return toks, true
		}
	}
}

// statement reads what is ours; nil for what is not.
func (p *reader) statement() Statement {
	switch {
	case p.word("ALTER"):
		return p.alter()
	case p.word("CREATE"):
		return p.create()
	case p.word("DROP"):
		return p.drop()
	case p.word("RENAME"):
		return p.rename()
	case p.word("TRUNCATE"):
		return p.truncate()
	case p.word("SET"):
		return p.set()
	case p.word("SELECT"):
		return p.selectVariables()
	case p.word("SHOW"):
		return p.show()
	case p.word("ADMIN"):
		return p.admin()
	case p.words("CANCEL", "IMPORT"):
		return p.changeImportJob(Cancel)
	case p.words("PAUSE", "IMPORT"):
		return p.changeImportJob(Pause)
	case p.words("RESUME", "IMPORT"):
		return p.changeImportJob(Resume)
	}
	return nil
}
