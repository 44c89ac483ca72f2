package source

import (
	"path"
	"strings"
)

// A glob is a pattern of file names: * for any bytes, ? for one (on disks only;
// in a URI it would begin the parameters), [a-z] and [^a-z] for one of a class,
// \ before a byte that stands for itself. Without any of the first three it is
// one name, read literally. It never holds a "/".
type glob string

// newGlob takes the pattern as typed.
func newGlob(pattern string, questionMark bool) (glob, error) {
	if !questionMark {
		pattern = strings.ReplaceAll(pattern, "?", `\?`)
	}
	g := glob(pattern)
	_, err := path.Match(pattern, "")
	return g, err
}

// match says whether the pattern fits the whole name.
func (g glob) match(name string) bool {
	if name == "" || strings.Contains(name, "/") {
		return false
	}
	ok, err := path.Match(string(g), name)
	return err == nil && ok
}

// prefix is what every name that matches begins with: where a listing starts.
func (g glob) prefix() string {
	var prefix strings.Builder
	for i := 0; i < len(g); i++ {
		switch g[i] {
		case '*', '?', '[':
			return prefix.String()
		case '\\':
			i++
			if i == len(g) {
				return prefix.String()
			}
		}
		prefix.WriteByte(g[i])
	}
	return prefix.String()
}
