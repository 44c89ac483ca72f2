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

// commented says whether a line of SHOW CREATE TABLE has a comment, in which a server that
// executes the line does not find what stands there: MariaDB's options that no engine knows.
// What only some versions are to read (/*! … */) is no comment.
func commented(line string) bool {
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'' || c == '`' || c == '"':
			end := skipQuoted(line, i)
			if end == 0 {
				return false
			}
			i = end - 1
		case strings.HasPrefix(line[i:], "/*") && !strings.HasPrefix(line[i:], "/*!"):
			return true
		}
	}
	return false
}
