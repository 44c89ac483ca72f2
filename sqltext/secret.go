package sqltext

// secretOptions are the table options whose text may hold a password: that of a
// FEDERATED or CONNECT table's server, and of old MyISAM ones.
var secretOptions = []string{"CONNECTION", "PASSWORD"}

// HideSecrets is a statement as it may be kept in the history of jobs: instead of
// the text behind such an option it has 'xxxxxx'.
func HideSecrets(text []byte, m Mode) []byte {
	var shown []byte
	l := Lexer{src: text, mode: m}
	kept := 0
	for before, option := (Token{}), false; ; {
		t := l.Next()
		switch {
		case t.Kind == TokenEOF, t.Kind == TokenBad:
			return append(shown, text[kept:]...)
		case option && t.Kind == TokenString:
			shown = append(append(shown, text[kept:t.Start]...), "'xxxxxx'"...)
			kept, option = t.End, false
		case option && t.Kind == TokenPunct && text[t.Start] == '=' && before.Kind == TokenWord:
		default:
			option = t.Kind == TokenWord && isOneOf(text, t, secretOptions)
		}
		before = t
	}
}

func isOneOf(text []byte, t Token, keywords []string) bool {
	for _, k := range keywords {
		if isWord(text, t, k) {
			return true
		}
	}
	return false
}
