package sqltext

import "bytes"

// hidesImport says whether one of the statements of a text that cannot be read
// as one begins as an IMPORT INTO. An executable comment may be a part of its
// statement, or nothing: what it begins with and what follows it may be the first
// word, as long as nothing stood outside of such comments.
func hidesImport(text []byte, mode Mode) bool {
	l := Lexer{src: text, mode: mode}
	begins, outside, imports := true, false, false
	for {
		was := l.inside
		t := l.Next()
		if t.Kind == TokenBad || t.Kind == TokenEOF {
			return false
		}
		begins = begins || l.inside != was && !outside
		switch {
		case imports && isWord(text, t, "INTO"):
			return true
		case t.Kind == TokenPunct && text[t.Start] == ';':
			begins, outside, imports = true, false, false
		default:
			imports = begins && isWord(text, t, "IMPORT")
			begins, outside = false, outside || !l.inside
		}
	}
}

// MatchSeveral says whether a text of several statements has an IMPORT INTO among
// them, which the store must not see.
func MatchSeveral(text []byte, mode Mode) bool {
	return hasImport(text[:min(len(text), needleWindow)]) && hidesImport(text, mode)
}

// importBehind says whether IMPORT may begin a statement that is not the first of
// a text. Everyday statements have no semicolon but at their end.
func importBehind(b []byte) bool {
	i := bytes.IndexByte(b, ';')
	return i >= 0 && hasImport(b[i:])
}

// hasImport looks for the word, wherever it stands.
func hasImport(b []byte) bool {
	for {
		i := bytes.IndexAny(b, "mM")
		if i < 0 || len(b)-i < len("MPORT") {
			return false
		}
		if i > 0 && b[i-1]|0x20 == 'i' && equalFold(b[i:i+len("MPORT")], "MPORT") {
			return true
		}
		b = b[i+1:]
	}
}
