package sqltext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/sqltext/corpus"
)

var kindNames = [...]string{
	TokenEOF: "eof", TokenWord: "word", TokenName: "name", TokenString: "string", TokenInteger: "int", TokenNumber: "number",
	TokenSysVar: "@@", TokenUserVar: "uservar", TokenPunct: "punct", TokenBad: "bad",
}

func lexAll(text string, mode Mode) (string, bool) {
	l := Lexer{src: []byte(text), mode: mode}
	var out []string
	for {
		t := l.Next()
		if t.Kind == TokenEOF {
			return strings.Join(out, " "), l.executable
		}
		if t.Kind == TokenPunct {
			out = append(out, string(t.Of(l.src)))
		} else {
			out = append(out, kindNames[t.Kind]+"<"+string(t.Of(l.src))+">")
		}
		if t.Kind == TokenBad {
			return strings.Join(out, " "), l.executable
		}
	}
}

func TestLexer(t *testing.T) {
	ansi, plain := Mode{AnsiQuotes: true}, Mode{NoBackslashEscapes: true}
	for _, c := range []struct {
		text string
		mode Mode
		want string
		exec bool
	}{
		{"", Mode{}, "", false},
		{" \t\r\n\v\fSELECT", Mode{}, "word<SELECT>", false},
		{"a # x ' \n b", Mode{}, "word<a> word<b>", false},
		{"a -- x\nb", Mode{}, "word<a> word<b>", false},
		{"a --", Mode{}, "word<a>", false},
		{"a --\tq", Mode{}, "word<a>", false},
		{"1--1", Mode{}, "int<1> - - int<1>", false},
		{"a /* ' */ b", Mode{}, "word<a> word<b>", false},
		{"a /* b", Mode{}, "word<a> bad< /* b>", false},
		{"/*/ a */ b", Mode{}, "word<b>", false},
		{"/*+ hint */ b", Mode{}, "word<b>", false},
		{"/*T![x] y */ b", Mode{}, "word<b>", false},
		{"/*!40101 a */ b", Mode{}, "word<a> word<b>", true},
		{"/*!100301 a*/", Mode{}, "word<a>", true},
		{"/*M!100301 a*/", Mode{}, "word<a>", true},
		{"/*!a*/", Mode{}, "word<a>", true},
		{"/*! a", Mode{}, "word<a> bad<>", true},
		{"a */ b", Mode{}, "word<a> * / word<b>", false},
		{`'it''s' 'a\'b' "x""y"`, Mode{}, `string<'it''s'> string<'a\'b'> string<"x""y">`, false},
		{`'a\' b`, plain, `string<'a\'> word<b>`, false},
		{`"a\" b`, ansi, `name<"a\"> word<b>`, false},
		{"`a``b` 'x", Mode{}, "name<`a``b`> bad<'x>", false},
		{`'x\`, Mode{}, `bad<'x\>`, false},
		{"db.tbl `d`.`t` d . t", Mode{}, "word<db> . word<tbl> name<`d`> . name<`t`> word<d> . word<t>", false},
		{"db.1st t.1e5 `x`.2y", Mode{}, "word<db> . word<1st> word<t> . word<1e5> name<`x`> . word<2y>", false},
		{"1 1.5 .5 1. 1e3 1e+3 1E-3 0x1F 0b01 1abc 1e", Mode{}, "int<1> number<1.5> number<.5> number<1.> number<1e3> number<1e+3> number<1E-3> number<0x1F> number<0b01> word<1abc> word<1e>", false},
		{"@@global.x @@x @a.b @'x y' @`z` @", Mode{}, "@@<@@> word<global> . word<x> @@<@@> word<x> uservar<@a.b> uservar<@'x y'> uservar<@`z`> uservar<@>", false},
		{"größe $a _b", Mode{}, "word<größe> word<$a> word<_b>", false},
		{"x'AB' N'x'", Mode{}, "word<x> string<'AB'> word<N> string<'x'>", false},
		{"a<=>b:=;", Mode{}, "word<a> < = > word<b> : = ;", false},
	} {
		got, exec := lexAll(c.text, c.mode)
		require.Equal(t, c.want, got, "%q", c.text)
		require.Equal(t, c.exec, exec, "%q", c.text)
	}
}

// TestDoubling: in some character sets a quote may be half a character.
func TestDoubling(t *testing.T) {
	gbk := func(a, b byte) bool { return a >= 0x81 && a <= 0xFE && b >= 0x40 && b <= 0xFE && b != 0x7F }
	for text, want := range map[string]int{
		"'\xbf\\' 'b'":            2, // the backslash escapes nothing
		"`\xbf`` `a`":             2,
		"\xbf|x \xbf\\y @\xbf|.a": 3,
		"'\xbf":                   1,
	} {
		l, n := NewLexer([]byte(text), Mode{}), 0
		l.Doubling(gbk)
		for t := l.Next(); t.Kind != TokenEOF; t = l.Next() {
			if n++; t.Kind == TokenBad {
				break
			}
		}
		require.Equal(t, want, n, "%q", text)
	}
}

func TestUnquote(t *testing.T) {
	for text, want := range map[string]string{`'it''s'`: "it's", `'a\'\n\\\%\q'`: "a'\n\\\\%q", `"x""'"`: `x"'`, `''`: ""} {
		l := Lexer{src: []byte(text)}
		require.Equal(t, want, StringValue(l.src, l.Next(), Mode{}), text)
	}
	l := Lexer{src: []byte(`'a\n'`), mode: Mode{NoBackslashEscapes: true}}
	require.Equal(t, `a\n`, StringValue(l.src, l.Next(), l.mode))
	l = Lexer{src: []byte("`a``b`")}
	require.Equal(t, "a`b", Identifier(l.src, l.Next()))
}

func FuzzLexer(f *testing.F) {
	for _, s := range corpus.Statements {
		f.Add([]byte(s), false, false)
	}
	f.Add([]byte("/*!99999 '\\' \"`@@.1e+/*"), true, true)
	f.Fuzz(func(t *testing.T, text []byte, noBackslash, ansi bool) {
		l := Lexer{src: text, mode: Mode{noBackslash, ansi}}
		last := 0
		for {
			tok := l.Next()
			if tok.Start < last || tok.End < tok.Start || tok.End > len(text) {
				t.Fatalf("token %v after %d in %q", tok, last, text)
			}
			if tok.Kind == TokenEOF || tok.Kind == TokenBad {
				return
			}
			if tok.End == tok.Start {
				t.Fatalf("empty Token at %d in %q", tok.Start, text)
			}
			last = tok.End
			switch tok.Kind {
			case TokenString:
				StringValue(text, tok, l.mode)
			case TokenName, TokenWord:
				Identifier(text, tok)
			}
		}
	})
}
