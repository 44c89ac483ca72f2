package server

import (
	"fmt"
	"strings"
)

// Quote makes an identifier of its parts.
func Quote(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteByte('`')
		b.WriteString(strings.ReplaceAll(p, "`", "``"))
		b.WriteByte('`')
	}
	return b.String()
}

// Text makes a literal that means a text under every sql_mode. What a backslash is hangs on
// NO_BACKSLASH_ESCAPES: a text with one is written in hexadecimal digits.
func Text(s string) string {
	if strings.Contains(s, `\`) {
		return fmt.Sprintf("_utf8mb4 x'%x'", s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
