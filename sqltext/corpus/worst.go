package corpus

import "strings"

// WorstImports are statements of n bytes that cost TiDB's parser most.
func WorstImports(n int) map[string]string {
	set := func(before, middle, after, tail string) string {
		n := (n - 100) / (len(before) + len(after))
		return "IMPORT INTO a.b SET c = " + strings.Repeat(before, n) + middle + strings.Repeat(after, n) + " FROM '/x'" + tail
	}
	return map[string]string{
		"~":             set("~", "1", "", ""),
		"-":             set("- ", "1", "", ""),
		"!":             set("!", "1", "", ""),
		"NOT":           set("NOT ", "1", "", ""),
		"(":             set("(", "1", ")", ""),
		"( without )":   set("(", "1", "", ""),
		"CASE":          set("CASE WHEN 1 THEN ", "1", " END", ""),
		"1+":            set("1+", "1", "", ""),
		"texts":         set("'a' ", "'a'", "", ""),
		"quotes":        set("''", "''", "", ""),
		"commas":        set("1,", "1", "", ""),
		"calls":         set("a(", "1", ")", ""),
		"IF":            set("IF(1,1,", "1", ")", ""),
		"BINARY":        set("BINARY ", "1", "", ""),
		"variables":     set("@a+", "1", "", ""),
		"sub-selects":   set("(SELECT ", "1", ")", ""),
		"assignments":   set("1,c=", "1", "", ""),
		"columns":       "IMPORT INTO a.b (" + strings.Repeat("a,", n/2-30) + "a) FROM '/x'",
		"options":       "IMPORT INTO a.b FROM '/x' WITH " + strings.Repeat("a,", n/2-30) + "a",
		"in a comment":  "IMPORT INTO a.b /*T! SET c = " + strings.Repeat("'a' ", n/4-20) + " */ FROM '/x'",
		"in a location": "IMPORT INTO a.b FROM '" + strings.Repeat("x", n-40) + "'",
		"of one query":  "IMPORT INTO a.b FROM SELECT " + strings.Repeat("~", n-40) + "1",
	}
}
