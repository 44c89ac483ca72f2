package sqltext

// secretOptions are the table options whose text may hold a password: that of a
// FEDERATED or CONNECT table's server, and of old MyISAM ones.
var secretOptions = []string{"CONNECTION", "PASSWORD"}

// Public is the statement alone as it may be kept in the history of jobs: instead of the
// text behind such an option it has 'xxxxxx'.
func (st *DDL) Public() []byte {
	var shown []byte
	kept := st.alone.Start
	var before Token
	option := false
	for _, t := range st.inside(st.alone) {
		switch {
		case option && t.Kind == TokenString:
			shown = append(append(shown, st.all[kept:t.Start]...), "'xxxxxx'"...)
			kept, option = t.End, false
		case option && t.Kind == TokenPunct && st.all[t.Start] == '=' && before.Kind == TokenWord:
		default:
			option = isOneOf(st.all, t, secretOptions...)
		}
		before = t
	}
	return append(shown, st.all[kept:st.alone.End]...)
}
