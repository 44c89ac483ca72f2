package protocol

import "bytes"

// multiple reports whether a text may hold more than one statement. It looks
// for a semicolon outside quotes and comments that is followed by anything but
// white space, comments and semicolons. When in doubt it says yes, and then the
// statement is relayed.
func multiple(sql []byte, status StatusFlags) bool {
	escapes := !status.Has(StatusNoBackslashEscapes)
	ended, depth := false, 0
	for i := 0; i < len(sql); i++ {
		switch b := sql[i]; b {
		case ' ', '\t', '\n', '\v', '\f', '\r', 0:
			continue
		case ';':
			ended = true
			continue
		case '#':
			i = lineEnd(sql, i)
			continue
		case '-':
			if dashComment(sql, i) {
				i = lineEnd(sql, i)
				continue
			}
		case '/':
			if i+1 < len(sql) && sql[i+1] == '*' {
				if executable(sql[i+2:]) {
					// Its text is part of the statement, up to the closing mark.
					depth++
					i += 2
					break
				}
				n := bytes.Index(sql[i+2:], []byte("*/"))
				if n < 0 {
					return true
				}
				i += 2 + n + 1
				continue
			}
		case '*':
			if depth > 0 && i+1 < len(sql) && sql[i+1] == '/' {
				depth--
				i++
				continue
			}
		case '\'', '"', '`':
			if ended {
				return true
			}
			n := quoted(sql[i:], escapes && b != '`')
			if n < 0 {
				return true
			}
			i += n - 1
			continue
		}
		if ended {
			return true
		}
	}
	return false
}

// quoted returns the length of the quoted text at the start of s with its
// quotes, or -1 if it does not end. A doubled quote is seen as two texts.
func quoted(s []byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && escapes:
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return -1
}

// executable reports whether a comment whose text is s is one a server executes.
func executable(s []byte) bool {
	return bytes.HasPrefix(s, []byte("!")) || bytes.HasPrefix(s, []byte("M!"))
}

// dashComment reports whether a comment to the end of the line starts at i.
func dashComment(s []byte, i int) bool {
	return i+1 < len(s) && s[i+1] == '-' && (i+2 == len(s) || s[i+2] <= ' ')
}

func lineEnd(s []byte, i int) int {
	if n := bytes.IndexByte(s[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(s)
}
