package sqltext

import "slices"

// A Statement is one of the types of this package, each for a kind: *AlterTable, *DDL,
// *SetVariables, and so on. What is not ours is *Other, and relayed untouched.
type Statement interface {
	// SQL is the statement alone: without blanks and comments around it and the
	// semicolons that close it.
	SQL() []byte
}

// Text is what a statement was written as, cut into tokens once. All spans are in it.
type Text struct {
	all   []byte // as it was sent, but for a C string's end
	mode  Mode
	toks  []Token // with a TokenEOF at the end; none of an IMPORT INTO, and of what is too long or several statements
	alone Span
}

// SQL implements Statement.
func (t *Text) SQL() []byte { return t.alone.Of(t.all) }

// Mode is what it was read under.
func (t *Text) Mode() Mode { return t.mode }

// As is the same text read under another mode.
func (t *Text) As(m Mode) Statement { return Classify(t.all, m) }

// Of is a piece of the statement.
func (t *Text) Of(s Span) string { return string(s.Of(t.all)) }

// inside are the tokens of a piece.
func (t *Text) inside(s Span) []Token {
	from, _ := slices.BinarySearchFunc(t.toks, s.Start, func(k Token, at int) int { return k.Start - at })
	to := from
	for to < len(t.toks) && t.toks[to].Kind != TokenEOF && t.toks[to].End <= s.End {
		to++
	}
	return t.toks[from:to]
}

// Other is a statement that is not ours.
type Other struct{ Text }

// Unsupported is a statement of TiDB's that no store knows, and that is none of ours:
// it begins with ADMIN, or as one about imports.
type Unsupported struct{ Text }

// An Edit puts a text in the place of a piece of a statement.
type Edit struct {
	Span
	Text string
}

// apply makes edits in a text, no two of which overlap.
func apply(text []byte, edits []Edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int { return a.Start - b.Start })
	var out []byte
	from := 0
	for _, e := range edits {
		out = append(out, text[from:e.Start]...)
		out = append(out, e.Text...)
		from = e.End
	}
	return append(out, text[from:]...)
}

// With is the whole text with edits made in it.
func (t *Text) With(edits []Edit) []byte { return apply(t.all, edits) }

// Part is a piece of the text with edits made in it.
func (t *Text) Part(s Span, edits []Edit) string {
	moved := slices.Clone(edits)
	for i := range moved {
		moved[i].Start -= s.Start
		moved[i].End -= s.Start
	}
	return string(apply(s.Of(t.all), moved))
}
