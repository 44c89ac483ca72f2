package sqlhandler

// secretOptions are the table options whose text may hold a password: that of a
// FEDERATED or CONNECT table's server, and of old MyISAM ones.
var secretOptions = []string{"CONNECTION", "PASSWORD"}

// hideSecrets is a statement as it may be kept in the history of jobs: instead of
// the text behind such an option it has 'xxxxxx'.
func hideSecrets(text []byte, m Mode) []byte {
	var shown []byte
	l := lexer{src: text, mode: m}
	kept := 0
	for before, option := (token{}), false; ; {
		t := l.next()
		switch {
		case t.kind == tokEOF, t.kind == tokBad:
			return append(shown, text[kept:]...)
		case option && t.kind == tokString:
			shown = append(append(shown, text[kept:t.Start]...), "'xxxxxx'"...)
			kept, option = t.End, false
		case option && t.kind == tokPunct && text[t.Start] == '=' && before.kind == tokWord:
		default:
			option = t.kind == tokWord && isOneOf(text, t, secretOptions)
		}
		before = t
	}
}

func isOneOf(text []byte, t token, keywords []string) bool {
	for _, k := range keywords {
		if isWord(text, t, k) {
			return true
		}
	}
	return false
}
