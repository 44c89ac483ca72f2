package table

import "strings"

// clear says whether a piece of SHOW CREATE TABLE, put into a statement, is read by
// the server as by us. Texts that users chose stand in quotes, and in MariaDB some of
// them, the values of options that no engine knows (sql_mode IGNORE_BAD_TABLE_OPTIONS),
// stand so in a comment: /* `x`='*/, RENAME TO …' */. There the server knows of no
// quotes: its comment ends in the middle of the text, and the rest is executed.
func clear(text string) bool {
	comment := false
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch c := text[i]; {
		case c == '\'' || c == '`' || c == '"':
			end := skipQuoted(text, i)
			if end == 0 || comment && strings.Contains(text[i:end], "*/") {
				return false
			}
			i = end - 1
		case strings.HasPrefix(rest, "/*"):
			if comment {
				return false
			}
			comment = true
			i++
		case strings.HasPrefix(rest, "*/"):
			if !comment {
				return false
			}
			comment = false
			i++
		case c == '#', c == ';', strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
			return false
		}
	}
	return !comment
}
