package sqltext

import (
	"strconv"

	"dxfproxy/sysvars"
)

// MaxText is the longest text that is looked into, and maxWords the number of tokens;
// longer ones are relayed. A token takes twenty times the memory of its text, and who
// sends it needs nothing but a login.
const (
	MaxText  = 1 << 20
	maxWords = 20_000
)

// Kind says what a statement is to us.
type Kind uint8

// Kinds of statements. Other is relayed untouched.
const (
	Other Kind = iota
	AddIndex
	OtherDDL // a table change that is not ours to run, only to remember
	SetVars
	SetLogBin // nothing of ours, and sql_log_bin
	SelectVars
	ShowVariables
	ShowWarnings
	ShowErrors
	ShowCountWarnings
	ShowCountErrors
	AdminShowDDL
	AdminShowDDLJobs
	AdminShowDDLJobQueries
	AdminCancelDDLJobs
	AdminPauseDDLJobs
	AdminResumeDDLJobs
	AdminAlterDDLJobs
	AdminCheckTable
	AdminCheckIndex
	AdminChecksumTable
	AdminUnknown  // begins with ADMIN, which no store knows, and is none of the above
	VirtualTables // reads or writes a table RewriteTables knows, or may: see Bare
	Expressions   // has one of our variables in an expression
	ImportInto
	ShowImportJob
	ShowImportJobs
	CancelImportJob
	PauseImportJob  // ours: TiDB has no statement for it
	ResumeImportJob // ours too
	ImportUnknown   // begins as one of the five above, which no store knows, and is none of them
	// ImportUnreadable has an IMPORT INTO in several statements, in an executable
	// comment, or with a quote that does not end.
	ImportUnreadable
)

// TableName is a reference to a table as it was written, without quotes.
type TableName struct {
	Schema string // "" if it was not named
	Name   string
	Span   Span // of the whole reference, `db`.`t`
}

// Statement is what Classify found. Only the fields its comment lists for the
// Kind are set. All spans are in the text given to Classify.
type Statement struct {
	Kind Kind
	Text Span // without blanks and comments around it and the closing semicolons

	// AddIndex, OtherDDL.
	Table       TableName
	CreateIndex bool   // CREATE INDEX, whose privilege is INDEX instead of ALTER
	Specs       []Spec // the changes of an ALTER TABLE or CREATE INDEX, in order
	Algorithm   string // value of the last ALGORITHM clause, upper case, "" if none
	Lock        string // value of the last LOCK clause
	// AlgorithmSpan, LockSpan and WaitSpan cover the clauses without commas.
	AlgorithmSpan, LockSpan, WaitSpan Span
	Wait                              int  // WAIT n and NOWAIT (0), in seconds; -1 if not given
	IfExists                          bool // ALTER TABLE IF EXISTS
	Ignore                            bool // ALTER IGNORE TABLE
	Conditional                       bool // IF EXISTS or IF NOT EXISTS stands somewhere: the store may do nothing

	// OtherDDL: TiDB's job type, "" if the statement makes no job there.
	JobType   string
	Schema    string      // of CREATE, DROP and ALTER DATABASE
	Tables    []TableName // all tables of DROP and RENAME; the tables of ADMIN CHECK and CHECKSUM
	NewTables []TableName // of RENAME, beside Tables

	// Virtual is set when RewriteTables would change the text. It stands
	// beside OtherDDL for CREATE TABLE … AS SELECT and CREATE VIEW.
	Virtual bool

	Bare        bool         // VirtualTables: RewriteBareTables would change the text, if it were for the right schema
	Vars        []VarRef     // VirtualTables, Expressions
	Assignments []Assignment // SetVars, SetLogBin
	Columns     []VarColumn  // SelectVars
	// SelectVars, ShowWarnings, ShowErrors, AdminShowDDLJobQueries: LIMIT.
	HasLimit      bool
	Limit, Offset uint64

	Form  sysvars.Form // ShowVariables: Plain, FormSession or FormGlobal
	Like  string       // ShowVariables, ShowImportJobs: the pattern
	HasLk bool         // a LIKE was given
	Where Span         // AdminShowDDLJobs, ShowVariables, ShowImportJobs: the expression; empty if none

	Count   int64         // AdminShowDDLJobs: n, 0 if not given
	IDs     []int64       // ADMIN … JOBS; one for AdminAlterDDLJobs and the import kinds
	Options []AdminOption // AdminAlterDDLJobs
	Index   string        // AdminCheckIndex
}

// Has says whether the span holds anything.
func (s Span) Has() bool { return s.End > s.Start }

// Unique says whether the statement may fail on a duplicate in the data.
func (s *Statement) Unique() bool {
	for _, spec := range s.Specs {
		if spec.Unique {
			return true
		}
	}
	return false
}

// Indexes lists the names of the indexes the statement adds, "" for one the
// server is to name.
func (s *Statement) Indexes() []string {
	var names []string
	for _, spec := range s.Specs {
		if spec.Kind == SpecAddIndex {
			names = append(names, spec.Index)
		}
	}
	return names
}

// Classify says what the text is. It works on words and punctuation only; a
// statement it does not understand to the last token, a text of several
// statements, of more than MaxText or maxWords or with an executable comment is Other.
func Classify(text []byte, mode Mode) Statement {
	src := text
	if n := len(src); n > 0 && src[n-1] == 0 {
		src = src[:n-1] // some clients send the C string's end
	}
	if st, ok := classifyImport(src, mode); ok {
		return st
	}
	if len(text) > MaxText {
		return Statement{Wait: -1}
	}
	toks, ok := tokens(src, mode)
	if !ok {
		if hidesImport(src, mode) {
			return Statement{Kind: ImportUnreadable, Text: Span{0, len(src)}, Wait: -1}
		}
		return Statement{Wait: -1}
	}
	p := &reader{text: src, mode: mode, toks: toks}
	st := Statement{Wait: -1}
	if last := len(toks) - 2; last >= 0 {
		st.Text = Span{toks[0].Start, toks[last].End}
	}
	p.statement(&st)
	st.Conditional = p.conditional
	if p.bad || st.Kind == Other {
		understood := !p.bad
		st = Statement{Text: st.Text, Wait: -1}
		if expressionVerb(p, understood) {
			if st.Vars = p.varRefs(); len(st.Vars) > 0 {
				st.Kind = Expressions
			}
		}
		if virtualVerb(p) {
			st.Virtual, st.Bare = hasVirtual(src, mode), hasBare(src, toks)
			if st.Virtual || st.Bare {
				st.Kind = VirtualTables
			}
		}
	}
	return st
}

// tokens cuts the text, with a tokEOF at the end and without the semicolons
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

func hasVirtual(text []byte, mode Mode) bool {
	refs, ok := virtualRefs(text, mode)
	return ok && len(refs) > 0
}

// virtualVerb says whether a statement that names a virtual table is to be
// rewritten: reading and writing rows, not changing tables.
func virtualVerb(p *reader) bool {
	p.i = 0
	return p.punct('(') || p.anyWord("SELECT", "WITH", "TABLE", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE",
		"EXPLAIN", "DESCRIBE", "DESC", "ANALYZE", "SHOW", "CHECKSUM")
}

func (p *reader) statement(st *Statement) {
	switch {
	case p.word("ALTER"):
		p.alter(st)
	case p.word("CREATE"):
		p.create(st)
	case p.word("DROP"):
		p.drop(st)
	case p.word("RENAME"):
		p.rename(st)
	case p.word("TRUNCATE"):
		p.truncate(st)
	case p.word("SET"):
		p.set(st)
	case p.word("SELECT"):
		p.selectVars(st)
	case p.word("SHOW"):
		p.show(st)
	case p.word("ADMIN"):
		p.admin(st)
	case p.words("CANCEL", "IMPORT"):
		p.importJob(st, CancelImportJob)
	case p.words("PAUSE", "IMPORT"):
		p.importJob(st, PauseImportJob)
	case p.words("RESUME", "IMPORT"):
		p.importJob(st, ResumeImportJob)
	}
}

// reader walks over the tokens of one statement. The first thing it does not
// expect sets bad, and everything after is void.
type reader struct {
	text []byte
	mode Mode
	toks []Token
	i    int
	bad  bool

	conditional bool // ifExists or ifNotExists took something
}

func (p *reader) peek() Token { return p.toks[p.i] }

func (p *reader) peekAt(n int) Token {
	return p.toks[min(p.i+n, len(p.toks)-1)]
}

func (p *reader) advance() Token {
	t := p.toks[p.i]
	if t.Kind != TokenEOF {
		p.i++
	}
	return t
}

func (p *reader) fail() { p.bad = true }

// word takes the keyword if it is next.
func (p *reader) word(keyword string) bool {
	if isWord(p.text, p.peek(), keyword) {
		p.i++
		return true
	}
	return false
}

// words takes all the keywords if they are next in a row.
func (p *reader) words(keywords ...string) bool {
	for n, k := range keywords {
		if !isWord(p.text, p.peekAt(n), k) {
			return false
		}
	}
	p.i += len(keywords)
	return true
}

// anyWord takes one of the keywords if it is next.
func (p *reader) anyWord(keywords ...string) bool {
	for _, k := range keywords {
		if p.word(k) {
			return true
		}
	}
	return false
}

// need takes the keyword or fails.
func (p *reader) need(keyword string) {
	if !p.word(keyword) {
		p.fail()
	}
}

func (p *reader) isPunct(t Token, c byte) bool { return t.Kind == TokenPunct && p.text[t.Start] == c }

func (p *reader) punct(c byte) bool {
	if p.isPunct(p.peek(), c) {
		p.i++
		return true
	}
	return false
}

// end fails unless everything was taken.
func (p *reader) end() {
	if p.peek().Kind != TokenEOF {
		p.fail()
	}
}

// before is the end of the last token taken.
func (p *reader) before() int {
	if p.i == 0 {
		return 0
	}
	return p.toks[p.i-1].End
}

// name takes an identifier.
func (p *reader) name() string {
	t := p.peek()
	if !isName(t) {
		p.fail()
		return ""
	}
	p.i++
	return Identifier(p.text, t)
}

// table takes a table reference, t or db.t.
func (p *reader) table() TableName {
	start := p.peek().Start
	t := TableName{Name: p.name()}
	if p.punct('.') {
		t.Schema, t.Name = t.Name, p.name()
	}
	if t.Name == "" {
		p.fail()
	}
	t.Span = Span{start, max(start, p.before())}
	return t
}

// tables takes a comma list of tables.
func (p *reader) tables() []TableName {
	list := []TableName{p.table()}
	for !p.bad && p.punct(',') {
		list = append(list, p.table())
	}
	return list
}

// integer takes a number without sign that fits in 63 bits.
func (p *reader) integer() int64 {
	t := p.peek()
	n, err := strconv.ParseInt(string(t.Of(p.text)), 10, 64)
	if t.Kind != TokenInteger || err != nil {
		p.fail()
		return 0
	}
	p.i++
	return n
}

// integers takes a comma list of numbers.
func (p *reader) integers() []int64 {
	list := []int64{p.integer()}
	for !p.bad && p.punct(',') {
		list = append(list, p.integer())
	}
	return list
}

// ifExists takes IF EXISTS, ifNotExists IF NOT EXISTS.
func (p *reader) ifExists() bool    { return p.condition("IF", "EXISTS") }
func (p *reader) ifNotExists() bool { return p.condition("IF", "NOT", "EXISTS") }

func (p *reader) condition(keywords ...string) bool {
	found := p.words(keywords...)
	p.conditional = p.conditional || found
	return found
}

// group moves past a parenthesis and all it holds, if one is next.
func (p *reader) group() bool {
	if !p.punct('(') {
		return false
	}
	for depth := 1; depth > 0; {
		switch t := p.advance(); {
		case t.Kind == TokenEOF:
			p.fail()
			return true
		case p.isPunct(t, '('):
			depth++
		case p.isPunct(t, ')'):
			depth--
		}
	}
	return true
}

// item moves to the next comma outside parentheses, or to the end.
func (p *reader) item() {
	for {
		t := p.peek()
		switch {
		case t.Kind == TokenEOF, p.isPunct(t, ','):
			return
		case p.isPunct(t, ')'):
			p.fail()
			return
		case p.isPunct(t, '('):
			if p.group(); p.bad {
				return
			}
		default:
			p.i++
		}
	}
}

// limit takes LIMIT m, LIMIT o, m or LIMIT m OFFSET o.
func (p *reader) limit(st *Statement) {
	if !p.word("LIMIT") {
		return
	}
	st.HasLimit = true
	st.Limit = uint64(p.integer())
	switch {
	case p.punct(','):
		st.Offset, st.Limit = st.Limit, uint64(p.integer())
	case p.word("OFFSET"):
		st.Offset = uint64(p.integer())
	}
}

// rest takes everything to the end as an expression, which must not be empty.
func (p *reader) rest() Span {
	s := p.peek().Start
	for p.item(); !p.bad && p.punct(','); p.item() {
	}
	if p.before() <= s {
		p.fail()
		return Span{}
	}
	return Span{s, p.before()}
}
