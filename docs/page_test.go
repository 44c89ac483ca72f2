package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A block is a fenced block of a page.
type block struct {
	page string // its name, from the top of the tree
	line int    // of its first line
	lang string // sh, sql or text
	text string
	mark string // what the HTML comment above it says, as "exits" of "exits: 1"
	arg  string
	want string // of sh and sql: the block of text below it, "" for none
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

var markLine = regexp.MustCompile(`^<!-- (not run|exits|job): (.+) -->$`)

// pages are README.md and the pages of this folder, in the order in which they are run.
// The others go on from what README.md has started.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*.md")
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	names := []string{"README.md"}
	for _, f := range found {
		names = append(names, "docs/"+f)
	}
	return names
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocksOf takes a page apart. A block of no known language is an error: what cannot be
// run, and is no output, has to be said in another way.
func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	var found []block
	var open *block
	above := ""
	for i, line := range strings.Split(readPage(t, page), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && isFence:
			found = addBlock(t, found, *open)
			open, above = nil, ""
		case open != nil:
			open.text += line + "\n"
		case isFence:
			open = &block{page: page, line: i + 2, lang: fence}
			if m := markLine.FindStringSubmatch(above); m != nil {
				open.mark, open.arg = m[1], m[2]
			} else if strings.HasPrefix(above, "<!--") {
				t.Errorf("%s: the comment %q is not understood", open, above)
			}
		case line != "":
			above = line
		}
	}
	if open != nil {
		t.Fatalf("%s is not closed", open)
	}
	return found
}

func addBlock(t *testing.T, found []block, b block) []block {
	t.Helper()
	switch b.lang {
	case "sh", "sql":
		return append(found, b)
	case "text":
		if len(found) == 0 || found[len(found)-1].want != "" {
			t.Fatalf("%s is the output of no block", b)
		}
		found[len(found)-1].want = b.text
		return found
	}
	t.Fatalf("%s has the language %q: sh, sql or text (output of the block above)", b, b.lang)
	return nil
}

// pattern makes a regular expression of shown output. Numbers are any numbers, spaces and
// the lines of tables have any length, and … is whatever stands there; a line of … alone
// is any lines.
func pattern(want string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`^\s*`)
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		if line == "…" {
			b.WriteString(`(?s:.*)\n?`)
			continue
		}
		b.WriteString(` *`)
		rest := strings.TrimSpace(line)
		for rest != "" {
			at := masked.FindStringIndex(rest)
			if at == nil {
				at = []int{len(rest), len(rest)}
			}
			b.WriteString(regexp.QuoteMeta(rest[:at[0]]))
			switch word := rest[at[0]:at[1]]; {
			case word == "":
			case word == "…":
				b.WriteString(`.*`)
			case word[0] == ' ':
				b.WriteString(` *`)
			case word[0] == '-':
				b.WriteString(`-+`)
			default:
				b.WriteString(`\d+`)
			}
			rest = rest[at[1]:]
		}
		b.WriteString(` *\n?`)
	}
	b.WriteString(`\s*$`)
	return regexp.MustCompile(b.String())
}

var masked = regexp.MustCompile(`…|\d+| +|--+`)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		want, got string
		same      bool
	}{
		{"| 12 | a |", "|     7 | a   |\n", true},
		{"| 12 | a |", "| x | a |", false},
		{"+---+\n| a |", "+-----+\n| a   |\n", true},
		{"one\n…\nfour", "one\ntwo\nthree\nfour\n", true},
		{"one\n…", "one\n", true},
		{"one …", "one two\n", true},
		{"one", "one\ntwo\n", false},
		{"one\n   two", "one\n  two\n", true},
		{"ERROR 1 (x): y", "ERROR 2 (x): y\n", true},
	} {
		if got := pattern(c.want).MatchString(c.got); got != c.same {
			t.Errorf("%q against %q: %v, want %v", c.want, c.got, got, c.same)
		}
	}
}
