package sqlhandler

import (
	"strings"
	"testing"
)

// TestS8Like: patterns of many % end, and mean what they did.
func TestS8Like(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"%", "", true},
		{"%%%", "abc", true},
		{"a%c", "abc", true},
		{"a%c", "abcb", false},
		{"a%b%c", "aXbYbZc", true},
		{"%b_", "abcbd", true},
		{"_", "", false},
		{"_b%", "abb", true},
		{"a\\%", "a%", true},
		{"a\\%", "ab", false},
		{"a\\_b", "a_b", true},
		{"a\\_b", "axb", false},
		{"a\\", "a\\", true},
		{"%a", "ba", true},
		{"%a", "ab", false},
		{strings.Repeat("%", 1000) + "~", strings.Repeat("a", 200), false},
		{strings.Repeat("%a", 1000) + "~", strings.Repeat("a", 64), false},
		{strings.Repeat("%_", 64), strings.Repeat("a", 64), true},
		{strings.Repeat("%_", 65), strings.Repeat("a", 64), false},
	} {
		if got := like(c.pattern, c.name); got != c.want {
			t.Errorf("%.20q LIKE %.20q: %v", c.name, c.pattern, got)
		}
	}
}
